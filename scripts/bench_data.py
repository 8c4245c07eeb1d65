"""Time and memory of loading, cleaning and windowing a panel (default: 20 stocks × 8313 sessions).

python scripts/bench_data.py [--source sp500|bundled] [--json PATH]

Times are the median of five runs, imports aside; the first run, which also builds the exchange
calendar, is given beside it. Memory is tracemalloc's peak, in megabytes and in sizes of the panel
(its own float64 values and dates); at the end also in sizes of what is kept: the panel and the
tensor that windows are cut from.
"""

import argparse
import gc
import json
import statistics
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import exchange_calendars  # noqa: F401  imported here so that its import is not timed

from forecast.prices import Panel, clean, load_prices
from forecast.prices.bundled import read_bundled
from forecast.prices.sp500 import read_sp500
from forecast.settings import PriceSettings, WindowSettings
from forecast.windows import build_windows

RUNS = 5


def steps(source: str) -> dict[str, Callable[[], Any]]:
    """Return the steps to measure by name; "all" is what a command does."""
    reader = {"sp500": read_sp500, "bundled": read_bundled}[source]
    settings = PriceSettings.model_validate({"source": source})
    read = reader()

    def cleaned() -> Panel:
        return clean(read.rows, source=source, sha256=read.sha256, calendar=read.calendar)[0]

    def everything() -> Any:
        panel = load_prices(settings)[0]
        return panel, build_windows(panel, WindowSettings())

    panel = cleaned()
    return {
        "load": reader,
        "clean": cleaned,
        "windows": lambda: build_windows(panel, WindowSettings()),
        "all": everything,
    }


def measure(step: Callable[[], Any], panel_bytes: int) -> dict[str, float]:
    """Return the seconds of a step, median of five, and its peak memory in panels."""
    seconds = []
    for _ in range(RUNS):
        began = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - began)
    gc.collect()
    tracemalloc.start()
    kept = step()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    del kept
    return {
        "seconds": statistics.median(seconds),
        "peak_bytes": peak,
        "peak_panels": peak / panel_bytes,
    }


def main() -> None:
    """Measure every step, print a table, write it as JSON where asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--source", choices=["sp500", "bundled"], default="sp500")
    parser.add_argument("--json", type=Path, help="also write the numbers here")
    arguments = parser.parse_args()

    began = time.perf_counter()
    settings = PriceSettings.model_validate({"source": arguments.source})
    panel, _ = load_prices(settings)
    first = time.perf_counter() - began
    panel_bytes = int(panel.frame.memory_usage().sum())
    result: dict[str, Any] = {
        "source": arguments.source,
        "sessions": len(panel.sessions),
        "tickers": len(panel.tickers),
        "panel_bytes": panel_bytes,
        "first_load_seconds": first,
    }
    print(
        f"{arguments.source}: {len(panel.tickers)} tickers × {len(panel.sessions)} sessions, "
        f"panel {panel_bytes / 1e6:.2f} MB, first load {first:.2f} s"
    )
    for name, step in steps(arguments.source).items():
        result[name] = measure(step, panel_bytes)
        told = result[name]
        print(
            f"{name:8} {told['seconds']:7.3f} s {told['peak_bytes'] / 1e6:7.2f} MB "
            f"{told['peak_panels']:6.2f} panels"
        )
    windows = build_windows(panel, WindowSettings())
    arrays = (windows.features, windows.volatility, windows.level)
    kept = panel_bytes + sum(array.nbytes for array in arrays)
    result |= {"kept_bytes": kept, "peak_over_kept": result["all"]["peak_bytes"] / kept}
    print(
        f"kept: {kept / 1e6:.2f} MB, the panel and its tensor of {windows.features.shape[2]} "
        f"features; peak of all is {result['peak_over_kept']:.2f} of that"
    )
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
