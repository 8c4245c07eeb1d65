"""Cost per training window and per forecast origin, and peak memory, as the panel grows.

python scripts/bench_scale.py [--tickers 20 500 5000] [--sessions 2500] [--json PATH]

Each size runs in a process of its own on made-up GARCH prices with staggered listings, delistings
and gaps. "waiting" is the share of a training step that is spent on data: the step time with our
batches against the same step on one batch that is there already. Beside it, cutting the same
windows with keras.utils.timeseries_dataset_from_array, in the same way and a process of its own.
"constant" is the peak memory of the smallest panel, which is TensorFlow's.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

LOOKBACK, HORIZON, BATCH, STEPS = 160, 20, 64, 100
#: Sessions from whose closes every ticker is forecast.
CUTOFFS = 240
HORIZONS = (1, 5, 20)
BLOCK = 250


def main() -> None:
    """Measure every size and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tickers", type=int, nargs="+", default=[20, 500, 5000])
    parser.add_argument("--sessions", type=int, default=2500)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--one", choices=("ours", "keras"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        measure = ours if arguments.one == "ours" else keras_windows
        print(json.dumps(measure(arguments.tickers[0], arguments.sessions)))
        return
    found = [one_size(count, arguments.sessions) for count in arguments.tickers]
    tell(found)
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=2) + "\n")


def one_size(tickers: int, sessions: int) -> dict[str, Any]:
    """Measure ours and Keras's, each in a process of its own."""
    result: dict[str, Any] = {"tickers": tickers, "sessions": sessions}
    for name in ("ours", "keras"):
        command = [sys.executable, __file__, "--one", name, "--tickers", str(tickers)]
        command += ["--sessions", str(sessions)]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        result[name] = json.loads(done.stdout.splitlines()[-1])
    return result


def garch_panel(tickers: int, sessions: int) -> Any:
    """A float32 panel of adjusted closes, made in blocks of tickers."""
    import pandas as pd

    from forecast.prices import Panel, next_sessions
    from forecast.prices.mapped import new_array
    from forecast.prices.synthetic import garch_returns

    values = new_array((tickers, sessions))
    for start in range(0, tickers, BLOCK):
        block = values[start : start + BLOCK]
        rng = np.random.default_rng(start)
        returns = garch_returns(rng.standard_normal((sessions, len(block))))
        block[:] = 50 * np.exp(np.cumsum(returns, axis=0)).T
        for row in block:
            if rng.random() < 0.5:
                row[: rng.integers(sessions // 2)] = np.nan
            if rng.random() < 0.2:
                row[sessions - rng.integers(1, sessions // 3) :] = np.nan
            row[rng.choice(sessions, 10, replace=False)] = np.nan
    days = next_sessions("XNYS", "2010-01-01", sessions)
    names = [f"S{number:05d}" for number in range(tickers)]
    columns = pd.MultiIndex.from_product([["adj_close"], names], names=["field", "unique_id"])
    frame = pd.DataFrame(values.T, index=days.rename("ds"), columns=columns, copy=False)
    return Panel(frame, "garch", f"{tickers}", "XNYS")


def ours(tickers: int, sessions: int) -> dict[str, float]:
    """Features, training, forecasting and scoring of one panel."""
    from forecast.evaluation.backtest import make_cutoffs
    from forecast.evaluation.streaming import scores_by_date
    from forecast.models.network import build_network
    from forecast.settings import Settings
    from forecast.training import NeuralForecaster
    from forecast.training.batches import TrainingBatches
    from forecast.training.forecaster import feature_statistics
    from forecast.windows import build_windows

    settings = Settings(lookback=LOOKBACK, horizon=HORIZON, units=32, cell=("lstm",))
    panel = garch_panel(tickers, sessions)
    last = sessions - CUTOFFS - 2 * HORIZON
    began = time.perf_counter()
    windows = build_windows(panel, settings)
    features_s = time.perf_counter() - began
    model = NeuralForecaster(settings, "lstm", 0)
    model.market_ = tuple(panel.tickers)
    model.network_ = build_network(settings, "lstm", feature_statistics(windows, last))
    batches = TrainingBatches(windows, (LOOKBACK, last), BATCH, STEPS, 0)
    ready = tuple(map(np.asarray, batches[0]))
    stream_s, ready_s = seconds_of_fit(model.network_, batches, repeated(ready))
    mapped = windows.features.nbytes + windows.level.nbytes + windows.volatility.nbytes
    mapped += panel.frame.to_numpy().nbytes
    began = time.perf_counter()
    for k in range(STEPS):
        windows.inputs(batches.drawn[k])
    cut_s = time.perf_counter() - began
    pool = len(batches.pool)
    cutoffs = make_cutoffs(panel, panel.sessions[sessions - CUTOFFS])
    for _ in model.forecast_parts(panel, cutoffs[: 20 * CUTOFFS], HORIZONS, windows=windows):
        pass  # traces the network
    began = time.perf_counter()
    parts = model.forecast_parts(panel, cutoffs, HORIZONS, windows=windows)
    table = scores_by_date(parts, panel, cutoffs, HORIZONS)
    forecast_s = time.perf_counter() - began
    return {
        "windows": pool,
        "origins": len(cutoffs),
        "features_ms_per_ticker": 1e3 * features_s / tickers,
        "train_us_per_window": 1e6 * stream_s / (BATCH * STEPS),
        "waiting_share": max(1 - ready_s / stream_s, 0.0),
        "cut_us_per_window": 1e6 * cut_s / (BATCH * STEPS),
        "forecast_us_per_origin": 1e6 * forecast_s / len(cutoffs),
        "panel_mb": mapped / 2**20,
        "peak_mb": peak_mb(),
        "crps_1": float(table.loc[table["h"] == 1, "crps"].mean()),
    }


def seconds_of_fit(network: Any, *data: Any) -> list[float]:
    """Seconds of an epoch on each data set, taken in turn: the best of four after a first one."""
    took: list[list[float]] = [[] for _ in data]
    for _ in range(5):
        for each, seconds in zip(data, took, strict=True):
            began = time.perf_counter()
            network.fit(each, epochs=1, shuffle=False, verbose=0)
            seconds.append(time.perf_counter() - began)
    return [min(seconds[1:]) for seconds in took]


def repeated(batch: tuple[np.ndarray, ...]) -> Any:
    """The same batch again and again, as a data set that costs nothing."""
    import tensorflow as tf

    tensors = tuple(tf.constant(array) for array in batch)
    return tf.data.Dataset.from_tensors(tensors).repeat(STEPS)


def keras_windows(tickers: int, sessions: int) -> dict[str, float]:
    """Cut the inputs of as many windows with Keras's own function, from one long array."""
    import keras

    from forecast.settings import Settings
    from forecast.windows import build_windows

    panel = garch_panel(tickers, sessions)
    windows = build_windows(panel, Settings(lookback=LOOKBACK, horizon=HORIZON))
    long = windows.features.reshape(-1, windows.features.shape[-1])
    data = keras.utils.timeseries_dataset_from_array(
        long, None, sequence_length=LOOKBACK, batch_size=BATCH, shuffle=True, seed=0
    )
    batches = iter(data.repeat())
    next(batches)
    began = time.perf_counter()
    for _ in range(STEPS):
        next(batches).numpy()
    seconds = time.perf_counter() - began
    return {"cut_us_per_window": 1e6 * seconds / (BATCH * STEPS), "peak_mb": peak_mb()}


def peak_mb() -> float:
    """Most memory this process has held, mapped files included."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


def tell(found: list[dict[str, Any]]) -> None:
    """Print the table, and what grows."""
    columns = {
        "tickers": lambda f: f"{f['tickers']:,}",
        "windows": lambda f: f"{f['ours']['windows']:,}",
        "origins": lambda f: f"{f['ours']['origins']:,}",
        "features ms/ticker": lambda f: f"{f['ours']['features_ms_per_ticker']:.2f}",
        "train µs/window": lambda f: f"{f['ours']['train_us_per_window']:.0f}",
        "waiting %": lambda f: f"{100 * f['ours']['waiting_share']:.1f}",
        "cut µs/window": lambda f: f"{f['ours']['cut_us_per_window']:.1f}",
        "Keras's cut": lambda f: f"{f['keras']['cut_us_per_window']:.1f}",
        "forecast µs/origin": lambda f: f"{f['ours']['forecast_us_per_origin']:.1f}",
        "panel MB": lambda f: f"{f['ours']['panel_mb']:,.0f}",
        "peak MB": lambda f: f"{f['ours']['peak_mb']:,.0f}",
        "Keras's peak": lambda f: f"{f['keras']['peak_mb']:,.0f}",
    }
    print("  ".join(f"{name:>18}" for name in columns))
    for one in found:
        print("  ".join(f"{cell(one):>18}" for cell in columns.values()))
    first, last = found[0], found[-1]
    for key, what in (
        ("train_us_per_window", "cost per training window"),
        ("forecast_us_per_origin", "cost per forecast origin"),
    ):
        change = last["ours"][key] / first["ours"][key] - 1
        print(f"{what}: {100 * change:+.0f} % from {first['tickers']:,} to {last['tickers']:,}")
    above = last["ours"]["peak_mb"] - first["ours"]["peak_mb"]
    print(
        f"peak memory: {first['ours']['peak_mb']:,.0f} MB + {above / last['ours']['panel_mb']:.2f} "
        f"× the panel of {last['ours']['panel_mb']:,.0f} MB (prices, features, volatility)"
    )


if __name__ == "__main__":
    main()
