"""Trainings and walks are killed at random moments, gone on with, and compared bit for bit."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from forecast.drafts import CHECKPOINT, START
from forecast.jobs.sameness import compare_runs
from forecast.torture.counts import Counts, Report

SCRIPTS = Path(__file__).parents[2] / "scripts"
#: The run that is killed: a second of training, a test part of 88 sessions.
NAME = "killed"
TRAIN = (
    *("train.py", "--name", NAME, "--tickers", "AAPL", "--start", "2005-01-03"),
    *("--end", "2006-10-31", "--lookback", "24", "--horizon", "5", "--cell", "lstm"),
    *("--units", "3", "--seeds", "2", "--epochs", "3", "--steps-per-epoch", "4"),
    *("--batch-size", "8", "--no-report"),
)
RESUME = ("train.py", "--resume", NAME)
#: A walk of two folds.
REFIT_EVERY = "45"
WALK = ("evaluate.py", NAME, "--refit-every", REFIT_EVERY)
WALK_FOLDER = f"backtest/refit{REFIT_EVERY}-step1-embargo0-expanding"
#: With so few kills, of the kinds of a training alone, no walk is made.
WITHOUT_WALK = 4
#: Seconds between two events that mean that something is computed.
BUSY_S = 0.5
#: Seconds after which a command counts as hanging.
PATIENCE = 900


class Event(NamedTuple):
    """What happened in the file system of an undisturbed run (see `forecast.torture.trap`)."""

    name: str
    path: str
    at: float  # seconds


class Moment(NamedTuple):
    """When a command is killed."""

    kind: str
    command: tuple[str, ...]
    event: int
    delay_s: float


class Whole(NamedTuple):
    """The run and its walk that nothing disturbed, and the moments they had."""

    run: Path
    moments: dict[str, list[tuple[tuple[str, ...], int, float]]]  # command, event, gap in seconds


def run(count: int, seed: int, report: Report) -> Counts:
    """Kill a training or its walk `count` times, each at a moment drawn from `seed`."""
    rng = np.random.default_rng(seed)
    faults, by = [], Counter[str]()
    with tempfile.TemporaryDirectory(prefix="kills-") as name:
        report("a run and a walk that nothing disturbs, to compare with")
        commands = (TRAIN, WALK) if count > WITHOUT_WALK else (TRAIN,)
        whole = undisturbed(Path(name) / "whole", commands)
        for number in range(count):
            kind = list(whole.moments)[number % len(whole.moments)]
            moment = draw(kind, whole, rng)
            fault = kill_once(Path(name) / f"{number}", moment, whole)
            by[kind] += 1
            told = (
                f"{kind}, {moment.delay_s:.2f} s after event {moment.event} of {moment.command[0]}"
            )
            report(f"kill {number + 1} of {count}: {told}: {fault or 'resumed identical'}")
            if fault:
                faults.append(f"kill {number + 1} (seed {seed}), {told}: {fault}")
    return Counts("kills", count, "resumed identical", count - len(faults), tuple(faults), by)


def draw(kind: str, whole: Whole, rng: np.random.Generator) -> Moment:
    """Draw a moment of one kind: an event, and a part of the time until the next one."""
    command, event, gap = whole.moments[kind][rng.integers(len(whole.moments[kind]))]
    return Moment(kind, command, event, float(rng.uniform(0, gap)))


def undisturbed(folder: Path, commands: tuple[tuple[str, ...], ...]) -> Whole:
    """Train, and walk if asked to, in `folder`, noting every moment."""
    moments: dict[str, list[tuple[tuple[str, ...], int, float]]] = {}
    for command in commands:
        kinds = training_kinds if command == TRAIN else walk_kinds
        place = folder / f"{command[0]}.json"
        done = call(folder, command, {"note": str(place)})
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)} failed undisturbed: {_last(done)}")
        events = [Event(*each) for each in json.loads(place.read_text(encoding="utf-8"))]
        for kind, event, gap in kinds(events):
            moments.setdefault(kind, []).append((command, event, gap))
    return Whole(folder / "runs" / NAME, moments)


def training_kinds(events: list[Event]) -> Iterator[tuple[str, int, float]]:
    """Kind, event and seconds that can be waited after it, of the moments of a training."""
    saved = [k for k, e in enumerate(events) if e.path.endswith(".state") and e.name == "os.rename"]
    start = next(k for k, e in enumerate(events) if e.path.endswith(START) and "pid" not in e.path)
    renamed = next(k for k, e in enumerate(events) if e.path == NAME)
    manifest = next(k for k, e in enumerate(events) if e.path.endswith("partial/manifest.json"))
    for before, after in zip([start, *saved], saved, strict=False):
        yield _epoch_kind(events, before, after), before, _gap(events, before)
    saving = (k for k in range(saved[-1] + 1) if _is_epoch(events[k]))
    yield from (("saving an epoch", k, 0.0) for k in saving)
    yield "walking forward", manifest, _gap(events, manifest)
    yield from (("writing the run", k, 0.0) for k in range(saved[-1] + 1, renamed))
    yield from (("finishing the run", k, 0.0) for k in range(renamed, len(events)))


def walk_kinds(events: list[Event]) -> Iterator[tuple[str, int, float]]:
    """Kind, event and seconds that can be waited after it, of the moments of a walk with refits."""
    folds = [k for k, e in enumerate(events) if "fold-" in e.path]
    for k in range(len(events) - 1):
        if k > folds[-1]:
            yield "scoring the walk", k, 0.0
        elif _gap(events, k) > BUSY_S:
            yield "inside a fold", k, _gap(events, k)
        elif k >= folds[0]:
            yield "saving a fold", k, 0.0


def _is_epoch(event: Event) -> bool:
    return event.path.endswith(".state")


def _epoch_kind(events: list[Event], before: int, after: int) -> str:
    """Whether what was saved before and after is of one network, and the later one is an epoch."""
    if not Path(events[after].path).name.startswith("epoch-"):
        return "after the last epoch"
    parents = {Path(events[k].path).parent for k in (before, after) if _is_epoch(events[k])}
    return "inside an epoch" if len(parents) == 1 else "between seeds"


def _gap(events: list[Event], k: int) -> float:
    """Seconds until something else than a file that is put away happens."""
    later = (e.at for e in events[k + 1 :] if e.name != "os.remove")
    return next(later, events[k].at) - events[k].at


def kill_once(folder: Path, moment: Moment, whole: Whole) -> str:
    """Kill a command at a moment, go on, compare; return what is wrong, or nothing."""
    delay_s = moment.delay_s
    while not killed(folder, moment, delay_s, whole):
        if delay_s == 0:
            return "was not killed"
        delay_s = delay_s / 4 if delay_s > 1 else 0  # it was faster than the one undisturbed
    final = folder / "runs" / NAME
    if moment.command == TRAIN and final.exists() and compare_runs(whole.run, final)[1]:
        return "a run that is not whole has its final name"
    fault = go_on(folder, moment)
    if not fault:
        pairs = [(whole.run, final)]
        if moment.command == WALK:
            pairs.append((whole.run / WALK_FOLDER, final / WALK_FOLDER))
        other = [str(each) for pair in pairs for each in compare_runs(*pair)[1]]
        told = [*other, *leftovers(folder / "runs")]
        if moment.command == TRAIN and (folder / "runs/latest").resolve() != final.resolve():
            told.append("latest does not point at the run")
        fault = "; ".join(told)
        shutil.rmtree(folder)
    return fault


def killed(folder: Path, moment: Moment, delay_s: float, whole: Whole) -> bool:
    """Start a command in an empty folder (a walk: with its run); return whether it was killed."""
    shutil.rmtree(folder, ignore_errors=True)
    if moment.command == WALK:
        kept = shutil.ignore_patterns("backtest")
        shutil.copytree(whole.run, folder / "runs" / NAME, ignore=kept)
    done = call(folder, moment.command, {"event": moment.event, "delay_s": delay_s})
    return done.returncode == -signal.SIGKILL


def go_on(folder: Path, moment: Moment) -> str:
    """Go on after a kill as the messages say; return what went wrong, or nothing."""
    runs_dir = folder / "runs"
    if moment.command == TRAIN and (runs_dir / NAME).exists():
        done = call(folder, RESUME)
        told = f"the run {NAME} is whole" in done.stderr
        return "" if told else f"a run that is whole was not told: {_last(done)}"
    begun = runs_dir / f".{NAME}.partial" / CHECKPOINT / START
    resumes = moment.command == TRAIN and begun.is_file()
    done = call(folder, RESUME if resumes else moment.command)
    return f"going on failed: {_last(done)}" if done.returncode else ""


def leftovers(runs_dir: Path) -> list[str]:
    """What should not lie in a folder of runs that are whole."""
    left = [*runs_dir.rglob(".*"), *runs_dir.rglob(CHECKPOINT)]
    return [f"{path.relative_to(runs_dir)} was left behind" for path in left]


def call(
    folder: Path, command: tuple[str, ...], plan: Mapping[str, object] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a script of the project in `folder`, with or without a trap."""
    folder.mkdir(parents=True, exist_ok=True)
    script = [str(SCRIPTS / command[0]), *command[1:]]
    trap = ["-m", "forecast.torture.trap", json.dumps(plan)] if plan else []
    environment = os.environ | {"OMP_NUM_THREADS": "1"}  # threads would wait for each other
    return subprocess.run(
        [sys.executable, *trap, *script],
        cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=PATIENCE,
    )  # fmt: skip


def _last(done: subprocess.CompletedProcess[str]) -> str:
    lines = (done.stderr.strip() or done.stdout.strip()).splitlines() or [""]
    return f"exit code {done.returncode}, {lines[-1]}"
