"""Run a script that kills itself at a chosen moment, or notes every moment at which it could.

    python -m forecast.torture.trap '{"note": "events.json"}' scripts/train.py …
    python -m forecast.torture.trap '{"event": 12, "delay_s": 0.3}' scripts/train.py …

A moment is an event in the file system (a file of the runs is opened, renamed, removed …) and a
delay after it. The script is run as it is; an audit hook of Python counts the events.
"""

import atexit
import json
import os
import re
import runpy
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

#: What is counted: the event of `sys.audit` and the position of the path in its arguments.
EVENTS = {"open": 0, "os.rename": 1, "os.remove": 0, "os.mkdir": 0, "os.rmdir": 0}


def main() -> None:
    """Read the plan and the command from the arguments, set the trap, run the script."""
    plan, script = json.loads(sys.argv[1]), sys.argv[2]
    sys.argv = sys.argv[2:]
    sys.path.insert(0, str(Path(script).parent))
    set_trap(note(Path(plan["note"])) if "note" in plan else kill_at(**plan))
    runpy.run_path(script, run_name="__main__")


def set_trap(meet: Callable[[str, str], None]) -> None:
    """Call `meet` with name and path of every event below ``runs`` in the working folder."""
    folder = Path("runs").absolute()

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event in EVENTS and isinstance(path := arguments[EVENTS[event]], str | os.PathLike):
            full = os.path.abspath(os.fspath(path))  # noqa: PTH100  (a link stays a link)
            if full.startswith(f"{folder}{os.sep}"):
                place = os.path.relpath(full, folder)
                meet(event, re.sub(rf"\.{os.getpid()}\b", ".pid", place))

    sys.addaudithook(hook)


def note(path: Path) -> Callable[[str, str], None]:
    """Keep every event with its time in a JSON file: ``[[name, path, seconds], …]``."""
    events: list[tuple[str, str, float]] = []
    atexit.register(lambda: path.write_text(json.dumps(events), encoding="utf-8"))
    return lambda event, place: events.append((event, place, time.perf_counter()))


def kill_at(event: int, delay_s: float) -> Callable[[str, str], None]:
    """Kill this process so many seconds after the event of that number, counted from 0."""
    met = 0

    def meet(*_: str) -> None:
        nonlocal met
        met += 1
        if met != event + 1:
            return
        if delay_s == 0:
            _die()
        threading.Timer(delay_s, _die).start()

    return meet


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main()
