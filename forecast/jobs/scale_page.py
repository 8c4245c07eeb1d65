"""What wide panels cost, in words: the verdicts of a benchmark, and its page."""

from pathlib import Path
from typing import Any

from forecast import runs
from forecast.jobs.skill_page import table

#: What is promised from the smallest panel to the largest: growth of costs, memory beside the
#: constant in panels, share of waiting.
GROWTH, PANELS, WAITING = 0.15, 2.0, 0.05
#: What grows: its key, and what it is called.
COSTS = {
    "train_us_per_window": "a training window",
    "forecast_us_per_origin": "a forecast origin",
}
HEAD = """# Wide panels, measured

What a ticker more costs, on made-up GARCH prices with staggered listings, delistings and gaps. The
panel is one memory-mapped array in single precision; windows are cut from it by index while the
network trains, and forecasts are scored part by part, so that nothing of the size of the panel is
ever made a second time. Written by `python scripts/bench_scale.py --page docs/scale.md`; the
script's help says how each figure is taken.
"""

Rows = list[tuple[str, ...]]


def told(result: dict[str, Any]) -> tuple[list[str], Rows]:
    """Titles and rows of the table: one row per size."""
    columns = {
        "tickers": lambda s: f"{s['tickers']:,}",
        "windows": lambda s: f"{s['ours']['windows']:,}",
        "origins": lambda s: f"{s['ours']['origins']:,}",
        "features (ms/ticker)": lambda s: f"{s['ours']['features_ms_per_ticker']:.2f}",
        "train (µs/window)": lambda s: f"{s['ours']['train_us_per_window']:.0f}",
        "forecast (µs/origin)": lambda s: f"{s['ours']['forecast_us_per_origin']:.1f}",
        "waiting (%)": lambda s: f"{100 * s['ours']['waiting_share']:.1f}",
        "handing over (%)": lambda s: f"{100 * s['ours']['handing_share']:.1f}",
        "Keras's waiting (%)": lambda s: f"{100 * s['keras']['waiting_share']:.1f}",
        "cut (µs/window)": lambda s: f"{s['ours']['cut_us_per_window']:.1f}",
        "Keras's cut": lambda s: f"{s['keras']['cut_us_per_window']:.1f}",
        "panel (MB)": lambda s: f"{s['ours']['panel_mb']:,.0f}",
        "peak (MB)": lambda s: f"{s['ours']['peak_mb']:,.0f}",
        "Keras's peak (MB)": lambda s: f"{s['keras']['peak_mb']:,.0f}",
    }
    return list(columns), [tuple(cell(s) for cell in columns.values()) for s in result["sizes"]]


def verdicts(result: dict[str, Any]) -> list[str]:
    """A line per promise: what was found from the smallest to the largest panel, and if it holds.

    A cost that falls is within the promise; Keras's figures are told, nothing is promised of them.
    """
    sizes = result["sizes"]
    first, last = sizes[0]["ours"], sizes[-1]["ours"]
    span = f"from {sizes[0]['tickers']:,} to {sizes[-1]['tickers']:,} tickers"
    lines = []
    for key, what in COSTS.items():
        change = last[key] / first[key] - 1
        kept = _kept(change <= GROWTH)
        lines.append(
            f"{kept}: the cost of {what} changes by {100 * change:+.0f} % {span} (promised: grows "
            f"by {100 * GROWTH:.0f} % at most)"
        )
    panels = (last["peak_mb"] - first["peak_mb"]) / last["panel_mb"]
    lines.append(
        f"{_kept(panels < PANELS)}: peak memory is {first['peak_mb']:,.0f} MB + {panels:.2f} × the "
        f"panel of {last['panel_mb']:,.0f} MB, {last['prices_mb']:,.0f} MB of it prices and the "
        f"rest features, levels and volatilities (promised: less than {PANELS:g} panels beside "
        "the constant)"
    )
    waiting, handing, cutting = (
        max(each["ours"][f"{name}_share"] for each in sizes)
        for name in ("waiting", "handing", "cutting")
    )
    lines.append(
        f"{_kept(waiting < WAITING)}: a training step waits for data in {100 * waiting:.1f} % of "
        f"its time (promised: less than {100 * WAITING:.0f} %), {100 * handing:.1f} % with a batch "
        f"that is always ready; cutting batches beside it takes {100 * cutting:.1f} % of the "
        "processor time"
    )
    return [*lines, _beside_keras(sizes[-1])]


def publish(result: dict[str, Any], page: Path) -> None:
    """Write the page, and the result in a folder of its name beside it."""
    beside = page.with_suffix("")
    runs.make_folder(beside, "--page")
    runs.write_json(beside / "scale.json", result)
    runs.write_atomic(page, render(result))


def render(result: dict[str, Any]) -> str:
    """Return the page of a result."""
    largest = result["sizes"][-1]
    ours, tickers = largest["ours"], largest["tickers"]
    features_s = ours["features_ms_per_ticker"] * tickers / 1e3
    forecast_s = ours["forecast_us_per_origin"] * ours["origins"] / 1e6
    lines = "\n".join(f"- {line}." for line in verdicts(result))
    return (
        f"{HEAD}\n{table(*told(result))}\n{lines}\n\n"
        f"So time grows with the number of tickers where all of them are looked at, and not at all "
        f"where a training takes its steps: at {tickers:,} tickers and {result['sessions']:,} "
        f"sessions the features take {features_s:.0f} s, a step of training what it takes at "
        f"{result['sizes'][0]['tickers']:,}, and forecasting and scoring {ours['origins']:,} "
        f"origins {forecast_s:.0f} s ({result['cores']} cores, medians of {result['rounds']} "
        f"rounds, measured in {result['seconds']:.0f} s).\n"
    )


def _kept(holds: bool) -> str:
    return "kept" if holds else "NOT KEPT"


def _beside_keras(size: dict[str, Any]) -> str:
    """What Keras's own function takes for the same network on windows of the same panel."""
    ours, theirs = size["ours"], size["keras"]
    return (
        f"beside keras.utils.timeseries_dataset_from_array at {size['tickers']:,} tickers: "
        f"cutting a window takes {ours['cut_us_per_window']:.1f} against "
        f"{theirs['cut_us_per_window']:.1f} µs, the step waits {100 * ours['waiting_share']:.1f} "
        f"against {100 * theirs['waiting_share']:.1f} % of its time, a window trained costs "
        f"{ours['loop_us_per_window']:.0f} against {theirs['loop_us_per_window']:.0f} µs, and the "
        f"peak is {ours['peak_mb']:,.0f} MB, forecasting included, against "
        f"{theirs['peak_mb']:,.0f} MB for training alone"
    )
