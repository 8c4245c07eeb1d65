"""What bench_lstm.py found, in words and as the table of docs/layer.md.

python scripts/lstm_table.py bench_lstm.json docs/layer.md
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np

#: Column of the page and the contestant it shows, over Keras's time.
COLUMNS = {
    "Keras, jit": "keras jit",
    "ours": "ours",
    "torch": "torch",
    "products": "three products",
}
#: Cadence of a monitor and how it is told.
CADENCES = {"every 10": "every tenth step", "every 1": "every step"}
#: Comments between which the page is written.
BEGIN, END = "<!-- bench_lstm -->", "<!-- end of bench_lstm -->"


def ratios(times: dict[str, float], base: str) -> dict[str, float]:
    """Return every time over that of `base`."""
    return {name: value / times[base] for name, value in times.items()}


def summary(rows: dict[str, dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Return geometric means over the shapes of all ratios."""
    bases = {"train": "keras", "forward": "keras", "monitor": "none"}
    means = {}
    for part, base in bases.items():
        logs = [np.log(list(ratios(row[part], base).values())) for row in rows.values()]
        names = next(iter(rows.values()))[part]
        means[part] = dict(zip(names, np.exp(np.mean(logs, 0)).tolist(), strict=True))
    return means


def show(label: str, row: dict[str, Any]) -> None:
    """Print one shape: milliseconds of the base, then the ratios to it."""
    print(f"\n{label}")
    for part, base in (("train", "keras"), ("forward", "keras"), ("monitor", "none")):
        cells = "  ".join(f"{k} {v:.3f}" for k, v in ratios(row[part], base).items() if k != base)
        print(f"  {part:8} {base} {row[part][base]:8.2f} ms   × {cells}")
    if "fresh" in row:
        cells = "   ".join(
            f"{k}: first step {v['first_s']:.2f} s, peak {v['peak_mb']:.0f} MB "
            f"(training {v['grown_mb']:.0f})"
            for k, v in row["fresh"].items()
        )
        print(f"  fresh    {cells}", flush=True)


def page(result: dict[str, Any]) -> str:
    """Return the Markdown that stands in docs/layer.md: a table and what it leaves out."""
    rows, means = result["shapes"], result["geometric_means"]
    first = next(iter(rows.values()))["train"]
    shown = {title: name for title, name in COLUMNS.items() if name in first}
    lines = [
        f"| batch × steps × features × units | Keras (ms) | {' | '.join(shown)} |",
        "|---" * (2 + len(shown)) + "|",
    ]
    for label, row in rows.items():
        cells = ratios(row["train"], "keras")
        told = " | ".join(f"{cells[name]:.2f}" for name in shown.values())
        lines.append(f"| {label} | {row['train']['keras']:.1f} | {told} |")
    told = " | ".join(f"{means['train'][name]:.2f}" for name in shown.values())
    return "\n".join([*lines, f"| geometric mean | | {told} |", "", _aside(result)])


def _aside(result: dict[str, Any]) -> str:
    """Forwards only, monitors, first step and memory, in words."""
    rows, means, cores = result["shapes"], result["geometric_means"], result["cores"]
    torch = f" (torch {means['forward']['torch']:.2f})" if "torch" in means["forward"] else ""
    with_torch = f"; torch is {result['torch']}, with as many threads" if torch else ""
    said = [
        f"{cores} cores{with_torch}. Forwards only ours takes {means['forward']['ours']:.2f} of "
        f"Keras's time{torch}."
    ]
    monitors = [ratios(row["monitor"], "none") for row in rows.values()]
    for name, cadence in CADENCES.items():
        said.append(_monitor(cadence, [row[name] for row in monitors], means["monitor"][name]))
    fresh = [row["fresh"] for row in rows.values() if "fresh" in row]
    if fresh:
        first, keras = (sorted(of[who]["first_s"] for of in fresh) for who in ("ours", "keras"))
        memory = sorted(of["ours"]["peak_mb"] / of["keras"]["peak_mb"] for of in fresh)
        said.append(
            f"The first step, which compiles, takes {first[0]:.1f} to {first[-1]:.1f} s (Keras "
            f"{keras[0]:.1f} to {keras[-1]:.1f}). The process needs {memory[0]:.2f} to "
            f"{memory[-1]:.2f} of the memory of one that trains Keras's layer."
        )
    return " ".join(said)


def _monitor(cadence: str, each: list[float], mean: float) -> str:
    """What a monitor costs: ratios by shape to the time without one, and their mean."""
    low, high = min(each), max(each)
    if low <= 1 <= high:
        return (
            f"A monitor that looks at {cadence} cannot be told from none ({low:.2f} to {high:.2f} "
            f"of the time, mean {mean:.2f})."
        )
    return (
        f"A monitor that looks at {cadence} costs {100 * (mean - 1):.0f} % "
        f"({100 * (low - 1):.0f} to {100 * (high - 1):.0f} %)."
    )


def write_page(result: dict[str, Any], path: Path) -> None:
    """Put the table between its two comments in `path`; ValueError when they are not there."""
    text = path.read_text(encoding="utf-8")
    parts = re.split(f"({re.escape(BEGIN)}|{re.escape(END)})", text)
    if len(parts) != 5:
        raise ValueError(f"{path} has no place for the table: expected {BEGIN} … {END}, once.")
    parts[2] = f"\n{page(result)}\n"
    path.write_text("".join(parts), encoding="utf-8")


if __name__ == "__main__":
    write_page(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")), Path(sys.argv[2]))
