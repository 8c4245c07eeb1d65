"""Walking forward with refits: every fold trains anew and is saved when it is done."""

import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_limits

from forecast import runs
from forecast.bounded import read_table
from forecast.command_settings import BacktestSettings
from forecast.counts import counted
from forecast.engine import Engine, Here
from forecast.errors import InputError
from forecast.evaluation.backtest import Backtest, join, quantile_frame, read_quantile_frame
from forecast.evaluation.folds import Fold, make_folds, walk_folds
from forecast.jobs.prepare import Prepared
from forecast.jobs.terminal import Terminal
from forecast.jobs.versions import versions
from forecast.jobs.walking import (
    MOST_ORIGINS,
    by_seed,
    say_tickers,
    schedule_of,
    single_fold,
    with_ensembles,
)
from forecast.models.base import Forecaster
from forecast.models.baselines import BASELINES
from forecast.models.levels import LEVELS
from forecast.prices import Panel
from forecast.settings import Settings
from forecast.training import Ensemble, NeuralForecaster

#: Fold after fold, in this process.
HERE = Here()


def folder_of(run: Path, walk: BacktestSettings) -> Path:
    """Where a walk other than the run's own is kept: ``backtest/refit250-step1 …`` of the run."""
    name = f"refit{walk.refit_every}-step{walk.step}-embargo{walk.embargo}-{walk.window}"
    return run / "backtest" / name


def frozen(
    settings: Settings, prepared: Prepared, walk: BacktestSettings
) -> tuple[list[Fold], dict[str, Any]]:
    """The folds of a walk, and as the manifest keeps them: settings, dates, origins."""
    panel = prepared.panel
    if walk.refit_every:
        schedule = schedule_of(settings, walk)
        folds = make_folds(panel, prepared.test_start, None, schedule, MOST_ORIGINS)
    else:
        folds = [single_fold(settings, prepared, walk)]
    return folds, {
        "settings": walk.model_dump(mode="json"),
        "folds": [fold.facts(panel) for fold in folds],
    }


def open_backtest(
    run: Path, settings: Settings, prepared: Prepared, walk: BacktestSettings
) -> Path:
    """Make the folder of a walk, with the folds frozen in its manifest, or go on with it.

    Raises InputError when it was begun with other folds, prices or versions.
    """
    folder = folder_of(run, walk)
    source = runs.read_json(run / "manifest.json")
    frozen_walk = {
        "run": run.name,
        "versions": versions(),
        **{name: source[name] for name in ("data", "splits", "seeds")},
        "backtest": frozen(settings, prepared, walk)[1],
    }
    path = folder / "manifest.json"
    if path.exists():
        known = runs.read_json(path)
        other = [name for name, value in frozen_walk.items() if known.get(name) != value]
        if other:
            raise InputError(
                f"the backtest {folder} was begun with other {', '.join(other)}: its folds do not "
                "belong together with new ones; delete the folder to begin again."
            )
    else:
        folder.mkdir(parents=True, exist_ok=True)
        runs.write_json(path, {**frozen_walk, "files": {}})
    return folder


def refitted(
    folder: Path,
    settings: Settings,
    prepared: Prepared,
    walk: BacktestSettings,
    terminal: Terminal,
    engine: Engine = HERE,
) -> Backtest:
    """Train networks and baselines anew in every fold and forecast from its cutoffs.

    Each fold is written to `folder` when it is done, with its hash in the manifest there; a walk
    that was stopped goes on with the folds that are missing or damaged.
    """
    models = unfitted(settings)
    learners = {**by_seed(models), **{name: BASELINES[name]() for name in BASELINES}}
    folds, _ = frozen(settings, prepared, walk)
    names = [f"fold-{number:03d}.parquet" for number in range(len(folds))]
    todo = [number for number, name in enumerate(names) if not _is_done(folder, name)]
    terminal.heading(
        f"Walking forward in {counted(len(folds), 'fold')}, saved one by one in {folder}"
    )
    say_tickers(folds[0], prepared.panel, terminal)
    for number, fold in enumerate(folds):
        told = "" if number in todo else ", done before"
        terminal.line(f"  fold {number + 1} of {len(folds)}: {fold}{told}")
    shared = (learners, prepared.panel, settings.scored_horizons)
    saved = len(folds) - len(todo)
    with terminal.progress("folds", len(todo)) as bar:
        work = walked if engine.apart else partial(walked, done=bar.say)
        try:
            for place, (part, seconds) in engine.run(work, [folds[n] for n in todo], shared, str):
                _save(folder, names[todo[place]], part)
                saved += 1
                terminal.line(f"  fold {todo[place] + 1}: saved after {seconds:.0f} s")
                bar.step()
        except KeyboardInterrupt:
            raise KeyboardInterrupt(
                f"stopped; {saved} of {counted(len(folds), 'fold')} saved in {folder}, and the "
                "same command goes on from there"
            ) from None
    parts = [read_quantile_frame(read_table(folder / name)) for name in names]
    return with_ensembles(join(parts), models)


def walked(
    shared: tuple[Mapping[str, Forecaster], Panel, tuple[int, ...]],
    fold: Fold,
    done: Callable[[str], None] = lambda what: None,
) -> tuple[Backtest, float]:
    """Train and walk one fold, in whatever process this is called; also the seconds it took.

    `done` is told what each model has done.
    The linear algebra of the baselines has one thread: with more, last bits depend on their number.
    """
    began = time.perf_counter()
    learners, panel, horizons = shared
    with threadpool_limits(1, "blas"):
        _, backtest = next(walk_folds(learners, panel, [fold], horizons, done))
    return backtest, time.perf_counter() - began


def unfitted(settings: Settings) -> dict[str, Forecaster]:
    """The cells of a run, to be cloned and fitted in each fold.

    Every network validates on the last fifth of what it may learn from; nobody reads what
    telemetry would measure of it.
    """
    settings = settings.model_copy(update={"telemetry": "off"})
    seeds = range(settings.seed, settings.seed + settings.seeds)
    return {
        cell: Ensemble([NeuralForecaster(settings, cell, seed) for seed in seeds])
        for cell in settings.cell
    }


def _is_done(folder: Path, name: str) -> bool:
    """Whether a fold is there as it was written."""
    known, path = runs.read_json(folder / "manifest.json")["files"], folder / name
    return path.is_file() and runs.file_sha256(path) == known.get(name)


def _save(folder: Path, name: str, backtest: Backtest) -> None:
    """Write a fold, then its hash: a fold without one is done again."""
    runs.write_frame(folder / name, quantile_frame(backtest, LEVELS))
    manifest = runs.read_json(folder / "manifest.json")
    manifest["files"][name] = runs.file_sha256(folder / name)
    runs.write_json(folder / "manifest.json", manifest)
