"""How work on an engine grows: a model fitted to measured times, and what it says of more."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import nnls

from forecast import runs
from forecast.jobs.skill_page import table

#: Comments between which the page is written.
BEGIN, END = "<!-- bench_engine -->", "<!-- end of bench_engine -->"
#: What is asked of the model: tickers, machines, and networks to be trained.
TICKERS, MACHINES, NETWORKS = (500, 5_000, 50_000), (1, 10, 100), 1_000
#: Network between the machines that is assumed (1 Gbit/s); nothing here measures one.
NETWORK_GB_PER_S = 0.125


class Job(NamedTuple):
    """Networks trained on a panel by so many processes."""

    processes: int
    networks: int
    tickers: int


class Growth(NamedTuple):
    """Seconds of a job: fixed + (network + per ticker) × networks / processes + one's own share.

    One's own share (`here`, and `here_per_ticker`) is what the process that asked does for a unit:
    it sends it, and takes over what came of it. No further process makes that less: Amdahl's law.
    """

    fixed: float
    network: float
    network_per_ticker: float
    here: float
    here_per_ticker: float

    def seconds(self, job: Job) -> float:
        """Wall time of a job, what is shipped over a network left out."""
        return float(_columns(job) @ np.array(self))

    def most(self, tickers: int) -> float:
        """What the speed-up tends to with ever more processes and networks; inf without a limit."""
        here = self.here + self.here_per_ticker * tickers
        apart = self.network + self.network_per_ticker * tickers
        return 1 + apart / here if here else float("inf")


def fit(
    jobs: Sequence[Job], seconds: Sequence[float], own: Sequence[float]
) -> tuple[Growth, float]:
    """Fit the model by least squares, no part below 0; also the largest relative error.

    `seconds` are wall times of the jobs, `own` the processor seconds in them of the process that
    asked: what it does alone is measured, not guessed from a few wall times.
    """
    columns, measured = np.array([_columns(job) for job in jobs]), np.asarray(seconds, float)
    here = _least_squares(columns[:, 3:], np.asarray(own, float))
    shared = _least_squares(columns[:, :3], measured - columns[:, 3:] @ here)
    growth = Growth(*map(float, (*shared, *here)))
    return growth, float(np.abs(columns @ np.array(growth) / measured - 1).max())


def _least_squares(columns: np.ndarray, measured: np.ndarray) -> np.ndarray:
    """Factors of the columns, none below 0; relative errors count."""
    weights = 1 / np.maximum(measured, 1e-3)
    found, _ = nnls(columns * weights[:, None], measured * weights)
    return np.asarray(found)


def _columns(job: Job) -> np.ndarray:
    share = job.networks / job.processes
    return np.array([1, share, share * job.tickers, job.networks, job.networks * job.tickers])


def told(result: dict[str, Any]) -> tuple[list[str], list[tuple[str, ...]]]:
    """Titles and rows of what was measured."""
    titles = ["engine", "processes", "tickers", "networks", "seconds", "speed-up"]
    alone = {
        (m["engine"], m["tickers"], m["networks"]): m["seconds"]
        for m in result["measured"]
        if m["processes"] == 1
    }
    rows: list[tuple[str, ...]] = [
        (
            m["engine"],
            *(str(m[name]) for name in ("processes", "tickers", "networks")),
            f"{m['seconds']:.1f}",
            f"{alone[m['engine'], m['tickers'], m['networks']] / m['seconds']:.2f}",
        )
        for m in result["measured"]
    ]
    return titles, rows


def extrapolated(result: dict[str, Any]) -> tuple[list[str], list[tuple[str, ...]]]:
    """Titles and rows of what the model says of sizes that were not measured."""
    growth = Growth(*result["growth"]["ray"])
    titles = ["tickers", "machines", "processes", "hours", "speed-up", "shipping (min)"]
    rows: list[tuple[str, ...]] = []
    for tickers in TICKERS:
        alone = growth.seconds(Job(1, NETWORKS, tickers))
        for machines in MACHINES:
            processes = machines * result["cores"]
            job = Job(min(processes, NETWORKS), NETWORKS, tickers)
            copies = (machines - 1) * tickers * result["panel_mb_per_ticker"] / 1e3
            shipping = copies / NETWORK_GB_PER_S
            seconds = growth.seconds(job) + shipping
            cells = (f"{seconds / 3600:.2f}", f"{alone / seconds:.1f}", f"{shipping / 60:.1f}")
            rows.append((f"{tickers:,}", str(machines), str(processes), *cells))
    return titles, rows


def render(result: dict[str, Any]) -> str:
    """Return what stands on the page between the comments."""
    ray, local = (Growth(*result["growth"][name]) for name in ("ray", "local"))
    starts, held = result["start_seconds"], result["worker_mb"]
    least = TICKERS[0]
    return (
        f"Measured by `python scripts/bench_engine.py` on {result['cores']} cores in "
        f"{result['seconds']:.0f} s: networks of {result['network_units']} units trained "
        f"{result['epochs']} epochs × {result['steps']} steps, on made-up prices of "
        f"{result['sessions']:,} sessions; the workers had started.\n\n{table(*told(result))}\n"
        f"- To start a worker with TensorFlow takes {starts['local']:.1f} s here, "
        f"{starts['ray']:.1f} s through Ray.\n"
        f"- Through Ray a job takes {_parts(ray)} that the process which asked spends on each, "
        f"alone (its processor time). In processes here: {_parts(local)}. Least squares on the "
        f"rows above, each the shorter of {result['rounds']} times; the worst of them is off by "
        f"{100 * max(result['worst_error'].values()):.0f} %.\n"
        f"- A worker held at most {_listed(held)}; the panel is "
        f"{result['panel_mb_per_ticker']:.2f} MB per ticker, once per machine.\n\n"
        f"**Extrapolated, not measured:** {NETWORKS:,} such networks by that model, on machines of "
        f"{result['cores']} cores like this one, the panel sent to one machine after another at "
        f"{NETWORK_GB_PER_S:g} GB/s (1 Gbit/s, assumed). The speed-up is over one process. What "
        f"the asking process does alone keeps it below {ray.most(least):,.0f} at {least} tickers "
        f"for networks as small as these; those that train longer have a higher limit.\n\n"
        f"{table(*extrapolated(result))}"
    )


def _parts(growth: Growth) -> str:
    """The parts of the time of a job, in words."""
    return (
        f"{growth.fixed:.1f} s, {growth.network:.2f} s + {1e3 * growth.network_per_ticker:.2f} ms "
        f"per ticker for a network, shared by the processes, and {growth.here:.2f} s + "
        f"{1e3 * growth.here_per_ticker:.2f} ms per ticker"
    )


def _listed(held: dict[str, float]) -> str:
    return " and ".join(f"{mb:,.0f} MB at {tickers} tickers" for tickers, mb in held.items())


def publish(result: dict[str, Any], page: Path) -> None:
    """Write the result into the page, between the comments, and beside it as JSON."""
    beside = page.with_suffix("")
    runs.make_folder(beside, "--page")
    runs.write_json(beside / "engine.json", result)
    text = page.read_text(encoding="utf-8")
    between = re.compile(f"{re.escape(BEGIN)}.*{re.escape(END)}", re.DOTALL)
    written = f"{BEGIN}\n\n{render(result)}\n{END}"
    runs.write_atomic(page, between.sub(lambda _: written, text))
