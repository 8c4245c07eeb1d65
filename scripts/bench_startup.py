"""Time whole commands beside `import tensorflow`: what a forecast costs before it forecasts.

    python scripts/bench_startup.py              five rounds, three minutes on two cores
    python scripts/bench_startup.py --rounds 1   a look

Makes a small run of its own in a temporary folder: 20 made-up tickers of 1,500 sessions in a CSV
file, one LSTM, trained for an epoch and exported. Each round starts every command once, in turn,
as a process of its own; wall time is told, at the median over the rounds, and processor time
beside it. `daily` gets a new ledger each time, so that it has an evening's work to do. Also told is
how far the quantiles of the two runtimes are apart. The claims: with TensorFlow a command takes at
most 1.3 times as long as importing it, and with ONNX Runtime a forecast of 20 tickers at most
1.5 seconds. Writes bench_startup.json.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from forecast.prices import garch_prices

TICKERS, SESSIONS = 20, 1500
#: What is claimed: times `import tensorflow`, and seconds.
RATIO, SECONDS = 1.3, 1.5
BASE = "import tensorflow"
FORECAST = [sys.executable, "-c", "from forecast.cli import main; main()"]


class Took(NamedTuple):
    """Seconds of one process."""

    wall: float
    processor: float


def main() -> None:
    """Parse, time, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5, help="times each command is started")
    parser.add_argument("--out", type=Path, default=Path("bench_startup.json"))
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        commands = make_commands(Path(folder))
        took: dict[str, list[Took]] = {name: [] for name in commands}
        for k in range(arguments.rounds):
            for name, command in commands.items():
                took[name].append(timed([part.format(k=k) for part in command]))
        apart = distance(Path(folder))
    result = {
        name: {
            clock: statistics.median(getattr(t, clock) for t in rounds) for clock in Took._fields
        }
        for name, rounds in took.items()
    }
    say(result, arguments.rounds, apart)
    arguments.out.write_text(json.dumps({"seconds": result, "quantiles_apart": apart}, indent=2))


def make_commands(folder: Path) -> dict[str, list[str]]:
    """Make the run; return the commands by name, ``{k}`` standing for the round."""
    days = int(SESSIONS * 365.25 / 252)
    start = pd.Timestamp.now().normalize() - pd.Timedelta(days=days + 5)
    rows = garch_prices(TICKERS, SESSIONS + 30, 0, start=f"{start:%Y-%m-%d}")
    rows = rows[rows["ds"] < pd.Timestamp.now().normalize() - pd.Timedelta(days=1)]
    csv, runs = folder / "prices.csv", ["--runs-dir", str(folder)]
    rows.rename(columns={"unique_id": "ticker", "ds": "date"}).to_csv(csv, index=False)
    small = ["--epochs", "1", "--steps-per-epoch", "2", "--cell", "lstm", "--no-report"]
    train = ["train", "--source", "csv", "--csv", str(csv), "--name", "small", *small, *runs]
    timed([*FORECAST, *train])
    timed([*FORECAST, "export", "small", *runs])
    predict = [*FORECAST, "predict", "small", *runs]
    daily = [*FORECAST, "daily", "--run", "small", *runs]
    commands = {BASE: [sys.executable, "-c", BASE]}
    for runtime in ("tensorflow", "onnx"):
        chosen, named = ["--runtime", runtime], f"{folder / runtime}"
        commands[f"predict, {runtime}"] = [*predict, *chosen, "--fans", "0", "--out", named]
        commands[f"daily, {runtime}"] = [*daily, *chosen, "--ledger", named + "{k}.sqlite"]
    commands["predict, onnx, 4 fan charts"] = [*predict, "--runtime", "onnx", "--fans", "4"]
    commands["predict --help"] = [*FORECAST, "predict", "--help"]
    return commands


def timed(command: list[str]) -> Took:
    """Run a command to its end."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    wall, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode not in (0, 1):  # 1: an evening that calls for a person, who is not here
        sys.exit(f"{' '.join(command)}: {done.stderr}")
    return Took(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def distance(folder: Path) -> float:
    """Largest relative difference of the prices that the two runtimes forecast."""
    frames = [pd.read_csv(folder / name / "forecast.csv") for name in ("tensorflow", "onnx")]
    known = [frame.filter(like="lstm").to_numpy() for frame in frames]
    return float(np.abs(known[1] / known[0] - 1).max())


def say(result: dict[str, dict[str, float]], rounds: int, apart: float) -> None:
    """Print the table and what became of the claims."""
    base = result[BASE]["wall"]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    print(
        f"{TICKERS} tickers, {SESSIONS:,} sessions, Python {sys.version.split()[0]}, {cores} cores;"
        f" seconds of whole processes, medians of {rounds}"
    )
    print(f"{'':30}{'wall':>8}{'processor':>11}{'× import tensorflow':>21}")
    for name, took in result.items():
        print(f"{name:30}{took['wall']:8.2f}{took['processor']:11.2f}{took['wall'] / base:21.2f}")
    print(f"prices forecast by the two runtimes differ by {apart:.0e} at most, relatively")
    for command in ("predict", "daily"):
        ratio = result[f"{command}, tensorflow"]["wall"] / base
        print(f"{command} takes {ratio:.2f} × {BASE}, claimed {RATIO}: {kept(ratio <= RATIO)}")
    seconds = result["predict, onnx"]["wall"]
    claim = f"claimed {SECONDS}: {kept(seconds <= SECONDS)}"
    print(f"predict by ONNX Runtime takes {seconds:.2f} s, {claim}")


def kept(true: bool) -> str:
    """Say whether a claim holds."""
    return "kept" if true else "NOT KEPT"


if __name__ == "__main__":
    main()
