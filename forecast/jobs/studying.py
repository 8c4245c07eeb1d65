"""`forecast study`: run units side by side, judge the claims, write frame, figure and page."""

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd

from forecast import runs
from forecast.jobs.terminal import Terminal, startup_notes_hidden
from forecast.settings import StudySettings
from forecast.studies import NAMES, Finding, Study, Unit, load
from forecast.studies.page import publish
from forecast.studies.runner import collected, finished, run_units, stay_on_one_core

#: Packages whose versions can change the numbers.
PACKAGES = ("forecast", "tensorflow", "keras", "numpy")


def list_studies(terminal: Terminal) -> None:
    """Say the name of every study and what it shows."""
    width = max(map(len, NAMES))
    terminal.data(studies=[{"name": name, "shows": load(name).shows} for name in NAMES])
    for name in NAMES:
        terminal.result(f"{name:<{width}}  {load(name).shows}")


def run_studies(
    studies: Sequence[Study], how: StudySettings, folder: Path, terminal: Terminal
) -> None:
    """Run studies one after another and write each into a folder of its name.

    Raises InputError when the folder cannot be written.
    """
    with workers(how.processes) as executor:
        for study in studies:
            run_study(study, how, folder, executor, terminal)


def run_study(
    study: Study, how: StudySettings, parent: Path, executor: Executor, terminal: Terminal
) -> Path:
    """Run what is not finished of a study, judge it, and return the folder it was written to."""
    folder = parent / (f"{study.name}-quick" if how.quick else study.name)
    runs.make_folder(folder, "--out")
    units = study.units(how.quick, how.seeds)
    todo = [unit for unit in units if finished(study, unit, folder) is None]
    terminal.heading(f"{study.name}: {study.shows}")
    before = len(units) - len(todo)
    terminal.line(f"  {len(units)} measurements" + (f", {before} done before" if before else ""))
    seconds = measure(study, todo, folder, executor, terminal)
    frame = collected(study, units, folder)
    findings = study.judge(frame)
    write_result(study, how, frame, findings, folder)
    terminal.data(**{study.name: {**summary(study, how, findings), "folder": folder}})
    tell(study, findings, terminal)
    if how.quick:
        terminal.line("  small sizes show how it goes; what they do not confirm a full run may")
    if todo:
        terminal.line(f"  {seconds:.0f} s")
    if how.page:
        publish(folder, how.page)
    terminal.path(folder)
    return folder


def measure(
    study: Study, todo: Sequence[Unit], folder: Path, executor: Executor, terminal: Terminal
) -> float:
    """Run the units that are not finished; return the seconds it took."""
    started = time.perf_counter()
    with terminal.progress(study.name, len(todo)) as bar:
        try:
            for unit in run_units(study, todo, folder, executor):
                bar.step(" ".join(str(value) for value in unit.values())[:40])
        except KeyboardInterrupt:
            terminal.line(f"what was finished is kept in {folder}; the same command goes on.")
            raise
    return time.perf_counter() - started


def write_result(
    study: Study,
    how: StudySettings,
    frame: pd.DataFrame,
    findings: dict[str, Finding],
    folder: Path,
) -> None:
    """Write ``result.parquet``, ``figure.png`` and ``result.json``."""
    from forecast.plots import save

    runs.write_frame(folder / "result.parquet", frame)
    save(study.draw(frame), folder / "figure.png")
    runs.write_json(folder / "result.json", summary(study, how, findings))


def summary(study: Study, how: StudySettings, findings: dict[str, Finding]) -> dict[str, Any]:
    """What is written of a study for machines, and for the page."""
    return {
        "name": study.name,
        "shows": study.shows,
        "task": study.task,
        "quick": how.quick,
        "seeds": how.seeds or (study.quick_seeds if how.quick else study.seeds),
        "claims": [
            claim._asdict() | findings[key]._asdict() for key, claim in study.claims.items()
        ],
        "versions": {name: version(name) for name in PACKAGES},
    }


def tell(study: Study, findings: dict[str, Finding], terminal: Terminal) -> None:
    """Print claim, published number, our number and verdict."""
    for key, claim in study.claims.items():
        ours, verdict = findings[key]
        terminal.result(f"  claim      {claim.says}")
        terminal.result(f"  published  {claim.published} ({claim.paper})")
        terminal.result(f"  ours       {ours}")
        terminal.result(f"  verdict    {verdict}")
        terminal.result("")


@contextmanager
def workers(processes: int | None) -> Iterator[Executor]:
    """Yield processes with one core each, so that numbers do not depend on how many there are."""
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    count = processes or len(cores) or os.cpu_count() or 1
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    for k in range(count):
        queue.put(cores[k % len(cores)] if cores else None)
    executor = ProcessPoolExecutor(count, context, _start_worker, (queue,))
    try:
        yield executor
    finally:
        executor.shutdown(wait=True, cancel_futures=True)


def _start_worker(cores: Any) -> None:
    """Take a core, load TensorFlow there, and end when the parent does."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends it without a word
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with startup_notes_hidden():
        stay_on_one_core(cores.get())


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
