"""Scores by year, by regime and by ticker."""

from typing import Any

import numpy as np
import pandas as pd
from bokeh.models import ColumnDataSource, DataRange1d, FactorRange
from bokeh.plotting import figure
from bokeh.transform import dodge

from forecast.plots.style import require
from forecast.report.charts.look import hover, ink_of, label, legend_below, new_figure


def group_chart(scores: pd.DataFrame, by: str, h: int, models: list[str], unit: float) -> figure:
    """Draw the CRPS of `models` in every group, `h` sessions ahead, side by side.

    `scores` has the columns ``by, group, model, h, crps, origins``; `by` is "year", "regime" or
    "ticker", and CRPS is shown times `unit`. Raises ValueError when there is nothing to draw.
    """
    columns = ["by", "group", "model", "h", "crps", "origins"]
    require(scores, columns, "group_chart")
    rows = scores[(scores["by"] == by) & (scores["h"] == h) & scores["model"].isin(models)]
    require(rows[np.isfinite(rows["crps"])], columns, f"group_chart by {by} for h = {h}")
    groups = [label(group) for group in dict.fromkeys(rows["group"].astype(str))]
    chart = new_figure(
        260,
        y="CRPS (1e-4 log return)" if unit != 1 else "CRPS",
        x_range=FactorRange(factors=groups),
        y_range=DataRange1d(range_padding=0.25),
        tools="",
        toolbar_location=None,
    )
    chart.xgrid.grid_line_color = None
    chart.xaxis.major_label_orientation = 0.8 if len(groups) > 6 else 0.0
    items: list[tuple[str, list[Any]]] = []
    for place, model in enumerate(models):
        of = rows[rows["model"] == model]
        source = ColumnDataSource(
            {
                "group": [label(group) for group in of["group"].astype(str)],
                "crps": of["crps"].to_numpy(float) * unit,
                "origins": of["origins"],
            }
        )
        shift = dodge("group", 0.16 * (place - (len(models) - 1) / 2), range=chart.x_range)
        look = {"color": ink_of(model), "marker": ("circle", "square", "triangle")[place % 3]}
        points = chart.scatter(shift, "crps", source=source, size=9, **look)
        said = [("", label(model)), (by, "@group"), ("CRPS", "@crps{0.00}")]
        hover(chart, [*said, ("forecasts", "@origins{0,0}")], [points])
        items.append((model, [points]))
    legend_below(chart, items)
    return chart
