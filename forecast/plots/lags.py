"""How far back the gradient reaches: its size by the distance from the loss."""

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes

from forecast.plots.style import (
    REFERENCE,
    caption,
    key,
    legend_below,
    look_of,
    names,
    new_axes,
    plain,
    require,
    shade,
)
from forecast.plots.training import nested_width, of_quantity

#: A share of the gradient below float32's resolution changes nothing when it is added.
_SMALLEST_SHARE = 1e-8


def plot_gradient_by_lag(telemetry: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw the gradient of the memory by its distance from the loss, relative to its largest.

    The memory of an LSTM is its cell state c, that of other cells their state h: quantities
    ``cell_gradient_norm`` and, for layers without it, ``state_gradient_norm``, on a log scale.
    `telemetry` has the columns ``model, step, epoch, layer, quantity, lag_sessions, value``. The
    first measurement of a model is dashed and pale, the last one solid. The legend tells the decay
    ρ per session and the sessions after which the gradient has fallen to 1/e, the quantities
    ``gradient_decay`` and ``memory_sessions`` (Pascanu, Mikolov and Bengio, 2013). Raises
    ValueError when there is nothing to draw.
    """
    columns = ["model", "step", "epoch", "layer", "quantity", "lag_sessions", "value"]
    require(telemetry, columns, "plot_gradient_by_lag")
    measured = _memory_gradients(telemetry)
    ax = new_axes(ax, height=4.6)
    models = names(measured["model"])
    handles: list[Artist] = []
    for index, model in enumerate(models):
        of_model = measured[measured["model"] == model]
        several = len(of_model["layer"].unique()) > 1
        for layer, rows in of_model.groupby("layer", sort=False, dropna=False):
            label = plain(f"{model}, {layer}" if several else model)
            same = (telemetry["model"] == model) & (telemetry["layer"] == layer)
            said = _describe_decay(telemetry[same])
            handles.append(_draw_decay(ax, rows, model, label + said, (index, len(models))))
    ax.set_yscale("log")
    drawn = np.concatenate([np.asarray(line.get_ydata()) for line in ax.get_lines()])
    if not len(drawn):
        raise ValueError("every gradient is zero or not finite: nothing to compare with")
    ax.set_ylim(max(drawn.min(), _SMALLEST_SHARE) / 2, 2 * drawn.max())
    caption(
        ax,
        title="How far back the loss reaches: gradient of the memory (c of an LSTM, else h) by lag",
        x="lag (sessions before the loss)",
        y="gradient norm relative to its largest",
    )
    handles.append(key("before training", color=REFERENCE, linestyle="--", linewidth=1.2))
    handles.append(key("after training", color=REFERENCE, linewidth=2))
    legend_below(ax, handles)
    return ax


def _memory_gradients(telemetry: pd.DataFrame) -> pd.DataFrame:
    """Rows by lag of the state that carries the memory: c where there is one, else h."""
    kinds = telemetry["quantity"]
    cells = telemetry[(kinds == "cell_gradient_norm") & telemetry["value"].notna()]
    if cells.empty:
        return of_quantity(telemetry, "state_gradient_norm")
    states = telemetry[(kinds == "state_gradient_norm") & telemetry["value"].notna()]
    keys = ["model", "layer"]
    known = pd.MultiIndex.from_frame(cells[keys])
    return pd.concat([cells, states[~pd.MultiIndex.from_frame(states[keys]).isin(known)]])


def _draw_decay(
    ax: Axes, rows: pd.DataFrame, model: str, label: str, place: tuple[int, int]
) -> Artist:
    """Draw the first and the last measurement and return the legend entry."""
    index, count = place
    look = look_of(model) | {"linestyle": "-", "markersize": 5}
    first, last = (_profile(rows, epoch) for epoch in (rows["epoch"].min(), rows["epoch"].max()))
    if rows["epoch"].min() < rows["epoch"].max():
        ax.plot(first.index, first, color=shade(look["color"], 0.55), linestyle="--", linewidth=1.2)
    every = max(count, len(last) // 8)  # markers take turns where curves coincide
    start = index * every // count
    width = nested_width(index, count)
    ax.plot(last.index, last, linewidth=width, markevery=(start, every), zorder=3, **look)
    return key(label, **look)


def _describe_decay(rows: pd.DataFrame) -> str:
    """Say the decay per session and the memory as last measured, averaged over seeds."""

    def last(quantity: str) -> float:
        found = rows[rows["quantity"] == quantity]
        return float(found.loc[found["epoch"] == found["epoch"].max(), "value"].mean())

    rho, memory = last("gradient_decay"), last("memory_sessions")
    if not rho > 0:
        return ""
    said = "" if np.isnan(memory) else f", memory {memory:.1f} sessions"
    return f": ρ = {rho:.3f}" + (", does not decay" if np.isinf(memory) else said)


def _profile(rows: pd.DataFrame, epoch: float) -> pd.Series:
    """Return the norm over the largest, by lag, as last measured in an epoch."""
    rows = rows[rows["epoch"] == epoch]
    norm = rows[rows["step"] == rows["step"].max()].groupby("lag_sessions")["value"].mean()
    norm = norm[np.isfinite(norm) & (norm > 0)]
    return norm / norm.max()
