"""How good the forecasts were: skill against each baseline, calibration."""

from typing import Any

import numpy as np
import pandas as pd
from bokeh.models import ColumnDataSource, FactorRange, Span
from bokeh.plotting import figure
from bokeh.transform import dodge

from forecast.plots.style import REFERENCE, names, require
from forecast.report.charts.look import hover, ink_of, label, legend_below, new_figure


def skill_chart(skill: pd.DataFrame, h: int) -> figure:
    """Draw the CRPS skill (%) of each model against each baseline, `h` sessions ahead.

    `skill` has the columns ``model, baseline, h, crps_skill, p_value, verdict, ci_low, ci_high``
    (shares). A filled point is "better" or "worse", a hollow one "not distinguishable". Raises
    ValueError when there is nothing to draw.
    """
    columns = ["model", "baseline", "h", "crps_skill", "p_value", "verdict", "ci_low", "ci_high"]
    require(skill, columns, "skill_chart")
    rows = skill[(skill["h"] == h) & np.isfinite(skill["crps_skill"])]
    require(rows, columns, f"skill_chart for h = {h}")
    models, baselines = names(rows["model"]), list(dict.fromkeys(rows["baseline"]))
    chart = new_figure(
        70 + 34 * len(baselines),
        x="CRPS skill (%)",
        y_range=FactorRange(factors=[label(name) for name in reversed(baselines)]),
        tools="",
        toolbar_location=None,
    )
    chart.ygrid.grid_line_color = None
    chart.add_layout(Span(location=0, dimension="height", line_color=REFERENCE))
    items = []
    for place, model in enumerate(models):
        shift = 0.22 * ((len(models) - 1) / 2 - place)
        items.append((model, _draw_skill(chart, rows[rows["model"] == model], model, shift)))
    legend_below(chart, items)
    return chart


def _draw_skill(chart: figure, rows: pd.DataFrame, model: str, shift: float) -> list[Any]:
    color = ink_of(model)
    told = rows["verdict"].isin(["better", "worse"])
    source = ColumnDataSource(
        {
            "baseline": [label(name) for name in rows["baseline"]],
            "skill": 100 * rows["crps_skill"],
            "low": 100 * rows["ci_low"],
            "high": 100 * rows["ci_high"],
            "p": rows["p_value"],
            "verdict": rows["verdict"].astype(str),
            "fill": np.where(told, color, "#ffffff"),
        }
    )
    y = dodge("baseline", shift, range=chart.y_range)
    bars = chart.hbar(y=y, left="low", right="high", height=0.03, color=color, source=source)
    points = chart.scatter(
        "skill", y, source=source, size=9, line_color=color, line_width=2, fill_color="fill"
    )
    lines = [
        ("against", "@baseline"),
        ("skill", "@skill{+0.00} % (@low{+0.00} to @high{+0.00})"),
        ("p", "@p{0.000}"),
        ("verdict", "@verdict"),
    ]
    hover(chart, [("model", label(model)), *lines], [points])
    return [bars, points]


def calibration_chart(calibration: pd.DataFrame, h: int, shown: list[str]) -> figure:
    """Draw how far the share of outcomes below each quantile is from its level, in points.

    `calibration` has the columns ``model, h, level, observed`` (shares). The models `shown` have
    their colours, the others are pale. Raises ValueError when there is nothing to draw.
    """
    columns = ["model", "h", "level", "observed"]
    require(calibration, columns, "calibration_chart")
    rows = calibration[(calibration["h"] == h) & np.isfinite(calibration["observed"])]
    require(rows, columns, f"calibration_chart for h = {h}")
    chart = new_figure(300, x="quantile level (%)", y="observed − level (points)", x_range=(0, 100))
    chart.add_layout(Span(location=0, dimension="width", line_color=REFERENCE))
    items: list[tuple[str, list[Any]]] = []
    others: list[Any] = []
    every = names(rows["model"])
    for model in [m for m in every if m not in shown] + [m for m in shown if m in every]:
        of = rows[rows["model"] == model].sort_values("level")
        level = 100 * of["level"]
        source = ColumnDataSource({"x": level, "y": 100 * of["observed"] - level})
        look: dict[str, Any] = {"color": "#c3c8cf", "line_width": 1.1}
        if model in shown:
            look = {"color": ink_of(model), "line_width": 2.2}
            if items:
                look["line_dash"] = [(6, 3), (2, 2), (8, 2, 2, 2)][(len(items) - 1) % 3]
        line = chart.line("x", "y", source=source, **look)
        lines = [("", label(model)), ("level", "@x %"), ("off by", "@y{+0.0} points")]
        hover(chart, lines, [line])
        if model in shown:
            items.append((model, [line]))
        else:
            others.append(line)
    if others:
        items.append(("the other models", others))
    legend_below(chart, items)
    return chart
