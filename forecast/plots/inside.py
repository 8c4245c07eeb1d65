"""Inside a network: gates beside the price, and which inputs a forecast is made of."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from forecast.plots.style import (
    OBSERVED,
    REFERENCE,
    caption,
    color_of,
    key,
    legend_beside,
    new_grid,
    plain,
    require,
    shade,
)

#: Colour and line of a gate, in every figure (Okabe & Ito 2008).
GATE_LOOKS: dict[str, dict[str, Any]] = {
    "forget": {"color": "#0072B2", "linestyle": "-", "linewidth": 2.2},
    "input": {"color": "#009E73", "linestyle": "-.", "linewidth": 1.6},
    "output": {"color": "#D55E00", "linestyle": "--", "linewidth": 1.6},
}
#: Shares of an attribution below this are rounding: nothing is drawn there.
SMALLEST_PERCENT = 1e-4
_KEPT: dict[str, Any] = {"marker": "D", "markersize": 6, "linestyle": ""}
#: One colour map for everything that is an amount: dark is little, light is much.
AMOUNTS = "cividis"


def plot_gates(
    prices: pd.DataFrame,
    gates: pd.DataFrame,
    title: str,
    unit: str = "USD, adjusted",
    low: pd.Timestamp | None = None,
) -> Figure:
    """Draw what the gates of an LSTM did session by session, under the price.

    `prices` has ``ds, y``, `gates` has ``ds, when, gate, unit, value`` with `when` "untrained" or
    "trained". From above: the price, with the session `low` marked; the forget gate of every unit,
    those that keep longest on top; the mean gates, pale before training. Raises ValueError for
    frames without rows or columns.
    """
    require(prices, ["ds", "y"], "plot_gates")
    require(gates, ["ds", "when", "gate", "unit", "value"], "plot_gates")
    trained = gates[gates["when"] == "trained"]
    days = pd.DatetimeIndex(np.sort(trained["ds"].unique()))
    figure, grid = new_grid(3, 1, row_height=2.15, sharex=True, height_ratios=[1, 1.15, 1])
    (price,), (units,), (means,) = grid
    line = prices.set_index("ds")["y"].reindex(days)
    price.plot(np.arange(len(days)), line, color=OBSERVED, linewidth=1.4)
    caption(price, title=title, y=f"price ({plain(unit)})")
    _draw_units(units, trained[trained["gate"] == "forget"], days)
    _draw_means(means, gates, days)
    if low is not None and low in days:
        for ax in (price, units, means):
            ax.axvline(int(days.searchsorted(low)), color=REFERENCE, linewidth=1, linestyle=":")
    _label_sessions(means, days)
    return figure


def _draw_units(ax: Axes, forget: pd.DataFrame, days: pd.DatetimeIndex) -> None:
    by_unit = forget.pivot_table(values="value", index="unit", columns="ds")[days]
    by_unit = by_unit.loc[by_unit.mean(axis=1).sort_values().index]
    values = by_unit.to_numpy()
    low, high = np.quantile(values, [0.01, 0.99])
    edges = np.arange(len(days) + 1) - 0.5
    mesh = ax.pcolormesh(
        edges, np.arange(len(values) + 1), values, cmap=AMOUNTS, vmin=low, vmax=high, zorder=2
    )
    ax.set_yticks(np.arange(len(values)) + 0.5, by_unit.index.astype(str), fontsize=7)
    if len(values) > 12:
        ax.set_yticks([])
    # an inset stays beside its axes, however wide the legend below is
    bar = ax.figure.colorbar(mesh, cax=ax.inset_axes((1.015, 0, 0.02, 1)))
    bar.set_label("forget gate", fontsize=9)
    bar.ax.tick_params(labelsize=8)
    caption(ax, title="Forget gate of every unit: light keeps, dark forgets", y="unit")


def _draw_means(ax: Axes, gates: pd.DataFrame, days: pd.DatetimeIndex) -> None:
    handles = []
    for gate, look in GATE_LOOKS.items():
        for when in ("untrained", "trained"):
            rows = gates[(gates["gate"] == gate) & (gates["when"] == when)]
            mean = rows.groupby("ds")["value"].mean().reindex(days)
            pale = {"color": shade(look["color"], 0.45), "linewidth": 1.0}
            ax.plot(np.arange(len(days)), mean, **(look if when == "trained" else look | pale))
        handles.append(key(gate, **look))
    handles.append(key("pale: untrained", color=shade(OBSERVED, 0.45), linewidth=1))
    caption(ax, title="Mean over the units: 1 lets everything through, 0 nothing", y="gate")
    legend_beside(ax, handles)


def _label_sessions(ax: Axes, days: pd.DatetimeIndex) -> None:
    """Write dates under sessions that stand side by side: no gaps where there was no trading."""
    ax.set_xlim(-0.5, len(days) - 0.5)
    ticks = MaxNLocator(7, integer=True).tick_values(0, len(days) - 1)
    places = [round(tick) for tick in ticks if 0 <= tick < len(days)]
    ax.set_xticks(places, [f"{days[place]:%Y-%m-%d}" for place in places], fontsize=8.5)
    ax.set_xlabel("session", fontsize=9.5)


def plot_attribution(attribution: pd.DataFrame, model: str, title: str) -> Figure:
    """Draw which inputs an output is made of: by feature and lag, and by lag alone.

    `attribution` has ``when, feature, lag_sessions, value``: mean absolute integrated gradients,
    `when` "untrained" or "trained". The map shows shares of all in per cent, its colours on the
    scale of the square root so that small ones stay visible; below it the shares by lag, pale
    before training; beside it the sum of every feature. Raises ValueError for a frame without rows
    or columns.
    """
    require(attribution, ["when", "feature", "lag_sessions", "value"], "plot_attribution")
    trained = attribution[attribution["when"] == "trained"]
    wide = trained.pivot_table(values="value", index="feature", columns="lag_sessions")
    share = 100 * wide / wide.to_numpy().sum()
    share = share.loc[share.sum(axis=1).sort_values().index]
    rows = 0.22 * len(share) + 0.9
    figure, grid = new_grid(
        2, 2, row_height=(rows + 1.6) / 2, width_ratios=[3.4, 1], height_ratios=[rows, 1.6]
    )
    (heat, total), (by_lag, corner) = grid
    corner.axis("off")
    lags = share.columns.to_numpy()
    edges = np.append(lags - 0.5, lags[-1] + 0.5)
    mesh = heat.pcolormesh(
        edges, np.arange(len(share) + 1), share.to_numpy(), cmap=AMOUNTS, norm=PowerNorm(0.5)
    )
    heat.grid(visible=False)
    heat.set_yticks(np.arange(len(share)) + 0.5, [plain(name) for name in share.index], fontsize=8)
    caption(heat, title=title)
    color = color_of(model)
    sums = share.sum(axis=1)
    total.barh(np.arange(len(sums)) + 0.5, sums, color=shade(color, 0.7), height=0.72)
    total.set_ylim(0, len(sums))
    total.set_yticks([])
    caption(total, title="all lags", x="share (%)")
    bar = figure.colorbar(
        mesh, cax=corner.inset_axes((0.05, 0.55, 0.9, 0.1)), orientation="horizontal"
    )
    bar.set_label("share of a cell of the map (%)", fontsize=9)
    bar.ax.tick_params(labelsize=8)
    _draw_by_lag(by_lag, attribution, color)
    for ax in (heat, by_lag):
        ax.set_xlim(edges[-1], edges[0])  # time runs to the right, as in a price chart
    return figure


def _draw_by_lag(ax: Axes, attribution: pd.DataFrame, color: str) -> None:
    handles = []
    looks: dict[str, dict[str, Any]] = {
        "untrained": {"color": shade(color, 0.45), "linestyle": "--", "linewidth": 1.2},
        "trained": {"color": color, "linewidth": 2},
    }
    for when, look in looks.items():
        rows = attribution[attribution["when"] == when]
        by_lag = rows.groupby("lag_sessions")["value"].sum()
        if by_lag.sum() > 0:
            percent = 100 * by_lag / by_lag.sum()
            ax.plot(by_lag.index, percent.where(percent > SMALLEST_PERCENT), **look)
            handles.append(key(when, **look))
    ax.set_yscale("log")
    ax.set_ylim(bottom=SMALLEST_PERCENT)
    caption(ax, title="all features", x="lag (sessions before the forecast)", y="share (%)")
    ax.legend(handles=handles, fontsize=8.5, frameon=False, loc="upper left")


def plot_memory(telemetry: pd.DataFrame) -> Figure:
    """Draw how memory and gates moved in training, one column per model.

    `telemetry` has the columns of the telemetry frame with ``model, seed``: memory in sessions by
    epoch (0 is before training), and the mean gates of models that show them; the weights that
    were kept are a mark of their own. Raises ValueError when there is neither.
    """
    columns = ["model", "seed", "epoch", "quantity", "gate", "value"]
    require(telemetry, columns, "plot_memory")
    models = [m for m in telemetry["model"].unique() if _epochs(telemetry, m, "memory_sessions")]
    if not models:
        raise ValueError("no memory_sessions in the telemetry: nothing to draw by epoch")
    figure, grid = new_grid(2, len(models), row_height=2.3, sharex="col", sharey="row")
    for k, model in enumerate(models):
        memory, gates = grid[0][k], grid[1][k]
        rows = telemetry[telemetry["model"] == model]
        of_memory = rows[rows["quantity"] == "memory_sessions"]
        place = place_of_kept(of_memory)
        for _, run in of_memory.groupby("seed"):
            _draw_epochs(memory, run, place, {"color": color_of(model)})
        caption(memory, title=plain(model), y="" if k else "memory (sessions)")
        means = rows[rows["quantity"] == "gate_mean"]
        for gate, look in GATE_LOOKS.items():
            _draw_epochs(gates, means[means["gate"] == gate], place, look)
        if means.empty:
            gates.text(0.5, 0.5, "shows no gates", transform=gates.transAxes, ha="center",
                       color=REFERENCE)  # fmt: skip
        caption(gates, x="epoch", y="" if k else "mean gate")
        ticks = MaxNLocator(4, integer=True).tick_values(0, place - 1)
        early = [round(tick) for tick in ticks if 0 <= tick < place - 0.5]
        gates.set_xticks([*early, place], [*map(str, early), "kept"], fontsize=8.5)
    figure.suptitle(
        "How far the gradient reaches back, and the gates, on validation windows\n(gates of our "
        "LSTM while it learns: on its training batches); kept: the weights of the best epoch",
        fontsize=10.5,
    )
    handles = [key(gate, **look) for gate, look in GATE_LOOKS.items()]
    handles.append(key("kept", **_KEPT, color=REFERENCE))
    legend_beside(grid[1][-1], handles)
    return figure


def kept_apart(rows: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Split rows of the telemetry frame: those while learning, and the last of every network.

    A training ends with a look at the weights of its best epoch; its number is one more than that
    of the last epoch, after which it comes.
    """
    seen = [column for column in ("model", "seed") if column in rows]
    last = rows.groupby(seen)["epoch"].transform("max") if seen else rows["epoch"].max()
    return rows[rows["epoch"] < last], rows[rows["epoch"] == last]


def place_of_kept(rows: pd.DataFrame) -> float:
    """Where on an axis of epochs the kept weights stand: beyond the last epoch, by some room."""
    return float(rows["epoch"].max() - 1 + max(1, rows["epoch"].max() / 8))


def _draw_epochs(ax: Axes, rows: pd.DataFrame, place: float, look: dict[str, Any]) -> None:
    """Draw the mean by epoch as a line, and the mean of the kept weights as a mark at `place`."""
    if rows.empty:
        return
    learning, kept = kept_apart(rows)
    by_epoch = learning.groupby("epoch")["value"].mean()
    ax.plot(by_epoch.index, by_epoch, marker="o", markersize=3.5, **look)
    ax.plot([place], [kept["value"].mean()], color=look["color"], **_KEPT)


def _epochs(telemetry: pd.DataFrame, model: str, quantity: str) -> int:
    rows = telemetry[(telemetry["model"] == model) & (telemetry["quantity"] == quantity)]
    return len(rows)
