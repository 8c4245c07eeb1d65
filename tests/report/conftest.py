"""A small run folder as a training leaves it, made in a second without a network."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from forecast import runs
from forecast.evaluation.backtest import forecast_frame, make_cutoffs, walk_forward
from forecast.evaluation.calibration import reliability
from forecast.evaluation.report import metrics_json
from forecast.evaluation.scores import scores, summary
from forecast.evaluation.significance import skill_table
from forecast.jobs.fans import write_fans
from forecast.jobs.prepare import Prepared
from forecast.models.baselines import Drift, EwmaT, History
from forecast.report import write_report
from forecast.settings import Settings
from forecast.windows import make_splits

SETTINGS = Settings(lookback=40, horizon=5, cell=("lstm",), units=4)


def telemetry():
    """What a training of three epochs measures, in round numbers."""
    rows = []
    for step in range(1, 61):
        rows.append((step, 1, "", "global_norm", "", np.nan, 0.02 + 0.001 * (step % 7)))
        for layer in ("recurrent/lstm_cell/kernel", "head/dense/bias"):
            rows.append((step, 1, layer, "norm", "", np.nan, 0.01))
            rows.append((step, 1, layer, "update_ratio", "", np.nan, 1e9 if step == 1 else 1e-3))
    for epoch in (0, 1, 2, 3):
        step = 20 * epoch
        for lag in range(40):
            rows.append((step, epoch, "recurrent", "state_gradient_norm", "", lag, 0.8**lag))
        rows.append((step, epoch, "recurrent", "memory_sessions", "", np.nan, 4.5))
        rows.append((step, epoch, "", "clipped_share", "", np.nan, 0.1))
        for gate in ("input", "forget", "candidate", "output"):
            rows.append((step, epoch, "recurrent", "gate_mean", gate, np.nan, 0.7))
            rows.append((step, epoch, "recurrent", "gate_saturation", gate, np.nan, 0.1))
    columns = ["step", "epoch", "layer", "quantity", "gate", "lag_sessions", "value"]
    return pd.DataFrame(rows, columns=columns).assign(model="lstm", seed=0)


@pytest.fixture(scope="session")
def make_run(make_panel, tmp_path_factory):
    """Return a function that writes a run of so many tickers, with names of one's choice."""

    def make(tickers=2, sessions=600, names=None, notes=()) -> Path:
        panel = make_panel(tickers=tickers, sessions=sessions)
        if names:
            panel.frame.columns = panel.frame.columns.set_levels(sorted(names), level="unique_id")
        prepared = Prepared(panel, make_splits(panel, SETTINGS), [])
        folder = tmp_path_factory.mktemp("runs") / "small"
        (folder / "plots").mkdir(parents=True)
        until = prepared.until
        models = {"lstm": History(250), "ewma-t": EwmaT(), "drift": Drift()}
        models = {name: model.fit(panel, until) for name, model in models.items()}
        cutoffs = make_cutoffs(panel, prepared.test_start, horizon=5)
        backtest = walk_forward(models, panel, cutoffs, (1, 5))
        table = scores(backtest, panel)
        skill = skill_table(table, ["lstm"], ["ewma-t", "drift"])
        splits = prepared.splits.dates(panel)
        data = {"source": "synthetic", "tickers": panel.tickers, "sessions": sessions}
        data |= {"first": f"{panel.sessions[0]:%Y-%m-%d}", "last": f"{panel.sessions[-1]:%Y-%m-%d}"}
        data |= {"scale": panel.scale, "unit": "USD, adjusted", "calendar": "XNYS", "sha256": "0"}
        manifest = {"data": data, "splits": splits, "notes": list(notes), "seeds": [0]}
        manifest |= {"command": ["forecast", "train"], "files": {}, "versions": {"python": "3"}}
        runs.write_json(folder / "manifest.json", manifest)
        runs.write_settings(folder, SETTINGS)
        metrics = metrics_json(summary(table), skill) | {"data": data, "splits": splits}
        metrics["models"]["lstm"] |= {"params": 100, "seeds": 1, "step_ms": 3.0}
        runs.write_json(folder / "metrics.json", metrics)
        runs.write_frame(folder / "forecasts.parquet", forecast_frame(backtest, panel))
        runs.write_frame(folder / "significance.csv", skill)
        runs.write_frame(folder / "calibration.csv", reliability(backtest))
        runs.write_frame(folder / "telemetry.parquet", telemetry())
        history = {"model": "lstm", "seed": 0, "epoch": [1, 2, 3], "loss": [0.6, 0.55, 0.5]}
        history = pd.DataFrame(history | {"val_loss": [0.62, 0.6, 0.61], "seconds": [1, 2, 3]})
        runs.write_frame(folder / "history.csv", history)
        write_fans(folder, prepared, models, 5)
        return folder

    return make


@pytest.fixture(scope="session")
def run(make_run):
    """The run most tests read; copy it before changing it."""
    return make_run(notes=["AAA 2001-01-02: large step: taken as real"])


@pytest.fixture(scope="session")
def page(run):
    """Its report."""
    return write_report(run)


@pytest.fixture
def copy_of(run, tmp_path):
    """A copy of the run that a test may spoil."""
    return Path(shutil.copytree(run, tmp_path / "small"))
