"""What training looked like: loss and gradient norms by step."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from forecast.plots.style import (
    REFERENCE,
    caption,
    color_of,
    key,
    legend_below,
    legend_beside,
    look_of,
    names,
    new_axes,
    new_grid,
    plain,
    require,
    shade,
)

_LAYER_LINES: tuple[Any, ...] = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (8, 2)))


def plot_loss(
    history: pd.DataFrame,
    ax: Axes | None = None,
    unit: str = "CRPS, in units of volatility",
    start: float | None = None,
) -> Axes:
    """Draw training and validation loss by epoch, one pair of lines per model and seed.

    `history` has the columns ``model, seed, epoch, loss, val_loss``; the lowest validation loss
    of each run is marked. `start` is the validation loss of the EWMA-t, which an untrained network
    equals. Raises ValueError for a frame without rows or columns.
    """
    require(history, ["model", "seed", "epoch", "loss", "val_loss"], "plot_loss")
    ax = new_axes(ax)
    models = names(history["model"])
    for index, model in enumerate(models):
        look = look_of(model)
        pale = look | {"color": shade(look["color"], 0.45), "marker": ""}
        runs = history[history["model"] == model].sort_values("epoch").groupby("seed", dropna=False)
        width = nested_width(index, len(models)) / np.sqrt(runs.ngroups)
        for _, run in runs:
            ax.plot(run["epoch"], run["loss"], linewidth=0.8 * width, **pale)
            ax.plot(run["epoch"], run["val_loss"], linewidth=width, **look | {"marker": ""})
            best = run.nsmallest(1, "val_loss")
            spot = look | {"linestyle": "", "markersize": 5 + 2 * width, "markeredgecolor": "white"}
            ax.plot(best["epoch"], best["val_loss"], zorder=3, **spot)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    caption(
        ax,
        title="Training (pale) and validation loss; a marker at each run's best epoch",
        x="epoch",
        y=f"loss ({plain(unit)})",
    )
    handles: list[Artist] = [key(plain(model), **look_of(model)) for model in models]
    if start is not None:
        level: dict[str, Any] = {"color": REFERENCE, "linewidth": 1.2, "linestyle": (0, (1, 1))}
        ax.axhline(start, **level)
        handles.append(key("EWMA-t, where it starts (validation)", **level))
    legend_below(ax, handles)
    return ax


def plot_gradient_norms(telemetry: pd.DataFrame, clip_norm: float | None = None) -> Figure:
    """Draw the gradient norm over the steps: global and before clipping above, per layer below.

    `telemetry` has the columns ``model, step, layer, quantity, value`` with the quantities
    ``global_norm``, ``norm`` (per layer) and, for the legend, ``clipped_share``. `clip_norm` is
    the threshold of the clipping. Raises ValueError when there is no global norm.
    """
    require(telemetry, ["model", "step", "layer", "quantity", "value"], "plot_gradient_norms")
    whole = of_quantity(telemetry, "global_norm")
    layers = telemetry[(telemetry["quantity"] == "norm") & telemetry["value"].notna()]
    models = names(layers["model"])
    heights = [1.5, *[1.0] * len(models)]
    figure, grid = new_grid(len(heights), 1, row_height=1.75, sharex=True, height_ratios=heights)
    _draw_global_norm(grid[0][0], telemetry, whole, clip_norm)
    for (ax,), model in zip(grid[1:], models, strict=True):
        _draw_layer_norms(ax, layers[layers["model"] == model], model)
    grid[-1][0].set_xlabel("optimizer step", fontsize=9.5)
    return figure


def of_quantity(telemetry: pd.DataFrame, quantity: str) -> pd.DataFrame:
    """Return the rows of a quantity that have a value; ValueError when there are none."""
    rows = telemetry[(telemetry["quantity"] == quantity) & telemetry["value"].notna()]
    if rows.empty:
        found = ", ".join(sorted(map(str, telemetry["quantity"].unique())))
        raise ValueError(f"no value of {quantity!r} in the telemetry; its quantities are: {found}")
    return rows


def nested_width(index: int, count: int) -> float:
    """Return line widths that fall from model to model: curves that coincide both stay visible."""
    return 1.4 + 1.6 * (count - 1 - index) / (count - 1) if count > 1 else 1.8


def _by_step(rows: pd.DataFrame) -> pd.Series:
    """Return the mean over seeds at each step where the value is one a log scale can show."""
    good = rows[np.isfinite(rows["value"]) & (rows["value"] > 0)]
    return good.groupby("step")["value"].mean()


def _running_mean(values: pd.Series) -> pd.Series:
    return values.rolling(max(3, len(values) // 20), min_periods=1).mean()


def _draw_global_norm(
    ax: Axes, telemetry: pd.DataFrame, whole: pd.DataFrame, clip_norm: float | None
) -> None:
    handles: list[Artist] = []
    models = names(whole["model"])
    for index, model in enumerate(models):
        look = look_of(model) | {"marker": ""}
        norm = _by_step(whole[whole["model"] == model])
        ax.plot(norm.index, norm, color=shade(look["color"], 0.35), linewidth=0.6)
        mean = _running_mean(norm)
        ax.plot(mean.index, mean, linewidth=nested_width(index, len(models)), zorder=3, **look)
        rows = telemetry[(telemetry["model"] == model) & (telemetry["quantity"] == "clipped_share")]
        clipped = rows["value"].mean()
        said = f", {100 * clipped:.0f} % of steps clipped" if np.isfinite(clipped) else ""
        if norm.empty:
            said = ": zero or not finite throughout"
        handles.append(key(plain(model) + said, linewidth=2, **look))
    if clip_norm is not None:
        ax.axhline(clip_norm, color=REFERENCE, linewidth=1.2, linestyle=(0, (1, 1)))
        handles.append(key(f"clipped above {clip_norm:g}", color=REFERENCE, linestyle=(0, (1, 1))))
    ax.set_yscale("log")
    title = "Gradient of the whole network before clipping; thick: running mean"
    caption(ax, title=title, y="global L2 norm")
    legend_beside(ax, handles)


def _draw_layer_norms(ax: Axes, rows: pd.DataFrame, model: str) -> None:
    layers = rows["layer"].dropna().unique()  # in the order of the network
    handles: list[Artist] = []
    for index, layer in enumerate(layers):
        mean = _running_mean(_by_step(rows[rows["layer"] == layer]))
        strength = 1 - 0.6 * index / max(len(layers) - 1, 1)
        handles += ax.plot(
            mean.index,
            mean,
            color=shade(color_of(model), strength),
            linestyle=_LAYER_LINES[index % len(_LAYER_LINES)],
            linewidth=1.5,
            label=plain(layer),
        )
    ax.set_yscale("log")
    caption(ax, title=f"{plain(model)}: per layer, running mean", y="L2 norm")
    legend_beside(ax, handles)
