"""One look for every figure: a colour, line and marker per model, light axes, stable files."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any
from zlib import crc32

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.transforms import ScaledTranslation

#: What was observed, in every figure; no model has this colour.
OBSERVED = "#222222"
#: Zero lines, diagonals, thresholds.
REFERENCE = "#666666"

_WIDTH_INCHES = 8.0  # 1200 pixels in the file, read at about 900
_LETTERS_PER_LINE = 104  # of a legend under a figure of that width
_LONGEST_NAME = 40

# Okabe & Ito (2008) for the networks and the commonest baselines, without their black (observed)
# and yellow (too pale for a line); Tol's muted scheme (2021) for the rest. Line and marker tell
# the same story in grey.
_KNOWN: dict[str, tuple[str, Any, str]] = {
    "lstm": ("#0072B2", "-", "o"),
    "keras-lstm": ("#D55E00", "--", "s"),
    "gru": ("#009E73", "-.", "^"),
    "simple-rnn": ("#CC79A7", ":", "D"),
    "history-250": ("#56B4E9", "--", "v"),
    "history-1000": ("#332288", "-.", "P"),
    "drift": ("#BBBBBB", ":", "X"),
    "ewma-t": ("#E69F00", "-", "<"),
    "garch-t": ("#882255", "--", ">"),
    "gjr": ("#999933", "-.", "p"),
    "har": ("#6B4A1F", ":", "h"),
    "gbm-quantiles": ("#DDCC77", "-", "*"),
}
_OTHER_COLORS = ("#117733", "#CC6677", "#44AA99", "#AA4499", "#0A3C5F", "#B58900", "#7F7F7F")
_OTHER_LINES: tuple[Any, ...] = ((0, (5, 1, 1, 1, 1, 1)), (0, (8, 2)), (0, (2, 1)), "-")
_OTHER_MARKERS = ("d", "H", "8", "d", "H")


def look_of(model: str) -> dict[str, Any]:
    """Return ``color``, ``linestyle`` and ``marker`` of a model: a function of its name alone."""
    if model in _KNOWN:
        color, line, marker = _KNOWN[model]
    else:
        code = crc32(model.encode("utf-8", "surrogatepass"))
        color = _OTHER_COLORS[code % len(_OTHER_COLORS)]
        line = _OTHER_LINES[code // 7 % len(_OTHER_LINES)]
        marker = _OTHER_MARKERS[code // 28 % len(_OTHER_MARKERS)]
    return {"color": color, "linestyle": line, "marker": marker}


def color_of(model: str) -> str:
    """Return the colour ``#RRGGBB`` of a model: the same in every figure."""
    return str(look_of(model)["color"])


def shade(color: str, strength: float) -> tuple[float, float, float]:
    """Mix a colour with white; `strength` 1 is the colour itself. Opaque, so shades can nest."""
    red, green, blue = (1 - strength * (1 - part) for part in to_rgb(color))
    return red, green, blue


def plain(name: object) -> str:
    """Return a name as text that is drawn as it stands: no mathtext, one line, not too long."""
    text = " ".join("".join(sign if sign.isprintable() else " " for sign in str(name)).split())
    if len(text) > _LONGEST_NAME:
        text = text[: _LONGEST_NAME - 1] + "…"
    if text.startswith("_"):
        text = " " + text  # a legend leaves out labels that start with an underscore
    return text.replace("$", r"\$")


def require(frame: pd.DataFrame, columns: Iterable[str], caller: str) -> None:
    """Raise ValueError when `frame` lacks one of the columns or has no rows."""
    wanted = list(columns)
    missing = [column for column in wanted if column not in frame.columns]
    if missing:
        raise ValueError(
            f"{caller} needs the columns {', '.join(wanted)}; missing: {', '.join(missing)}. "
            f"The frame has: {', '.join(map(str, frame.columns)) or 'no columns'}."
        )
    if frame.empty:
        raise ValueError(
            f"{caller} got a frame without rows; pass at least one row of {', '.join(wanted)}."
        )


def names(column: pd.Series) -> list[str]:
    """Return the names in a column: the known ones in the order of the palette, then A to Z."""
    order = list(_KNOWN)
    found = {str(name) for name in column.dropna().unique()}
    return [n for n in order if n in found] + sorted(found.difference(order))


def new_axes(ax: Axes | None = None, height: float = 4.0) -> Axes:
    """Return `ax`, or the axes of a new figure `height` inches high, with a light grid."""
    if ax is None:
        ax = Figure(figsize=(_WIDTH_INCHES, height), layout="constrained").add_subplot()
    _dress(ax)
    return ax


def new_grid(
    rows: int, columns: int, row_height: float, **subplots: Any
) -> tuple[Figure, list[list[Axes]]]:
    """Return a new figure and its axes, row by row; `row_height` in inches."""
    figure = Figure(figsize=(_WIDTH_INCHES, rows * row_height + 0.8), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False, **subplots)
    for ax in grid.flat:
        _dress(ax)
    return figure, grid.tolist()


def _dress(ax: Axes) -> None:
    ax.grid(True, color="#E3E3E3", linewidth=0.7)
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)
    ax.spines[["bottom", "left"]].set_color("#888888")
    ax.tick_params(labelsize=9, color="#888888")


def caption(ax: Axes, title: str = "", x: str = "", y: str = "") -> None:
    """Write the title and the axis labels."""
    ax.set_title(title, loc="left", fontsize=10.5)
    ax.set_xlabel(x, fontsize=9.5)
    ax.set_ylabel(y, fontsize=9.5)


def legend_beside(ax: Axes, handles: Sequence[Artist]) -> None:
    """Put the legend to the right of the axes."""
    labels = [str(handle.get_label()) for handle in handles]
    place: dict[str, Any] = {"loc": "upper left", "bbox_to_anchor": (1, 1)}
    ax.legend(handles, labels, fontsize=9, frameon=False, **place)


def legend_below(where: Axes | Figure, handles: Sequence[Artist]) -> None:
    """Put the legend under the axes (or the figure), where it hides nothing."""
    labels = [str(handle.get_label()) for handle in handles]
    widest = max(map(len, labels)) + 7  # the sample line is about as wide as seven letters
    columns = max(1, min(len(labels), _LETTERS_PER_LINE // widest))
    columns = -(-len(labels) // -(-len(labels) // columns))  # rows of about the same length
    options: dict[str, Any] = {"ncols": columns, "fontsize": 9, "frameon": False}
    if isinstance(where, Figure):
        where.legend(handles, labels, loc="outside lower center", **options)
        return
    # a distance in points: the same below high axes and flat ones
    below = ScaledTranslation(0, -34 / 72, where.figure.dpi_scale_trans)
    where.legend(
        handles,
        labels,
        loc="upper center",
        bbox_to_anchor=(0.5, 0),
        bbox_transform=where.transAxes + below,
        borderaxespad=0,
        **options,
    )


def key(label: str, **look: Any) -> Line2D:
    """Return a legend entry that is drawn nowhere."""
    return Line2D([], [], label=label, **look)


def save(figure: Figure | Axes, path: Path) -> Path:
    """Write a figure (or the figure of an axes) as PNG at 150 dpi and return the path.

    The same data give the same bytes; a reader never sees half a file.
    """
    root = figure if isinstance(figure, Figure) else figure.get_figure(root=True)
    if root is None:
        raise ValueError("these axes were removed from their figure; there is nothing to save")
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        root.savefig(
            partial,
            format="png",
            dpi=150,
            bbox_inches="tight",
            pad_inches=0.05,
            metadata={"Software": None},
        )
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return path
