"""What one process of bench_scale.py measures: a panel of some size, by our batches or by Keras's.

python scripts/scale_measures.py ours|keras TICKERS SESSIONS, then `begin`, `turn` … on its input
"""

import json
import resource
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from scale_loop import Loop, always_ready, as_data_set, timed_batches

LOOKBACK, HORIZON, BATCH, STEPS = 160, 20, 64, 60
#: Sessions from whose closes every ticker is forecast.
CUTOFFS = 240
HORIZONS = (1, 5, 20)
#: Tickers that are made up at once.
BLOCK = 250
#: Origins forecast in a turn at least, so that small panels are not timed by their overhead alone.
ORIGINS = 20_000


def main() -> None:
    """Do what the standard input asks for, answer in JSON, until it asks for the end."""
    name, *size = sys.argv[1:]
    measure = {"ours": Ours, "keras": Keras}[name](*map(int, size))
    for line in sys.stdin:
        asked = line.strip()
        print(json.dumps(getattr(measure, asked)()), flush=True)
        if asked == "end":
            return


def garch_panel(tickers: int, sessions: int) -> Any:
    """A float32 panel of adjusted closes with staggered listings, delistings and gaps."""
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


class Measure:
    """A panel, its windows and a network, made when it begins."""

    def __init__(self, tickers: int, sessions: int) -> None:
        self.tickers, self.sessions = tickers, sessions
        self.last = sessions - CUTOFFS - 2 * HORIZON  # last session that is learned from

    def build(self) -> None:
        """Make panel, windows and network, the same for ours and Keras's."""
        from forecast.models.network import build_network
        from forecast.settings import Settings
        from forecast.training import NeuralForecaster
        from forecast.training.preparing import feature_statistics
        from forecast.windows import build_windows

        settings = Settings(lookback=LOOKBACK, horizon=HORIZON, units=32, cell=("lstm",))
        self.panel = garch_panel(self.tickers, self.sessions)
        began = time.perf_counter()
        self.windows = build_windows(self.panel, settings)
        self.features_s = time.perf_counter() - began
        self.model = NeuralForecaster(settings, "lstm", 0)
        self.model.market_ = tuple(self.panel.tickers)
        statistics = feature_statistics(self.windows, self.last)
        self.model.network_ = build_network(settings, "lstm", statistics)

    def end(self) -> dict[str, float]:
        """Most memory this process has held, mapped files included."""
        return {"peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10}


class Ours(Measure):
    """Features, training, forecasting and scoring of one panel."""

    def begin(self) -> dict[str, float]:
        """Make everything, trace the network; say how much there is."""
        from forecast.evaluation.backtest import make_cutoffs

        self.build()
        self.batches = timed_batches()(self.windows, (LOOKBACK, self.last), BATCH, STEPS, 0)
        self.cutoffs = make_cutoffs(self.panel, self.panel.sessions[self.sessions - CUTOFFS])
        self.fit()
        self.loop = Loop(self.model.network_, as_data_set(self.batches))
        self.ready = Loop(self.model.network_, always_ready(self.batches[0]))
        self.forecast(self.cutoffs[: 20 * CUTOFFS])
        prices, windows = self.panel.frame.to_numpy(), self.windows
        held = (prices, windows.features, windows.level, windows.volatility)
        return {
            "windows": len(self.batches.pool),
            "origins": len(self.cutoffs),
            "features_ms_per_ticker": 1e3 * self.features_s / self.tickers,
            "prices_mb": prices.nbytes / 2**20,
            "panel_mb": sum(array.nbytes for array in held) / 2**20,
        }

    def turn(self) -> dict[str, float]:
        """Wait, train, cut, forecast: the loop warms caches that other processes had meanwhile."""
        cut = self.batches.cutting_s
        result = self.loop.run(STEPS)
        result["cutting_share"] = (self.batches.cutting_s - cut) / result.pop("processor_s")
        result["handing_share"] = self.ready.run(STEPS // 3)["waiting_share"]
        result["train_us_per_window"] = 1e6 * seconds(self.fit) / (BATCH * STEPS)
        drawn = self.batches.drawn(1)
        cut_s = seconds(lambda: [self.windows.batch(each, (0, self.last)) for each in drawn])
        result["cut_us_per_window"] = 1e6 * cut_s / (BATCH * STEPS)
        times = -(-ORIGINS // len(self.cutoffs))
        forecast_s = seconds(lambda: [self.forecast(self.cutoffs) for _ in range(times)])
        return result | {"forecast_us_per_origin": 1e6 * forecast_s / times / len(self.cutoffs)}

    def fit(self) -> None:
        """`STEPS` steps of a training."""
        self.model.network_.fit(
            self.batches, steps_per_epoch=STEPS, epochs=1, shuffle=False, verbose=0
        )

    def forecast(self, cutoffs: Any) -> None:
        """Forecast the origins and score them, part by part."""
        from forecast.evaluation.streaming import scores_by_date

        parts = self.model.forecast_parts(self.panel, cutoffs, HORIZONS, windows=self.windows)
        scores_by_date(parts, self.panel, cutoffs, HORIZONS)


class Keras(Measure):
    """The same network on windows that Keras's own function cuts from one long array."""

    def begin(self) -> dict[str, float]:
        """Make everything, trace the network."""
        self.build()
        data = self.data_set()
        self.batches = iter(data)
        next(self.batches)
        self.loop = Loop(self.model.network_, data)
        return {}

    def data_set(self) -> Any:
        """Batches of x, y and weight without end, shuffled.

        Features and targets are cut side by side, as the help of Keras's function shows. It cannot
        pass over windows that span two tickers or begin before a listing: they are among them.
        """
        import keras
        import tensorflow as tf

        def cut(long: np.ndarray, length: int) -> Any:
            return keras.utils.timeseries_dataset_from_array(
                long, None, sequence_length=length, batch_size=BATCH, shuffle=True, seed=0
            )

        warmup = self.windows.settings.warmup
        features = self.windows.features.reshape(-1, self.windows.features.shape[-1])
        x = cut(features, LOOKBACK)
        y = cut(all_targets(self.windows)[warmup:], LOOKBACK - warmup)

        def weighted(x: Any, y: Any) -> Any:
            known = tf.math.is_finite(y)
            y = tf.where(known, y, 0.0)
            shape = (None, LOOKBACK - warmup, y.shape[-1])
            x = tf.ensure_shape(x, (None, LOOKBACK, features.shape[-1]))
            return x, tf.ensure_shape(y, shape), tf.ensure_shape(tf.cast(known, y.dtype), shape)

        return tf.data.Dataset.zip(x, y).map(weighted).repeat()

    def turn(self) -> dict[str, float]:
        """Wait, cut."""
        result = self.loop.run(STEPS)
        cut_s = seconds(lambda: [next(self.batches) for _ in range(STEPS)])
        result["cut_us_per_window"] = 1e6 * cut_s / (BATCH * STEPS)
        return result


def all_targets(windows: Any) -> np.ndarray:
    """Targets (U·S, K) of every session, ticker after ticker, NaN where unknown."""
    S, horizons = len(windows.sessions), windows.settings.learned_horizons
    long = np.empty((len(windows.tickers), S, len(horizons)), np.float32)
    for u, target in enumerate(long):
        target[:] = windows.targets(np.full(S, u), np.arange(S), horizons)
    return long.reshape(-1, len(horizons))


def seconds(work: Callable[[], Any]) -> float:
    """Wall time of some work."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
