"""What a ticker more costs: time per training window and per forecast origin, and peak memory.

    python scripts/bench_scale.py                        20, 500 and 5,000 tickers: some minutes
    python scripts/bench_scale.py --tickers 20 100 --rounds 2         a minute
    python scripts/bench_scale.py --page docs/scale.md                also write the page

Each size has two processes of its own, one for our windows and one for
keras.utils.timeseries_dataset_from_array over the same features, on the same made-up GARCH prices
with staggered listings, delistings and gaps. They stay, and take turns round by round, so that
whatever else the machine does falls on all of them; every figure is the median over the rounds.

- train: wall time of `steps` steps of `fit` over our batches, per window.
- waiting: the share of a training loop's wall time in which the step stands still until the next
  batch is handed over (the time inside next(), the call itself included). The loop is that of
  `fit`: the same data set, ahead by as much as tf.data likes.
- cutting: processor time of the thread that cuts batches, as a share of all processor time of that
  loop. On a machine whose cores are all at work this is taken from the training, however well the
  two overlap; it is no waiting.
- cut: wall time of cutting a window's features, nothing else running; ours and Keras's.
- forecast: wall time of forecasting every origin and scoring it, per origin.
- peak: most memory the process has held, mapped files included. "constant" is the peak of the
  smallest panel, which is TensorFlow's. The panel is prices, features, levels and volatilities.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

LOOKBACK, HORIZON, BATCH, STEPS = 160, 20, 64, 60
#: Sessions from whose closes every ticker is forecast.
CUTOFFS = 240
HORIZONS = (1, 5, 20)
BLOCK = 250
#: Origins forecast in a turn at least, so that small panels are not timed by their overhead alone.
ORIGINS = 20_000


def main() -> None:
    """Measure every size in turn, print the table and the verdicts."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tickers", type=int, nargs="+", default=[20, 500, 5000])
    parser.add_argument("--sessions", type=int, default=2500)
    parser.add_argument("--rounds", type=int, default=3, help="turns of each size")
    parser.add_argument("--json", type=Path, help="write all figures")
    parser.add_argument("--page", type=Path, help="page to put the result on")
    parser.add_argument("--one", choices=("ours", "keras"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        answer(
            {"ours": Ours, "keras": Keras}[arguments.one](*arguments.tickers, arguments.sessions)
        )
        return
    from forecast.jobs.scale_page import publish, told, verdicts

    began = time.perf_counter()
    sizes = measured(arguments.tickers, arguments.sessions, arguments.rounds)
    result = {
        "benchmark": "scale",
        "arguments": " ".join(sys.argv[1:]),
        "cores": len(os.sched_getaffinity(0)),
        "sessions": arguments.sessions,
        "rounds": arguments.rounds,
        "sizes": sizes,
        "seconds": time.perf_counter() - began,
    }
    titles, rows = told(result)
    print("  ".join(f"{title:>20}" for title in titles))
    for row in rows:
        print("  ".join(f"{cell:>20}" for cell in row))
    print("\n".join(verdicts(result)))
    print(f"measured in {result['seconds']:.0f} s")
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=2) + "\n")
    if arguments.page:
        publish(result, arguments.page)
        print(f"written: {arguments.page}")


def measured(tickers: list[int], sessions: int, rounds: int) -> list[dict[str, Any]]:
    """The medians of every size, of processes that take turns."""
    made = {}
    for count in tickers:  # one after the other: each makes its panel alone
        for name in ("ours", "keras"):
            made[count, name] = Process(name, count, sessions)
            made[count, name].first = made[count, name].ask("begin")
    turns: dict[Any, list[dict[str, float]]] = {key: [] for key in made}
    for number in range(rounds):
        print(f"round {number + 1} of {rounds}", file=sys.stderr, flush=True)
        for key in made if number % 2 == 0 else reversed(made):
            turns[key].append(made[key].ask("turn"))
    found: list[dict[str, Any]] = [{"tickers": count} for count in tickers]
    for each in found:
        for name in ("ours", "keras"):
            key = each["tickers"], name
            medians = {f: statistics.median(t[f] for t in turns[key]) for f in turns[key][0]}
            each[name] = made[key].first | medians | made[key].ask("end")
    return found


class Process:
    """A process that measures one size when it is asked to."""

    def __init__(self, name: str, tickers: int, sessions: int) -> None:
        command = [sys.executable, __file__, "--one", name, "--tickers", str(tickers)]
        command += ["--sessions", str(sessions)]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, bufsize=1)
        self.first: dict[str, float] = {}

    def ask(self, what: str) -> dict[str, float]:
        """Let it do one thing; what it found."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(f"{what}\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"a process ended with code {self.process.wait()} when told to {what}")
        answered: dict[str, float] = json.loads(line)
        return answered


def answer(measure: Any) -> None:
    """Do what the standard input asks for until it asks for the end."""
    for line in sys.stdin:
        asked = line.strip()
        print(json.dumps(getattr(measure, asked)()), flush=True)
        if asked == "end":
            return


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


class Ours:
    """Features, training, forecasting and scoring of one panel."""

    def __init__(self, tickers: int, sessions: int) -> None:
        self.tickers, self.sessions = tickers, sessions

    def begin(self) -> dict[str, float]:
        """Make everything, trace the network."""
        from forecast.evaluation.backtest import make_cutoffs
        from forecast.models.network import build_network
        from forecast.settings import Settings
        from forecast.training import NeuralForecaster
        from forecast.training.forecaster import feature_statistics
        from forecast.windows import build_windows

        settings = Settings(lookback=LOOKBACK, horizon=HORIZON, units=32, cell=("lstm",))
        panel = garch_panel(self.tickers, self.sessions)
        began = time.perf_counter()
        windows = build_windows(panel, settings)
        features_s = time.perf_counter() - began
        last = self.sessions - CUTOFFS - 2 * HORIZON
        self.panel, self.windows = panel, windows
        self.model = NeuralForecaster(settings, "lstm", 0)
        self.model.market_ = tuple(panel.tickers)
        self.model.network_ = build_network(settings, "lstm", feature_statistics(windows, last))
        self.batches = timed_batches()(windows, (LOOKBACK, last), BATCH, STEPS, 0)
        self.cutoffs = make_cutoffs(panel, panel.sessions[self.sessions - CUTOFFS])
        self.fit()
        self.loop = Loop(self.model.network_, self.batches)
        self.forecast(self.cutoffs[: 20 * CUTOFFS])
        held = (panel.frame.to_numpy(), windows.features, windows.level, windows.volatility)
        return {
            "windows": len(self.batches.pool),
            "origins": len(self.cutoffs),
            "features_ms_per_ticker": 1e3 * features_s / self.tickers,
            "panel_mb": sum(array.nbytes for array in held) / 2**20,
        }

    def turn(self) -> dict[str, float]:
        """Train, wait, cut, forecast."""
        result = {"train_us_per_window": 1e6 * seconds(self.fit) / (BATCH * STEPS)}
        result |= self.loop.run()
        drawn = self.batches.drawn(1)
        cut_s = seconds(lambda: [self.windows.inputs(each) for each in drawn])
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

    def end(self) -> dict[str, float]:
        """The memory it took."""
        return {"peak_mb": peak_mb()}


def timed_batches() -> Any:
    """Our batches, which sum up the processor time of the thread that cuts them."""
    from forecast.training.batches import TrainingBatches

    class Timed(TrainingBatches):
        cutting_s = 0.0

        def cut(self, epoch: int, step: int) -> Any:
            began = time.thread_time()
            batch = super().cut(epoch, step)
            self.cutting_s += time.thread_time() - began
            return batch

    return Timed


class Loop:
    """The loop of `fit` over a data set, step by step, so that waiting can be told from work."""

    def __init__(self, network: Any, batches: Any) -> None:
        import tensorflow as tf

        self.batches = batches
        data = tf.data.Dataset.from_generator(
            lambda: iter(batches),
            output_signature=tuple(tf.TensorSpec(part.shape, part.dtype) for part in batches[0]),
        )  # as Keras makes it of batches
        self.iterator = iter(data.prefetch(tf.data.AUTOTUNE))
        self.step = tf.function(network.train_step, jit_compile=network.jit_compile)
        self.run()

    def run(self) -> dict[str, float]:
        """The shares of waiting and cutting in `STEPS` steps."""
        waited, cut = 0.0, self.batches.cutting_s
        worked, began = time.process_time(), time.perf_counter()
        for _ in range(STEPS):
            asked = time.perf_counter()
            batch = next(self.iterator)
            waited += time.perf_counter() - asked
            self.step(batch)
        return {
            "waiting_share": waited / (time.perf_counter() - began),
            "cutting_share": (self.batches.cutting_s - cut) / (time.process_time() - worked),
        }


class Keras:
    """The inputs of as many windows, cut by Keras's own function from one long array."""

    def __init__(self, tickers: int, sessions: int) -> None:
        self.tickers, self.sessions = tickers, sessions

    def begin(self) -> dict[str, float]:
        """Make the features and the data set."""
        import keras

        from forecast.settings import Settings
        from forecast.windows import build_windows

        panel = garch_panel(self.tickers, self.sessions)
        windows = build_windows(panel, Settings(lookback=LOOKBACK, horizon=HORIZON))
        long = windows.features.reshape(-1, windows.features.shape[-1])
        data = keras.utils.timeseries_dataset_from_array(
            long, None, sequence_length=LOOKBACK, batch_size=BATCH, shuffle=True, seed=0
        )
        self.iterator = iter(data.repeat())
        next(self.iterator)
        return {}

    def turn(self) -> dict[str, float]:
        """Cut the windows of `STEPS` batches."""
        cut_s = seconds(lambda: [next(self.iterator).numpy() for _ in range(STEPS)])
        return {"cut_us_per_window": 1e6 * cut_s / (BATCH * STEPS)}

    def end(self) -> dict[str, float]:
        """The memory it took."""
        return {"peak_mb": peak_mb()}


def seconds(work: Callable[[], Any]) -> float:
    """Wall time of some work."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def peak_mb() -> float:
    """Most memory this process has held, mapped files included."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


if __name__ == "__main__":
    main()
