"""What it costs to train networks on an engine, and how that grows: measured, fitted, extrapolated.

    python scripts/bench_engine.py                            one and two processes: seven minutes
    python scripts/bench_engine.py --page docs/clusters.md    also write the marked part of the page

Trains two and four small networks on made-up GARCH prices of 20 and 400 tickers, with one and two
processes, in processes of this machine and on a Ray of its own; all in one run. Times are those of
`train_networks`, what a user of `forecast train --processes` waits for: sending, training, taking
over. Before the clock starts workers have begun, TensorFlow is loaded, and two networks were
trained; what the start takes is told apart. Peak memory is the most any worker has held.

A model (fixed + per network / processes + what the asking process does alone, each with a part per
ticker) is fitted to these times, and to the processor time of the asking process, by least squares.
What it says of thousands of tickers and a hundred machines is an extrapolation, and called so.
"""

import argparse
import json
import os
import resource
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from forecast.command_settings import EngineSettings
from forecast.drafts import CHECKPOINT
from forecast.engine import Engine
from forecast.jobs.growth import Job, extrapolated, fit, publish, told
from forecast.jobs.networks import train_networks
from forecast.jobs.prepare import Prepared
from forecast.jobs.terminal import Terminal
from forecast.jobs.workers import workers
from forecast.prices import clean, garch_prices
from forecast.settings import Settings
from forecast.windows import make_splits

ENGINES, PROCESSES, NETWORKS = ("local", "ray"), (1, 2), (2, 4)
#: Times each job is done; the shorter one counts, for other work on the machine only adds.
ROUNDS = 2
SETTINGS = Settings(
    units=8, epochs=3, steps_per_epoch=20, lookback=80, cell=("lstm",), telemetry="off"
)


def main() -> None:
    """Measure, fit, print and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tickers", type=int, nargs="+", default=[20, 400], help="two or more")
    parser.add_argument("--sessions", type=int, default=2500)
    parser.add_argument("--json", type=Path, help="write all figures")
    parser.add_argument("--page", type=Path, help="page whose marked part is written")
    arguments = parser.parse_args()
    began = time.perf_counter()
    panels = {count: made_up(count, arguments.sessions) for count in sorted(arguments.tickers)}
    result = measured(panels) | {
        "sessions": arguments.sessions,
        "rounds": ROUNDS,
        "cores": len(os.sched_getaffinity(0)),
        "network_units": SETTINGS.units,
        "epochs": SETTINGS.epochs,
        "steps": SETTINGS.steps_per_epoch,
    }
    result["seconds"] = time.perf_counter() - began
    show(*told(result))
    for name, growth in result["growth"].items():
        parts = "  ".join(f"{part} {value:.4f}" for part, value in growth._asdict().items())
        print(f"{name}: {parts} (s); worst error {100 * result['worst_error'][name]:.0f} %")
    print(f"extrapolated to {result['cores']} cores per machine, not measured:")
    show(*extrapolated(result))
    print(f"measured in {result['seconds']:.0f} s")
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=2) + "\n")
    if arguments.page:
        publish(result, arguments.page)
        print(f"written: {arguments.page}")


def made_up(tickers: int, sessions: int) -> Prepared:
    """A panel of made-up prices and its splits."""
    rows = garch_prices(tickers, sessions, 0)
    panel, _ = clean(rows, source="garch", sha256="", calendar="XNYS")
    return Prepared(panel, make_splits(panel, SETTINGS), [])


def measured(panels: dict[int, Prepared]) -> dict[str, Any]:
    """Times of all jobs on both engines, and the models fitted to them."""
    rows: list[dict[str, Any]] = []
    starts: dict[str, float] = {}
    growth, errors = {}, {}
    peaks: dict[str, float] = {}
    for name in ENGINES:
        for processes in PROCESSES:
            began = time.perf_counter()
            with workers(EngineSettings.model_validate(asked(name, processes))) as engine:
                list(engine.run(wait, range(2 * max(PROCESSES))))
                starts.setdefault(name, time.perf_counter() - began)
                timed(engine, next(iter(panels.values())), min(NETWORKS))  # here begins much, too
                for tickers, prepared in panels.items():
                    for networks in NETWORKS:
                        took = min(timed(engine, prepared, networks) for _ in range(ROUNDS))
                        job = {"processes": processes, "networks": networks, "tickers": tickers}
                        rows.append({"engine": name, **job, **took._asdict()})
                        print(f"  {name} {job}: {took.seconds:.1f} s", flush=True)
                    found = [peak for _, peak in engine.run(peak_mb, range(processes))]
                    peaks[str(tickers)] = max(*found, peaks.get(str(tickers), 0))
        mine = [row for row in rows if row["engine"] == name]
        jobs = [Job(row["processes"], row["networks"], row["tickers"]) for row in mine]
        columns = ([row[clock] for row in mine] for clock in ("seconds", "own_seconds"))
        growth[name], errors[name] = fit(jobs, *columns)
    many = max(panels)
    panel = panels[many].panel
    size = float(panel.frame.memory_usage(index=True).sum())
    return {
        "measured": rows,
        "start_seconds": starts,
        "growth": growth,
        "worst_error": errors,
        "worker_mb": peaks,
        "panel_mb_per_ticker": size / many / 1e6,
    }


def asked(name: str, processes: int) -> dict[str, Any]:
    """How an engine of this machine is asked for."""
    return {"engine": name, "processes": processes}


class Took(NamedTuple):
    """Wall time of a job, and processor time in it of the process that asked, in seconds."""

    seconds: float
    own_seconds: float


def timed(engine: Engine, prepared: Prepared, networks: int) -> Took:
    """How long it takes to train so many networks and take them over."""
    settings = SETTINGS.model_copy(update={"seeds": networks})
    with tempfile.TemporaryDirectory() as folder:
        draft = Path(folder)
        (draft / CHECKPOINT).mkdir()
        began, own = time.perf_counter(), time.process_time()
        train_networks(settings, prepared, Terminal(quiet=True), draft, engine)
        return Took(time.perf_counter() - began, time.process_time() - own)


def wait(shared: None, unit: int) -> None:
    """Let every worker have its turn."""
    time.sleep(0.2)


def peak_mb(shared: None, unit: int) -> float:
    """Most memory this worker has held."""
    time.sleep(0.2)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def show(titles: list[str], rows: list[tuple[str, ...]]) -> None:
    """Print a table."""
    for row in [tuple(titles), *rows]:
        print("  ".join(f"{cell:>14}" for cell in row))


if __name__ == "__main__":
    main()
