"""Time forecast.layers.LSTM against keras.layers.LSTM, torch.nn.LSTM and bare matrix products.

    python scripts/bench_lstm.py                 five shapes, a few minutes; writes bench_lstm.json
    python scripts/bench_lstm.py --quick         two shapes, under a minute
    python scripts/bench_lstm.py --last          the layer returns its last output only
    python scripts/bench_lstm.py --page docs/layer.md     also write the table there

A training step is one of `model.fit`: LSTM, Dense(1), mean squared error, Adam. Contestants take
turns, some steps each, so that whatever else the machine does falls on all of them; the median
counts. torch is timed when it can be imported (extra `peers`), with as many threads as there are
cores. Close other programs first.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import tensorflow as tf
from lstm_table import show, summary, write_page

from forecast.layers import LSTM, Monitor
from forecast.telemetry.sampling import SampledSteps

#: batch × steps × features × units
SHAPES = [(64, 60, 8, 64), (32, 60, 4, 50), (64, 160, 8, 48), (128, 250, 16, 128), (256, 60, 8, 32)]
QUICK_SHAPES = SHAPES[:2]
Shape = tuple[int, int, int, int]
#: Runs some steps and returns the seconds each took.
Contestant = Callable[[int], list[float]]


class StepTimes(keras.callbacks.Callback):
    """Seconds between the ends of batches: a whole step as `fit` runs it."""

    def __init__(self) -> None:
        super().__init__()
        self.ends: list[float] = []

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Note the time."""
        self.ends.append(time.perf_counter())

    on_predict_batch_end = on_train_batch_end

    def seconds(self) -> list[float]:
        """Return the length of every step but the first, which also starts the epoch."""
        return list(np.diff(self.ends))


def build(cell: type[keras.layers.LSTM], shape: Shape, last: bool) -> keras.Sequential:
    """Return the model that is timed, not yet compiled."""
    _, steps, features, units = shape
    layers = [cell(units, return_sequences=not last), keras.layers.Dense(1)]
    return keras.Sequential([keras.Input((steps, features)), *layers])


def data(shape: Shape, batches: int, last: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return inputs ``(batches · N, T, F)`` and targets."""
    rows, steps, features, _ = shape
    rng = np.random.default_rng(0)
    x = rng.normal(size=(rows * batches, steps, features)).astype("float32")
    return x, x[:, -1, :1].copy() if last else x[:, :, :1].copy()


def training(
    cell: type[keras.layers.LSTM], shape: Shape, last: bool, jit: bool = False, every: int = 0
) -> Contestant:
    """Return a contestant that trains by `fit`; `every` > 0 attaches a monitor."""
    model = build(cell, shape, last)
    sampled = []
    if every:
        model.layers[0].attach(monitor := Monitor())
        sampled = [SampledSteps([monitor], every)]
    model.compile("adam", "mse", jit_compile=jit or "auto")

    def run(steps: int) -> list[float]:
        times = StepTimes()
        x, y = data(shape, steps + 1, last)
        model.fit(x, y, batch_size=shape[0], shuffle=False, verbose=0, callbacks=[*sampled, times])
        return times.seconds()

    return run


def predicting(cell: type[keras.layers.LSTM], shape: Shape, last: bool) -> Contestant:
    """Return a contestant that runs forwards only, by `predict`."""
    model = build(cell, shape, last)

    def run(steps: int) -> list[float]:
        times = StepTimes()
        x, _ = data(shape, steps + 1, last)
        model.predict(x, batch_size=shape[0], verbose=0, callbacks=[times])
        return times.seconds()

    return run


def torch_training(shape: Shape, last: bool, train: bool = True) -> Contestant:
    """Return the same model and step in torch."""
    import torch

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    _, _, features, units = shape
    layer = torch.nn.LSTM(features, units, batch_first=True)
    dense = torch.nn.Linear(units, 1)
    adam = torch.optim.Adam([*layer.parameters(), *dense.parameters()])

    def step(x: Any, y: Any) -> None:
        h, _ = layer(x)
        loss = torch.nn.functional.mse_loss(dense(h[:, -1] if last else h), y)
        if train:
            adam.zero_grad()
            loss.backward()
            adam.step()

    def run(steps: int) -> list[float]:
        x, y = (torch.from_numpy(part) for part in data(shape, 1, last))
        with torch.set_grad_enabled(train):
            return timed(lambda: step(x, y), steps)

    return run


def bare_products(shape: Shape) -> Contestant:
    """Return three matrix products of the layer's size: a training step cannot cost less."""
    rows, steps, features, units = shape
    x = tf.random.normal([rows * steps, features + units])
    w = tf.random.normal([features + units, 4 * units])
    z = tf.random.normal([rows * steps, 4 * units])

    @tf.function
    def products() -> list[tf.Tensor]:
        return [x @ w, tf.matmul(z, w, transpose_b=True), tf.matmul(x, z, transpose_a=True)]

    return lambda n: timed(lambda: [part.numpy() for part in products()], n)


def timed(step: Callable[[], object], steps: int) -> list[float]:
    """Return the seconds each of `steps` calls took, after one that does not count."""
    step()
    seconds = []
    for _ in range(steps):
        start = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - start)
    return seconds


def turns(contestants: dict[str, Contestant], rounds: int, steps: int) -> dict[str, np.ndarray]:
    """Let each contestant run `steps` steps, in turn; return the seconds ``(rounds, steps)``."""
    seconds: dict[str, list[list[float]]] = {name: [] for name in contestants}
    for run in contestants.values():
        run(3)  # compile and warm up
    for _ in range(rounds):
        for name, run in contestants.items():
            seconds[name].append(run(steps))
    return {name: np.array(taken) for name, taken in seconds.items()}


def alternate(contestants: dict[str, Contestant], rounds: int, steps: int) -> dict[str, float]:
    """Return the median milliseconds of a step of each contestant."""
    return {k: 1e3 * float(np.median(v)) for k, v in turns(contestants, rounds, steps).items()}


def watched(shape: Shape, last: bool, rounds: int) -> dict[str, float]:
    """Return milliseconds of a step without a monitor and with one at two cadences.

    At a cadence of 10 one step in ten is sampled: what it costs is the mean of nine medians of
    the others and one of the sampled, which no single slow step can move.
    """
    contestants = {
        "none": training(LSTM, shape, last),
        "every 10": training(LSTM, shape, last, every=10),
        "every 1": training(LSTM, shape, last, every=1),
    }
    for run in contestants.values():
        run(5)  # with the 4 steps of the warm-up, 10: then each run of 20 begins with a sample
    seconds = turns(contestants, rounds, 19)  # (rounds, 19): the first step of 20 is not timed
    sampled = np.median(seconds["every 10"][:, 9])
    others = np.median(np.delete(seconds["every 10"], 9, axis=1))
    return {
        "none": 1e3 * float(np.median(seconds["none"])),
        "every 10": 1e3 * float(0.9 * others + 0.1 * sampled),
        "every 1": 1e3 * float(np.median(seconds["every 1"])),
    }


def compare(shape: Shape, last: bool, rounds: int) -> dict[str, dict[str, float]]:
    """Return milliseconds per step of every contestant at one shape."""
    steps = 6 if shape[0] * shape[1] * shape[3] > 1e6 else 10
    train = {
        "keras": training(keras.layers.LSTM, shape, last),
        "keras jit": training(keras.layers.LSTM, shape, last, jit=True),
        "ours": training(LSTM, shape, last),
    }
    forward = {
        "keras": predicting(keras.layers.LSTM, shape, last),
        "ours": predicting(LSTM, shape, last),
    }
    if find_spec("torch"):
        train["torch"] = torch_training(shape, last)
        forward["torch"] = torch_training(shape, last, train=False)
    train["three products"] = bare_products(shape)
    return {
        "train": alternate(train, rounds, steps),
        "forward": alternate(forward, rounds, steps),
        "monitor": watched(shape, last, rounds),
    }


def child(name: str, shape: Shape, last: bool) -> None:
    """Train in this fresh process; print the seconds of the first step and the peak memory."""
    run = training({"keras": keras.layers.LSTM, "ours": LSTM}[name], shape, last)
    before = peak_mb()
    start = time.perf_counter()
    run(1)
    first = time.perf_counter() - start
    start = time.perf_counter()
    run(1)
    again = time.perf_counter() - start
    run(8)
    peak = peak_mb()
    print(json.dumps({"first_s": first - again, "peak_mb": peak, "grown_mb": peak - before}))


def peak_mb() -> float:
    """Largest resident memory of this process in MB (getrusage would tell the parent's too)."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(status.split("VmHWM:")[1].split()[0]) / 1e3


def fresh(name: str, shape: Shape, last: bool) -> dict[str, float]:
    """Return what `child` prints."""
    command = [sys.executable, __file__, "--child", name, *map(str, shape), *["--last"] * last]
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return json.loads(out.splitlines()[-1])


def main() -> None:
    """Run the benchmark and write its JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="two small shapes, few rounds")
    parser.add_argument("--last", action="store_true", help="return the last output only")
    parser.add_argument("--shape", nargs=4, type=int, action="append", metavar=("N", "T", "F", "U"))
    parser.add_argument("--rounds", type=int, help="turns of each contestant (default: 8)")
    parser.add_argument("--out", type=Path, default=Path("bench_lstm.json"))
    parser.add_argument("--page", type=Path, help="Markdown page whose table is written anew")
    parser.add_argument("--child", nargs=5, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        n, t, f, u = map(int, args.child[1:])
        child(args.child[0], (n, t, f, u), args.last)
        return
    shapes = [tuple(s) for s in args.shape or (QUICK_SHAPES if args.quick else SHAPES)]
    rounds = args.rounds or (3 if args.quick else 8)
    rows: dict[str, dict[str, Any]] = {}
    for shape in shapes:
        label = "×".join(map(str, shape))
        rows[label] = compare(shape, args.last, rounds)
        rows[label]["fresh"] = {name: fresh(name, shape, args.last) for name in ("keras", "ours")}
        show(label, rows[label])
        keras.backend.clear_session()
    means = summary(rows)
    print("\ngeometric means")
    for part, values in means.items():
        print(f"  {part:8} " + "  ".join(f"{k} {v:.3f}" for k, v in values.items()))
    result = {"shapes": rows, "geometric_means": means, "cores": len(os.sched_getaffinity(0))}
    if find_spec("torch"):
        result["torch"] = version("torch")
    args.out.write_text(json.dumps(result, indent=1))
    print(f"\nwritten: {args.out}")
    if args.page:
        write_page(result, args.page)


if __name__ == "__main__":
    main()
