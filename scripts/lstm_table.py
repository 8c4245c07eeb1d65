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
    rows, means = result["shapes"], result["geometric_means"]
    torch = f" (torch {means['forward']['torch']:.2f})" if "torch" in means["forward"] else ""
    said = [
        f"{result['cores']} cores. Forwards only it takes {means['forward']['ours']:.2f} of "
        f"Keras's time{torch}."
    ]
    monitors = [ratios(row["monitor"], "none") for row in rows.values()]
    for name in (name for name in means["monitor"] if name != "none"):
        each = [row[name] for row in monitors]
        said.append(
            f"A monitor ({name}) takes {min(each):.2f} to {max(each):.2f} of the time without one, "
            f"mean {means['monitor'][name]:.2f}."
        )
    fresh = [row["fresh"] for row in rows.values() if "fresh" in row]
    if fresh:
        first, keras = (sorted(of[who]["first_s"] for of in fresh) for who in ("ours", "keras"))
        memory = sorted(of["ours"]["peak_mb"] / of["keras"]["peak_mb"] for of in fresh)
        said.append(
            f"The first step, which compiles, takes {first[0]:.1f} to {first[-1]:.1f} s (Keras "
            f"{keras[0]:.1f} to {keras[-1]:.1f}); the process needs {memory[0]:.2f} to "
            f"{memory[-1]:.2f} of the memory of one that trains Keras's layer."
        )
    return " ".join(said)


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
