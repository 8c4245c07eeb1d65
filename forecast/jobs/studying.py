"""`forecast study`: run units side by side, judge the claims, write frame, figure and page."""

import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd

from forecast import runs
from forecast.command_settings import StudySettings
from forecast.counts import counted
from forecast.engine import Engine
from forecast.jobs.terminal import Terminal
from forecast.jobs.workers import workers
from forecast.studies import NAMES, Finding, Study, Unit, load
from forecast.studies.page import publish
from forecast.studies.runner import collected, finished, run_units

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
    with workers(how, apart=True) as engine:
        for study in studies:
            run_study(study, how, folder, engine, terminal)


def run_study(
    study: Study, how: StudySettings, parent: Path, engine: Engine, terminal: Terminal
) -> Path:
    """Run what is not finished of a study, judge it, and return the folder it was written to."""
    folder = parent / (f"{study.name}-quick" if how.quick else study.name)
    runs.make_folder(folder, "--out")
    units = study.units(how.quick, how.seeds)
    todo = [unit for unit in units if finished(study, unit, folder) is None]
    terminal.heading(f"{study.name}: {study.shows}")
    before = len(units) - len(todo)
    terminal.line(
        f"  {counted(len(units), 'measurement')}" + (f", {before} done before" if before else "")
    )
    seconds = measure(study, todo, folder, engine, terminal)
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
    study: Study, todo: Sequence[Unit], folder: Path, engine: Engine, terminal: Terminal
) -> float:
    """Run the units that are not finished; return the seconds it took."""
    started = time.perf_counter()
    with terminal.progress(study.name, len(todo)) as bar:
        try:
            for unit in run_units(study, todo, folder, engine):
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
