"""What happens in a process that works on units, on this machine or another."""

import hashlib
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

#: Seconds between two looks at whether the process that started this one is still there.
LOOK_SECONDS = 1.0
#: Sockets that say which core is whose; the system closes them when the process ends.
_held: list[socket.socket] = []


def call(work: Callable[[Any, Any], Any], shared: Any, number: int, unit: Any) -> tuple[int, Any]:
    """Work on a unit; return its number and its result."""
    return number, work(shared, unit)


@cache
def settle() -> None:
    """Keep this process on a core of its own, and end it when the one that started it ends.

    Processes that share cores wait for each other; one per core does not.
    """
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the other process's to answer
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {_free_core()})
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()


@cache
def code() -> str:
    """Hex SHA-256 of the source of this package: its version alone does not tell two apart."""
    digest, root = hashlib.sha256(), Path(__file__).parents[1]
    for path in sorted(root.rglob("*.py")):
        digest.update(path.relative_to(root).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()


def _free_core() -> int:
    """A core that no other worker of this user has taken, or any when all are taken."""
    cores = sorted(os.sched_getaffinity(0))
    for core in cores:
        taken = socket.socket(socket.AF_UNIX)
        with suppress(OSError):
            taken.bind(f"\0forecast-{os.getuid()}-core-{core}")  # a name without a file
            _held.append(taken)
            return core
        taken.close()
    return cores[os.getpid() % len(cores)]


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(LOOK_SECONDS)
    os._exit(1)
