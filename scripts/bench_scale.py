"""What a ticker more costs: time per training window and per forecast origin, and peak memory.

    python scripts/bench_scale.py                        20, 500 and 5,000 tickers: six minutes
    python scripts/bench_scale.py --tickers 20 100 --rounds 2         a minute
    python scripts/bench_scale.py --page docs/scale.md                also write the page

Each size has two processes of its own (scale_measures.py), one that trains on our windows and one
that trains the same network on those of keras.utils.timeseries_dataset_from_array, on the same
made-up GARCH prices with staggered listings, delistings and gaps. They stay, and take turns round
by round, so that whatever else the machine does falls on all of them; every figure is the median
over the rounds. All is warm: each has trained before it is timed.

- train: wall time of 60 steps of `fit` over our batches of 64 windows, per window.
- waiting: the share of a training loop's wall time in which the step stands still until the next
  batch is handed over (the time inside next(), the call itself included). The loop is that of
  `fit`: the same data set, ahead by as much as tf.data likes; ours and Keras's. "handing over" is
  the same share where one batch is always ready: no data set can wait less.
- cutting: processor time of the thread that cuts our batches, as a share of all processor time of
  that loop. On a machine whose cores are all at work this is taken from the training, however well
  the two overlap; it is no waiting.
- cut: wall time of cutting a window (features, targets, weights), nothing else running; ours and
  Keras's.
- forecast: wall time of forecasting every origin and scoring it, per origin.
- peak: most memory the process has held, mapped files included. "constant" is the peak of the
  smallest panel, which is TensorFlow's. The panel is prices, features, levels and volatilities.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

#: What one process measures.
MEASURES = Path(__file__).with_name("scale_measures.py")


def main() -> None:
    """Measure every size in turn, print the table and the verdicts."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tickers", type=int, nargs="+", default=[20, 500, 5000])
    parser.add_argument("--sessions", type=int, default=2500)
    parser.add_argument("--rounds", type=int, default=7, help="turns of each size (default: 7)")
    parser.add_argument("--json", type=Path, help="write all figures")
    parser.add_argument("--page", type=Path, help="page to put the result on")
    arguments = parser.parse_args()
    from forecast.jobs.scale_page import publish, told, verdicts

    began = time.perf_counter()
    sizes = measured(arguments.tickers, arguments.sessions, arguments.rounds)
    result = {
        "benchmark": "scale",
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
        command = [sys.executable, str(MEASURES), name, str(tickers), str(sessions)]
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


if __name__ == "__main__":
    main()
