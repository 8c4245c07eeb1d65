"""Time the same `model.fit` with and without GradientTelemetry: what watching costs.

    python scripts/bench_telemetry.py            two networks, seven minutes on two cores
    python scripts/bench_telemetry.py --quick    one round of the classic network: half a minute
    python scripts/bench_telemetry.py --also economy full --only lstm keras-lstm gru

The networks: that of `forecast train` on the bundled prices, and a classic one (64 windows × 60
sessions × 8 features, 64 units, Dense(1)) with our LSTM; with --only also Keras's, or a GRU. Fits
of 16 epochs of 20 steps, without telemetry, with its default preset and without again, stand side
by side and take turns epoch by epoch, in an order that is reversed from round to round, so that
whatever else the machine does falls on all of them. A round builds its networks anew: where they
lie in memory makes equal ones differ by a percent or two. Told is what telemetry adds to a fit of
30 epochs: 27 without a look by lag, each compared with the neighbouring one of the fit without (the
median difference over epochs and rounds), and two with one (4 and 16; the first is left out, as it
compiles), each at its median difference over rounds; with the interval that 95 % of resampled
rounds give. What is paid once per fit is told beside it in seconds. Wall time and processor time
(of all threads) are taken; the second fit without telemetry tells the noise of each. The claim is
judged by wall time; by processor time where other programs make wall time too noisy; by nothing
where both are. Writes bench_telemetry.json.
"""

import argparse
import json
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Semaphore
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np

from forecast.layers import LSTM
from forecast.layers.quantile_function import PARAMETERS
from forecast.models.network import FeatureStatistics, build_network
from forecast.settings import Settings
from forecast.telemetry import GradientTelemetry
from forecast.telemetry.schedules import quadrupling

#: What is claimed of the default preset at its default cadence.
CLAIM = 0.02
CLOCKS = {"wall time": time.perf_counter, "processor time": time.process_time}
DEFAULT, BASE, AGAIN = "standard", "without", "without, again"
CELLS = {"lstm": LSTM, "keras-lstm": keras.layers.LSTM, "gru": keras.layers.GRU}
#: Epochs of the fit that is told of, those that are run to know it, and steps of each.
EPOCHS, RUN, STEPS = 30, 16, 20
RESAMPLES = 1000
Shape = tuple[int, int, int, int]
Network = tuple[keras.Model, np.ndarray, np.ndarray]


class Turn(keras.callbacks.Callback):
    """Times the epochs of one fit; between two epochs the other fits take theirs.

    An epoch ends when the next begins, so that all callbacks of its end lie within it.
    """

    def __init__(self, mine: Semaphore, next_one: Semaphore) -> None:
        super().__init__()
        self.mine, self.next_one = mine, next_one
        self.seconds: list[list[float]] = []  # per epoch, one of each clock

    def start(self) -> None:
        """Wait for the turn."""
        self.mine.acquire()
        self.began = [clock() for clock in CLOCKS.values()]

    def stop(self) -> None:
        """Note the time and pass the turn on."""
        ended = [clock() for clock in CLOCKS.values()]
        self.seconds.append([end - begin for begin, end in zip(self.began, ended, strict=True)])
        self.next_one.release()

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Let the others have their epoch."""
        if epoch:
            self.stop()
            self.start()


def default_network() -> Network:
    """The network of `forecast train` on four tickers, and a batch of its shape."""
    settings, features = Settings(), 13
    statistics = FeatureStatistics(np.zeros(features), np.ones(features), 8000)
    model = build_network(settings, "lstm", statistics)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(settings.batch_size, settings.lookback, features)).astype("float32")
    origins = settings.lookback - settings.warmup
    shape = (settings.batch_size, origins, len(settings.learned_horizons))
    assert model.output_shape[1:] == (*shape[1:], len(PARAMETERS))
    return model, x, rng.normal(size=shape).astype("float32")


def classic_network(cell: str, shape: Shape) -> Network:
    """One recurrent layer and Dense(1), and a batch: rows × steps × features, units."""
    rows, steps, features, units = shape
    layers = [CELLS[cell](units), keras.layers.Dense(1)]
    model = keras.Sequential([keras.Input((steps, features)), *layers])
    model.compile(keras.optimizers.Adam(1e-3, global_clipnorm=1.0), "mse")
    x = np.random.default_rng(0).normal(size=(rows, steps, features)).astype("float32")
    return model, x, x[:, -1, :1].copy()


def fit(network: Callable[[], Network], preset: str | None, turn: Turn) -> None:
    """Train a new network, timed by `turn`; the first epoch holds what is paid at the start."""
    turn.start()
    model, x, y = network()
    rows = len(x)
    x, y = np.tile(x, (STEPS, 1, 1)), np.tile(y, (STEPS, *[1] * (y.ndim - 1)))
    callbacks: list[keras.callbacks.Callback] = [turn]
    if preset:
        callbacks.append(GradientTelemetry(preset, say=None))
    model.fit(
        x, y, batch_size=rows, epochs=RUN, shuffle=False, verbose=0, callbacks=callbacks
    )  # fmt: skip
    turn.stop()


def one_round(network: Callable[[], Network], names: list[str]) -> dict[str, list[list[float]]]:
    """Seconds of every epoch of every contestant; they take turns in the order of `names`."""
    batons = [Semaphore(0) for _ in names]
    turns = {name: Turn(batons[k], batons[(k + 1) % len(batons)]) for k, name in enumerate(names)}
    with ThreadPoolExecutor(len(turns)) as pool:
        fits = [
            pool.submit(fit, network, None if name in (BASE, AGAIN) else name, turn)
            for name, turn in turns.items()
        ]
        batons[0].release()
        for future in fits:
            future.result()
    return {name: turn.seconds for name, turn in turns.items()}


def fit_seconds(epochs: np.ndarray) -> float:
    """Seconds of a fit without its first epoch, from those of the epochs run (R, E) in R rounds.

    Of differences between two fits: what one of them takes more.
    """
    looks = [k for k in range(1, RUN) if quadrupling(k + 1)]
    calm = [k for k in range(1, RUN) if k not in looks]
    count = EPOCHS - 1 - len(looks)
    return float(count * np.median(epochs[:, calm]) + np.median(epochs[:, looks], 0).sum())


def overhead(own: np.ndarray, base: np.ndarray) -> dict[str, Any]:
    """Share that a fit takes more than another, of epochs (R, E), with its 95 % interval."""
    rng, rounds = np.random.default_rng(0), len(base)
    drawn = rng.integers(rounds, size=(RESAMPLES, rounds))
    shares = [fit_seconds((own - base)[k]) / fit_seconds(base[k]) for k in (..., *drawn)]
    return {"overhead": shares[0], "interval": np.quantile(shares[1:], (0.025, 0.975)).tolist()}


def compare(network: Callable[[], Network], names: list[str], rounds: int) -> dict[str, Any]:
    """What each contestant takes by each clock; the order is reversed from round to round."""
    seen = [one_round(network, names[:: 1 - 2 * (k % 2)]) for k in range(rounds)]
    result: dict[str, Any] = {name: {} for name in names}
    for k, clock in enumerate(CLOCKS):
        epochs = {name: np.array([one[name] for one in seen])[:, :, k] for name in names}
        for name, own in epochs.items():
            result[name][clock] = overhead(own, epochs[BASE]) | {
                "step_ms": 1e3 * fit_seconds(own) / (EPOCHS - 1) / STEPS,
                "once_s": float(np.median(own[:, 0] - epochs[BASE][:, 0])),
                "epoch_s": own.tolist(),
            }
    return result


def show(title: str, rows: dict[str, Any]) -> None:
    """Print one network's table."""
    print(f"\n{title}")
    for clock in CLOCKS:
        print(f"  {clock}: {rows[BASE][clock]['step_ms']:.2f} ms per step without telemetry")
        for name, row in rows.items():
            found = row[clock]
            if name != BASE:
                low, high = found["interval"]
                once = f"; once per fit {found['once_s']:+.2f} s" if name != AGAIN else ""
                said = f"{found['overhead']:+.2%} (95 % interval {low:+.1%} to {high:+.1%})"
                print(f"    {name:15} {said}{once}")


def verdict(rows: dict[str, Any]) -> str:
    """What the figures say of the claim, or that they are too noisy to say anything."""
    for clock in CLOCKS:
        worst = max(row[DEFAULT][clock]["overhead"] for row in rows.values())
        noise = max(abs(row[AGAIN][clock]["overhead"]) for row in rows.values())
        if noise < CLAIM:
            held = "holds" if worst <= CLAIM else "does not hold"
            return f"{worst:+.1%} of {clock} at worst, {noise:.1%} between equal fits: {held}"
    return f"equal fits differ by {noise:.1%}: too busy a machine to tell; run it again"


def main() -> None:
    """Run the benchmark, print the claim with its figures and write them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one round of the classic network")
    parser.add_argument("--rounds", type=int, help="fits of each contestant (default: 8)")
    parser.add_argument("--shape", nargs=4, type=int, default=[64, 60, 8, 64], metavar="N")
    parser.add_argument("--only", nargs="+", choices=["default", *CELLS])
    parser.add_argument("--also", nargs="+", choices=["economy", "full"], default=[])
    parser.add_argument("--out", type=Path, default=Path("bench_telemetry.json"))
    args = parser.parse_args()
    shape = tuple(args.shape)
    chosen = args.only or (["lstm"] if args.quick else ["default", "lstm"])
    rounds = args.rounds or (1 if args.quick else 8)
    rows, started = {}, time.perf_counter()
    for name in chosen:
        own = name == "default"
        title = "network of train.py" if own else f"{name} {'×'.join(map(str, shape))}"
        network = default_network if own else lambda name=name: classic_network(name, shape)
        rows[title] = compare(network, [BASE, DEFAULT, *args.also, AGAIN], rounds)
        show(title, rows[title])
        keras.backend.clear_session()
    print(f"\nClaim: telemetry at its defaults costs at most {CLAIM:.0%} of a fit after its start.")
    print(f"Measured: {verdict(rows)}. It took {time.perf_counter() - started:.0f} s.")
    cores = len(os.sched_getaffinity(0))
    args.out.write_text(json.dumps({"networks": rows, "claim": CLAIM, "cores": cores}, indent=1))
    print(f"written: {args.out}")


if __name__ == "__main__":
    main()
