"""Walking forward with refits: every fold trains anew and is saved when it is done."""

import hashlib
from pathlib import Path

import pandas as pd
from sklearn.base import clone

from forecast import runs
from forecast.evaluation.backtest import Backtest, join, quantile_frame, read_quantile_frame
from forecast.evaluation.folds import Fold, Schedule, make_folds, walk_folds
from forecast.jobs.prepare import Prepared
from forecast.jobs.terminal import Terminal
from forecast.models.base import Forecaster
from forecast.models.baselines import BASELINES
from forecast.models.levels import LEVELS
from forecast.settings import BacktestSettings, Settings
from forecast.training import Ensemble, NeuralForecaster


def schedule_of(settings: Settings, walk: BacktestSettings) -> Schedule:
    """The schedule of a walk for the horizon of a run."""
    return Schedule(
        refit_every=walk.refit_every,
        step=walk.step,
        embargo=walk.embargo if walk.refit_every else 0,
        horizon=settings.horizon,
        window=walk.window,
    )


def refitted(
    run: Path, settings: Settings, prepared: Prepared, walk: BacktestSettings, terminal: Terminal
) -> Backtest:
    """Train networks and baselines anew in every fold and forecast from its cutoffs.

    Each fold is written to ``backtest/<key>/`` of the run when it is done; a walk that was stopped
    goes on with the first fold that is missing. The folds are frozen in the manifest.
    """
    panel = prepared.panel
    folds = make_folds(panel, prepared.test_start, None, schedule_of(settings, walk))
    key = hashlib.sha256(f"{walk!r}{panel.sha256}{settings!r}".encode()).hexdigest()[:12]
    folder = run / "backtest" / key
    folder.mkdir(parents=True, exist_ok=True)
    _freeze(run, walk, folds)
    terminal.heading(f"Walking forward in {len(folds)} folds, saved in {folder}")
    models = unfitted(settings)
    parts = []
    with terminal.progress("folds", len(folds)) as bar:
        for number, fold in enumerate(folds):
            path = folder / f"fold-{number:03d}.parquet"
            terminal.line(f"  {number + 1:>3}: {fold}{' (done before)' if path.exists() else ''}")
            if not path.exists():
                _, backtest = next(walk_folds(models, panel, [fold], settings.scored_horizons))
                runs.write_frame(path, quantile_frame(backtest, LEVELS))
            parts.append(read_quantile_frame(pd.read_parquet(path)))
            bar.step()
    return join(parts)


def unfitted(settings: Settings) -> dict[str, Forecaster]:
    """The cells of a run and the baselines, to be cloned and fitted in each fold.

    Every network validates on the last fifth of what it may learn from.
    """
    seeds = range(settings.seed, settings.seed + settings.seeds)
    cells: dict[str, Forecaster] = {
        cell: Ensemble([NeuralForecaster(settings, cell, seed) for seed in seeds])
        for cell in settings.cell
    }
    return {**cells, **{name: clone(BASELINES[name]()) for name in BASELINES}}


def _freeze(run: Path, walk: BacktestSettings, folds: list[Fold]) -> None:
    manifest = runs.read_json(run / "manifest.json")
    manifest["backtest"] = {
        "settings": walk.model_dump(mode="json"),
        "folds": [str(fold) for fold in folds],
    }
    runs.write_json(run / "manifest.json", manifest)
