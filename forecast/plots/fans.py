"""Fan charts: the past, the distribution that was forecast, and what then happened."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure

from forecast.counts import counted
from forecast.plots.style import (
    OBSERVED,
    REFERENCE,
    caption,
    color_of,
    legend_below,
    new_axes,
    new_grid,
    plain,
    require,
    shade,
)

#: Central bands from the outside in (per cent of the probability) and how strongly they are drawn.
_BANDS = {98: 0.14, 90: 0.27, 80: 0.42, 50: 0.62}


def plot_fan(
    history: pd.DataFrame,
    forecast: pd.DataFrame,
    model: str,
    ax: Axes | None = None,
    unit: str = "USD, adjusted",
    sessions: int = 120,
) -> Axes:
    """Draw the past prices of one ticker and the forecast of one cutoff as nested bands.

    `history` has the columns ``ds, y``; what it has after the cutoff is left out, and of the
    rest the last `sessions` rows are drawn. `forecast` is a forecast frame of one unique_id and
    one cutoff; where its ``y`` is known it is drawn as what then happened. Prices are in `unit`.
    Raises ValueError for a frame without rows, columns or a forecast of `model`.
    """
    _check_frames(history, forecast, model)
    pairs = forecast[["unique_id", "cutoff"]].drop_duplicates()
    if len(pairs) != 1:
        raise ValueError(
            f"plot_fan draws one ticker and one cutoff; the forecast frame has {len(pairs)} pairs "
            "of unique_id and cutoff. Select one, or use plot_fans for several cutoffs."
        )
    ax = new_axes(ax)
    handles = _draw_fan(ax, history, forecast, model, sessions)
    day = f"{pairs['cutoff'].iloc[0]:%Y-%m-%d}"
    then = f"forecast of {day} and what then happened"
    if forecast["y"].isna().all():
        then = f"forecast for {counted(forecast['h'].max(), 'session')} after {day}"
    caption(
        ax,
        title=f"{plain(pairs['unique_id'].iloc[0])}: {plain(model)}, {then}",
        x="session",
        y=f"price ({plain(unit)})",
    )
    legend_below(ax, handles)
    return ax


def plot_fans(
    history: pd.DataFrame,
    forecasts: pd.DataFrame,
    model: str,
    count: int = 4,
    unit: str = "USD, adjusted",
    sessions: int = 60,
) -> Figure:
    """Draw the fans of one ticker at `count` past cutoffs, evenly spaced over those in the frame.

    Frames as in `plot_fan`, with several cutoffs; those without any known ``y`` or without a
    forecast of `model` are passed over. Raises ValueError when none is left.
    """
    _check_frames(history, forecasts, model)
    tickers = forecasts["unique_id"].unique()
    if len(tickers) != 1:
        raise ValueError(
            f"plot_fans draws one ticker; the forecast frame has {len(tickers)}. Select one."
        )
    known = forecasts.loc[forecasts["y"].notna() & forecasts[model].notna(), "cutoff"]
    cutoffs = np.sort(known.unique())
    if not len(cutoffs):
        raise ValueError("plot_fans shows what then happened; no row has a known y. Use plot_fan.")
    count = min(count, len(cutoffs))
    chosen = cutoffs[np.linspace(0, len(cutoffs) - 1, count).round().astype(int)]
    columns = min(2, count)
    rows = -(-count // columns)
    figure, grid = new_grid(rows, columns, row_height=2.5)
    panels = [ax for row in grid for ax in row]
    handles: dict[str, Artist] = {}
    for ax, cutoff in zip(panels, chosen, strict=False):
        one = forecasts[forecasts["cutoff"] == cutoff]
        drawn = _draw_fan(ax, history, one, model, sessions)
        handles |= {str(handle.get_label()): handle for handle in drawn}
        caption(ax, title=f"from {pd.Timestamp(cutoff):%Y-%m-%d}", x="session")
    for ax in panels[count:]:
        ax.remove()
    figure.suptitle(
        f"{plain(tickers[0])}: {plain(model)}, past forecasts and what then happened", fontsize=11
    )
    for row in grid:
        row[0].set_ylabel(f"price ({plain(unit)})", fontsize=9.5)
    legend_below(figure, list(handles.values()))
    return figure


def _check_frames(history: pd.DataFrame, forecast: pd.DataFrame, model: str) -> None:
    require(history, ["ds", "y"], "the history of a fan chart")
    require(forecast, ["unique_id", "cutoff", "ds", "h", "y", model], "a fan chart")
    if forecast[model].isna().all():
        raise ValueError(
            f"{model} has no forecast in this frame: every value is NaN (too little history?)"
        )


def _draw_fan(
    ax: Axes, history: pd.DataFrame, forecast: pd.DataFrame, model: str, sessions: int
) -> list[Artist]:
    """Draw one fan and return what belongs into the legend."""
    forecast = forecast.sort_values("ds")
    cutoff = forecast["cutoff"].iloc[0]
    past = history[history["ds"] <= cutoff].sort_values("ds").tail(sessions)
    handles: list[Artist] = []
    if len(past):
        handles += ax.plot(past["ds"], past["y"], color=OBSERVED, linewidth=1.2, label="history")
    start = past[past["ds"] == cutoff].dropna()
    handles += _draw_bands(ax, start, forecast, model)
    if forecast["y"].notna().any():
        handles += ax.plot(
            forecast["ds"],
            forecast["y"],
            color=OBSERVED,
            linewidth=1.0,
            marker="o",
            markersize=3,
            label="what then happened",
        )
    ax.axvline(cutoff, color=REFERENCE, linewidth=0.9, linestyle=":")
    if len(start):
        handles += ax.plot(
            start["ds"],
            start["y"],
            linestyle="",
            marker="D",
            markersize=5,
            color="white",
            markeredgecolor=OBSERVED,
            label="cutoff",
        )
    ax.margins(x=0.01)
    locator = AutoDateLocator(minticks=3, maxticks=7)
    ax.xaxis.set_major_locator(locator)
    # the year is in the title: an offset text below would push the panels apart
    ax.xaxis.set_major_formatter(ConciseDateFormatter(locator, show_offset=False))
    return handles


def _draw_bands(
    ax: Axes, start: pd.DataFrame, forecast: pd.DataFrame, model: str
) -> Iterator[Artist]:
    """Draw bands and median; the fan opens at the price that was known, if `start` has it."""
    dates = np.append(start["ds"].to_numpy(), forecast["ds"].to_numpy())

    def path(column: str) -> np.ndarray:
        return np.append(start["y"].to_numpy(), forecast[column].to_numpy(dtype=float))

    for width, strength in _BANDS.items():
        low, high = f"{model}-lo-{width}", f"{model}-hi-{width}"
        if low in forecast and high in forecast:
            color = shade(color_of(model), strength)
            named: dict[str, Any] = {"color": color, "linewidth": 0, "label": f"{width} % band"}
            yield ax.fill_between(dates, path(low), path(high), **named)
    look: dict[str, Any] = {"color": color_of(model), "linewidth": 1.8}
    look["marker"] = "." if len(forecast) < 8 else ""
    yield from ax.plot(dates, path(model), label="median", **look)
