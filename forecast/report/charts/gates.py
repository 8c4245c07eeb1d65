"""The gates of a network under the price, session by session."""

from typing import Any, NamedTuple

import pandas as pd
from bokeh.layouts import column
from bokeh.models import ColumnDataSource
from bokeh.plotting import figure

from forecast.plots.inside import GATE_LOOKS
from forecast.plots.style import OBSERVED, require
from forecast.report.charts.look import GATE_INKS, date_axis, hover, legend_below, new_figure, tint


class Stack(NamedTuple):
    """Charts above each other as one layout, and the one that carries the legend."""

    layout: Any
    chart: figure


def price_and_gates(prices: pd.DataFrame, gates: pd.DataFrame, unit: str) -> Stack:
    """Draw the price and, under it, the mean gates before (pale) and after training.

    `prices` has ``ds, y``, `gates` has ``ds, when, gate, unit, value`` with `when` "untrained" or
    "trained". Raises ValueError for frames without rows or columns.
    """
    require(prices, ["ds", "y"], "price_and_gates")
    require(gates, ["ds", "when", "gate", "unit", "value"], "price_and_gates")
    means = gates.groupby(["gate", "when", "ds"])["value"].mean()
    days = means.index.unique("ds")
    price = new_figure(190, y=f"price ({unit})", x_axis_type="datetime", min_border_left=70)
    source = _source(prices[prices["ds"].isin(days)], "y")
    line = price.line("ds", "y", source=source, color=OBSERVED, line_width=1.6)
    hover(price, [("session", "@ds{%F}"), ("price", "@y{0,0.00}")], [line], formatters=_DAYS)
    below = new_figure(
        240, y="mean gate", x_axis_type="datetime", x_range=price.x_range, min_border_left=70
    )
    items = []
    for gate in GATE_LOOKS:
        lines = [
            _line(below, means[gate, when].reset_index(), gate, when)
            for when in ("untrained", "trained")
            if (gate, when) in means
        ]
        if lines:
            items.append((gate, lines[::-1]))
    legend_below(below, items)
    for chart in (price, below):
        date_axis(chart)
    return Stack(column(price, below, sizing_mode="stretch_width"), below)


_DAYS = {"@ds": "datetime"}


def _source(frame: pd.DataFrame, column: str) -> ColumnDataSource:
    return ColumnDataSource({name: frame[name].to_numpy() for name in ("ds", column)})


def _line(chart: figure, mean: pd.DataFrame, gate: str, when: str) -> Any:
    look = GATE_INKS[gate]
    if when == "untrained":
        look = look | {"color": tint(look["color"], 0.45), "line_width": 1.2}
    line = chart.line("ds", "value", source=_source(mean, "value"), **look)
    said = [("session", "@ds{%F}"), (f"{gate} gate, {when}", "@value{0.000}")]
    hover(chart, said, [line], formatters=_DAYS)
    return line
