"""Time the same `model.fit` with and without GradientTelemetry: what watching costs.

    python scripts/bench_telemetry.py            two networks, about two minutes
    python scripts/bench_telemetry.py --quick    a few rounds of the classic shape alone

The networks: that of `forecast train` on the bundled prices, and a classic one (64 windows × 60
sessions × 8 features, 64 units, Dense(1)) with our LSTM, Keras's and a GRU. Fits without and with
telemetry run side by side and take turns epoch by epoch, so that whatever else the machine does
falls on all of them. The time of an epoch, callbacks and looks by lag included, is its median over
the rounds; a ratio is the sum of these over all epochs but the first, which compiles, over that
of the fit without. What is paid once per fit is told beside it in seconds. Close other programs
first. Writes bench_telemetry.json.
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
from forecast.layers.quantiles import PARAMETERS
from forecast.models.network import FeatureStatistics, build_network
from forecast.settings import Settings
from forecast.telemetry import GradientTelemetry

#: What is claimed of the default preset at its default cadence.
CLAIM = 1.02
#: Name of a contestant, then preset and cadence; None is the fit without telemetry.
CONTESTANTS: dict[str, tuple[str, int | None] | None] = {
    "without": None,
    "economy": ("economy", None),
    "standard": ("standard", None),
    "standard every 10": ("standard", 10),
    "full": ("full", None),
}
CELLS = {"lstm": LSTM, "keras-lstm": keras.layers.LSTM, "gru": keras.layers.GRU}
Shape = tuple[int, int, int, int]


class Turn(keras.callbacks.Callback):
    """Times the epochs of one fit; between two epochs the other fits take theirs.

    An epoch ends when the next begins, so that all callbacks of its end lie within it.
    """

    def __init__(self, mine: Semaphore, next_one: Semaphore) -> None:
        super().__init__()
        self.mine, self.next_one = mine, next_one
        self.seconds: list[float] = []

    def start(self) -> None:
        """Wait for the turn."""
        self.mine.acquire()
        self.began = time.perf_counter()

    def stop(self) -> None:
        """Note the time and pass the turn on."""
        self.seconds.append(time.perf_counter() - self.began)
        self.next_one.release()

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Let the others have their epoch."""
        if epoch:
            self.stop()
            self.start()


def default_network() -> tuple[keras.Model, np.ndarray, np.ndarray]:
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


def classic_network(cell: str, shape: Shape) -> tuple[keras.Model, np.ndarray, np.ndarray]:
    """One recurrent layer and Dense(1), and a batch: rows × steps × features, units."""
    rows, steps, features, units = shape
    layers = [CELLS[cell](units), keras.layers.Dense(1)]
    model = keras.Sequential([keras.Input((steps, features)), *layers])
    model.compile(keras.optimizers.Adam(1e-3, global_clipnorm=1.0), "mse")
    x = np.random.default_rng(0).normal(size=(rows, steps, features)).astype("float32")
    return model, x, x[:, -1, :1].copy()


def fit(
    network: Callable[[], tuple[keras.Model, np.ndarray, np.ndarray]],
    watched: tuple[str, int | None] | None,
    epochs: int,
    steps: int,
    turn: Turn,
) -> None:
    """Train a new network, timed by `turn`; the first epoch holds what is paid at the start."""
    turn.start()
    model, x, y = network()
    rows = len(x)
    x, y = np.tile(x, (steps, 1, 1)), np.tile(y, (steps, *[1] * (y.ndim - 1)))
    callbacks: list[keras.callbacks.Callback] = [turn]
    if watched:
        callbacks.append(GradientTelemetry(*watched, say=None))
    model.fit(
        x, y, batch_size=rows, epochs=epochs, shuffle=False, verbose=0, callbacks=callbacks
    )  # fmt: skip
    turn.stop()


def one_round(network: Callable[[], Any], epochs: int, steps: int) -> dict[str, list[float]]:
    """Seconds of every epoch of every contestant; they take turns."""
    batons = [Semaphore(0) for _ in CONTESTANTS]
    turns = {
        name: Turn(batons[k], batons[(k + 1) % len(batons)]) for k, name in enumerate(CONTESTANTS)
    }
    with ThreadPoolExecutor(len(turns)) as pool:
        fits = [
            pool.submit(fit, network, CONTESTANTS[name], epochs, steps, turn)
            for name, turn in turns.items()
        ]
        batons[0].release()
        for future in fits:
            future.result()
    return {name: turn.seconds for name, turn in turns.items()}


def compare(network: Callable[[], Any], rounds: int, epochs: int, steps: int) -> dict[str, Any]:
    """Medians over the rounds; one round before them compiles and warms up."""
    one_round(network, 2, steps)
    seen = [one_round(network, epochs, steps) for _ in range(rounds)]
    result = {}
    for name in CONTESTANTS:
        by_epoch = np.median([one[name] for one in seen], axis=0)  # (epochs,)
        result[name] = {
            "step_ms": 1e3 * by_epoch[1:].sum() / (epochs - 1) / steps,
            "first_epoch_s": by_epoch[0],
            "epoch_s": by_epoch.tolist(),
        }
    base = result["without"]
    for row in result.values():
        row["ratio"] = row["step_ms"] / base["step_ms"]
        row["once_s"] = row["first_epoch_s"] - base["first_epoch_s"]
    return result


def show(title: str, rows: dict[str, Any]) -> None:
    """Print one network's table."""
    print(f"\n{title}: {rows['without']['step_ms']:.2f} ms per step without telemetry")
    for name, row in rows.items():
        if name != "without":
            print(f"  {name:18} × {row['ratio']:.3f}   once per fit {row['once_s']:+.2f} s")


def main() -> None:
    """Run the benchmark, print the claim with its figures and write them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="the classic shape alone, few rounds")
    parser.add_argument("--rounds", type=int, help="fits of each contestant (default: 5)")
    parser.add_argument("--epochs", type=int, default=16)
    parser.add_argument("--steps", type=int, default=20, help="steps per epoch")
    parser.add_argument("--shape", nargs=4, type=int, default=[64, 60, 8, 64], metavar="N")
    parser.add_argument("--only", nargs="+", help="of: default lstm keras-lstm gru")
    parser.add_argument("--out", type=Path, default=Path("bench_telemetry.json"))
    args = parser.parse_args()
    rounds = args.rounds or (2 if args.quick else 5)
    shape = tuple(args.shape)
    networks: dict[str, Callable[[], Any]] = {} if args.quick else {"default": default_network}
    cells = ["lstm"] if args.quick else list(CELLS)
    networks |= {cell: lambda cell=cell: classic_network(cell, shape) for cell in cells}
    rows = {}
    for name in args.only or networks:
        title = (
            "network of train.py" if name == "default" else f"{name} {'×'.join(map(str, shape))}"
        )
        rows[title] = compare(networks[name], rounds, args.epochs, args.steps)
        show(title, rows[title])
        keras.backend.clear_session()
    worst = max(row["standard"]["ratio"] for row in rows.values())
    print(f"\nClaim: telemetry at its defaults costs at most {CLAIM - 1:.0%} of a fit's time.")
    print(f"Measured: {worst - 1:+.1%} at worst: {'holds' if worst <= CLAIM else 'does not hold'}.")
    cores = len(os.sched_getaffinity(0))
    args.out.write_text(json.dumps({"networks": rows, "claim": CLAIM, "cores": cores}, indent=1))
    print(f"written: {args.out}")


if __name__ == "__main__":
    main()
