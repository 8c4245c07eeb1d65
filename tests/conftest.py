"""Made-up prices for every test."""

import mmap
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, settings

from forecast.prices import Panel, clean, garch_prices

# The same examples every time: a red test is the change's, not the draw's.
settings.register_profile(
    "repeatable",
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow],
)
settings.load_profile("repeatable")


@pytest.fixture(scope="session")
def make_panel() -> Callable[..., Panel]:
    """Return a factory of panels: GARCH prices, one ticker listed late, some holes."""

    def make(
        tickers: int = 3, sessions: int = 700, seed: int = 0, holes: int = 0, late: int = 0
    ) -> Panel:
        rows = garch_prices(tickers, sessions, seed)
        panel, _ = clean(rows, source="synthetic", sha256=f"{seed}", calendar="XNYS")
        frame = panel.frame.copy()
        rng = np.random.default_rng(seed)
        for name in panel.tickers:
            empty = rng.choice(np.arange(1, sessions - 1), holes, replace=False)
            frame.loc[frame.index[empty], (slice(None), name)] = np.nan
        frame.loc[frame.index[:late], (slice(None), panel.tickers[-1])] = np.nan
        return replace(panel, frame=frame)

    return make


@pytest.fixture(scope="session")
def change_after() -> Callable[[Panel, int, int], Panel]:
    """Return a function that replaces every price after one session, and opens a few holes."""

    def change(panel: Panel, session: int, seed: int) -> Panel:
        rng = np.random.default_rng(seed)
        values = panel.frame.to_numpy().copy()  # (S, fields · U)
        later = values[session + 1 :]
        later *= np.exp(rng.normal(0, 0.3, later.shape))
        later[rng.random(later.shape) < 0.05] = np.nan
        frame = pd.DataFrame(values, index=panel.frame.index, columns=panel.frame.columns)
        return replace(panel, frame=frame)

    return change


@pytest.fixture(scope="session")
def is_mapped() -> Callable[[np.ndarray], bool]:
    """Return a function that says whether an array is a view of a file."""

    def check(array: np.ndarray) -> bool:
        while isinstance(array.base, np.ndarray):
            array = array.base
        return isinstance(getattr(array.base, "obj", None), mmap.mmap)

    return check


@pytest.fixture(scope="session")
def finish() -> Callable[[Path, str], Path]:
    """Return a function that writes the smallest folder that counts as a run."""
    from forecast import runs
    from forecast.drafts import new_run

    def write(runs_dir: Path, name: str) -> Path:
        with new_run(runs_dir, name) as folder:
            runs.write_json(folder / "manifest.json", {"files": {}})
        return runs_dir / name

    return write


@pytest.fixture(scope="session")
def everything() -> Callable[[Path], list[str]]:
    """Return a function that names what a folder holds."""
    return lambda folder: sorted(p.name for p in folder.iterdir()) if folder.exists() else []


@pytest.fixture(scope="session")
def telemetry_rows() -> pd.DataFrame:
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
def make_run(
    make_panel: Callable[..., Panel], telemetry_rows: pd.DataFrame, tmp_path_factory
) -> Callable[..., Path]:
    """Return a function that writes a run as a training leaves it, in a second, without a network.

    It has so many tickers, with names of one's choice.
    """
    from forecast import runs
    from forecast.jobs.fans import write_fans
    from forecast.jobs.prepare import Prepared
    from forecast.models.baselines import Drift, EwmaT, History
    from forecast.settings import Settings
    from forecast.windows import make_splits

    chosen = Settings(lookback=40, horizon=5, cell=("lstm",), units=4)

    def make(tickers=2, sessions=600, names=None, notes=()) -> Path:
        panel = make_panel(tickers=tickers, sessions=sessions)
        if names:
            panel.frame.columns = panel.frame.columns.set_levels(sorted(names), level="unique_id")
        prepared = Prepared(panel, make_splits(panel, chosen), [])
        folder = tmp_path_factory.mktemp("runs") / "small"
        (folder / "plots").mkdir(parents=True)
        data = {"source": "synthetic", "tickers": panel.tickers, "sessions": sessions}
        data |= {"first": f"{panel.sessions[0]:%Y-%m-%d}", "last": f"{panel.sessions[-1]:%Y-%m-%d}"}
        data |= {"scale": panel.scale, "unit": "USD, adjusted", "calendar": "XNYS", "sha256": "0"}
        manifest = {"data": data, "splits": prepared.splits.dates(panel), "notes": list(notes)}
        manifest |= {"command": ["forecast", "train"], "files": {}, "versions": {"python": "3"}}
        runs.write_json(folder / "manifest.json", manifest | {"seeds": [0], "backtest": {}})
        runs.write_settings(folder, chosen)
        models = {"lstm": History(250), "ewma-t": EwmaT(), "drift": Drift()}
        models = {name: model.fit(panel, prepared.until) for name, model in models.items()}
        write_scores(folder, prepared, models, data)
        runs.write_frame(folder / "telemetry.parquet", telemetry_rows)
        history = {"model": "lstm", "seed": 0, "epoch": [1, 2, 3], "loss": [0.6, 0.55, 0.5]}
        history = pd.DataFrame(history | {"val_loss": [0.62, 0.6, 0.61], "seconds": [1, 2, 3]})
        runs.write_frame(folder / "history.csv", history)
        write_fans(folder, prepared, models, 5)
        return folder

    return make


def write_scores(folder, prepared, models, data) -> None:
    """Write what a walk over the test part leaves in a run; the first model is its network."""
    from forecast import runs
    from forecast.evaluation.backtest import forecast_frame, make_cutoffs, walk_forward
    from forecast.evaluation.report import metrics_json
    from forecast.evaluation.scorecard import make_scorecard, with_conformal

    panel, (network, *baselines) = prepared.panel, models
    cutoffs = make_cutoffs(panel, prepared.test_start, horizon=5)
    backtest = with_conformal(walk_forward(models, panel, cutoffs, (1, 5)), panel, [network])
    card = make_scorecard(backtest, panel, prepared.until, [network], baselines)
    metrics = metrics_json(card) | {"data": data, "splits": prepared.splits.dates(panel)}
    metrics["models"][network] |= {"params": 100, "seeds": 1, "step_ms": 3.0}
    runs.write_json(folder / "metrics.json", metrics)
    runs.write_frame(folder / "forecasts.parquet", forecast_frame(backtest, panel))
    card.write(folder)
