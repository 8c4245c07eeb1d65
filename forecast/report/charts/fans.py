"""The fan chart: a past, the distribution that was forecast from it, and what then happened."""

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from bokeh.layouts import column
from bokeh.models import ColumnDataSource, Range1d, RangeTool, Span
from bokeh.plotting import figure

from forecast.plots.style import OBSERVED, REFERENCE, require
from forecast.report.charts.look import (
    QUIET,
    date_axis,
    hover,
    ink_of,
    legend_below,
    new_figure,
    tint,
)

#: Central bands from the outside in (per cent) and how strongly they are drawn.
BANDS = {98: 0.14, 90: 0.27, 80: 0.42, 50: 0.62}
#: Sessions before the cutoff that are shown at first.
SHOWN = 90


class Fan(NamedTuple):
    """The chart above its overview, and the chart alone.

    A page finds what it changes by name: the sources ``fan``, ``past``, ``later``, ``prices``, the
    ranges ``view`` and ``height``, the line ``cutoff``.
    """

    layout: Any
    chart: figure


def fan_columns(
    prices: pd.DataFrame, fan: pd.DataFrame, model: str, beside: str | None = None
) -> dict[str, Any]:
    """Columns of the chart's source for a forecast frame of one ticker and one cutoff.

    ``x`` are the dates, ``mid`` the median, ``lo98 … hi50`` the bands, ``lo, hi`` the 90 % band of
    `beside`, ``y`` what then happened (NaN where that is not known); the other columns are words.
    The fan opens at the price of the cutoff, where that is known.
    """
    fan = fan.sort_values("h")
    names = {"h": "h", "mid": model, "y": "y"}
    names |= {f"{s}{band}": f"{model}-{s}-{band}" for band in BANDS for s in ("lo", "hi")}
    names |= {side: f"{beside}-{side}-90" for side in ("lo", "hi")}
    columns = {key: fan[name].to_numpy(float) for key, name in names.items() if name in fan}
    now = prices.loc[prices["ds"] == fan["cutoff"].iloc[0], "y"].head(1).to_numpy(float)
    columns = {key: np.append(0 * now if key == "h" else now, of) for key, of in columns.items()}
    start = fan["cutoff"].iloc[:1] if len(now) else fan["cutoff"].iloc[:0]
    columns["x"] = pd.concat([start, fan["ds"]]).to_numpy()
    return columns | _said(columns)


def _said(columns: dict[str, Any]) -> dict[str, list[str]]:
    """What is shown under the pointer, in words."""

    def words(name: str) -> list[str]:
        return [f"{value:,.5g}" if np.isfinite(value) else "–" for value in columns[name]]

    def band(width: int) -> list[str]:
        ends = zip(words(f"lo{width}"), words(f"hi{width}"), strict=True)
        return [f"{low} to {high}" for low, high in ends]

    then = ["not known yet" if text == "–" else text for text in words("y")]
    return {"median": words("mid"), "band50": band(50), "band90": band(90), "then": then}


def fan_chart(
    prices: pd.DataFrame,
    fan: pd.DataFrame,
    model: str,
    beside: str | None = None,
    unit: str = "price",
) -> Fan:
    """Draw the forecast of one ticker from one cutoff, with an overview to move the view.

    `prices` has the columns ``ds, y``, before and after the cutoff; `fan` is a forecast frame of
    one ``unique_id`` and one ``cutoff`` with the bands of `model`. `beside` is a baseline whose
    90 % band is drawn dashed. Raises ValueError for a frame without rows or columns.
    """
    require(prices, ["ds", "y"], "fan_chart")
    bands = [f"{model}-{side}-{band}" for band in BANDS for side in ("lo", "hi")]
    require(fan, ["cutoff", "ds", "h", "y", model, *bands], "fan_chart")
    prices = prices.sort_values("ds")
    cutoff = pd.Timestamp(fan["cutoff"].iloc[0])
    sources = {
        "fan": ColumnDataSource(fan_columns(prices, fan, model, beside)),
        "past": _source(prices[prices["ds"] <= cutoff]),
        "later": _source(prices[prices["ds"] >= cutoff]),
        "prices": _source(prices),
    }
    first, last, low, high = _view(prices, fan, model)
    chart = new_figure(
        400,
        y=unit,
        x_axis_type="datetime",
        x_range=Range1d(first, last, name="view"),
        y_range=Range1d(low, high, name="height"),
        tools="xpan,xwheel_zoom,box_zoom,reset,save",
        toolbar_inner=False,
    )
    date_axis(chart)
    glyphs = _draw(chart, sources, model, beside)
    line = Span(location=cutoff, dimension="height", line_color=REFERENCE, line_dash="dotted")
    line.name = "cutoff"
    chart.add_layout(line)
    _hover(chart, glyphs)
    shown = {"price": "past", "median": "mid"} | {f"{band} % band": str(band) for band in BANDS}
    items = [(name, glyphs[key]) for name, key in shown.items()]
    if beside:
        items.append((f"90 % band of {beside}", glyphs["beside"]))
    legend_below(chart, items)
    for name, source in sources.items():
        source.name = name
    overview = _overview(chart, sources["prices"])
    return Fan(column(chart, overview, sizing_mode="stretch_width", spacing=0), chart)


def _source(prices: pd.DataFrame) -> ColumnDataSource:
    return ColumnDataSource({"x": prices["ds"].to_numpy(), "y": prices["y"].to_numpy(float)})


def _view(prices: pd.DataFrame, fan: pd.DataFrame, model: str) -> tuple[Any, Any, float, float]:
    """First and last date and lowest and highest price that are shown at first."""
    before = prices[prices["ds"] <= fan["cutoff"].iloc[0]].tail(SHOWN)
    first = before["ds"].iloc[0] if len(before) else fan["cutoff"].iloc[0]
    widest = [f"{model}-lo-98", f"{model}-hi-98"]
    seen = np.concatenate([before["y"].to_numpy(float), fan[widest].to_numpy(float).ravel()])
    room = 0.05 * np.ptp(seen)
    return first, fan["ds"].max() + pd.Timedelta(days=4), seen.min() - room, seen.max() + room


def _draw(
    chart: figure, sources: dict[str, ColumnDataSource], model: str, beside: str | None
) -> dict[str, list[Any]]:
    """Draw bands, prices and lines from the bottom up; return the glyphs by name."""
    fan, ink = sources["fan"], ink_of(model)
    glyphs: dict[str, list[Any]] = {}
    for band, strength in BANDS.items():
        shade = tint(ink, strength)
        area = chart.varea(x="x", y1=f"lo{band}", y2=f"hi{band}", source=fan, fill_color=shade)
        glyphs[str(band)] = [area]
    if beside:
        look = {"color": ink_of(beside), "line_dash": "dashed", "line_width": 1.4}
        glyphs["beside"] = [chart.line("x", side, source=fan, **look) for side in ("lo", "hi")]
    for name in ("past", "later"):
        line = chart.line("x", "y", source=sources[name], color=OBSERVED, line_width=1.4)
        glyphs[name] = [line]
    glyphs["mid"] = [chart.line("x", "mid", source=fan, color=ink, line_width=2)]
    chart.scatter("x", "y", source=fan, color=OBSERVED, size=4)
    return glyphs


def _hover(chart: figure, glyphs: dict[str, list[Any]]) -> None:
    forecast = [
        ("session", "@x{%F}, @h ahead"),
        ("median", "@median"),
        ("50 % band", "@band50"),
        ("90 % band", "@band90"),
        ("then", "@then"),
    ]
    options = {"formatters": {"@x": "datetime"}, "mode": "vline"}
    hover(chart, forecast, glyphs["mid"], attachment="left", **options)
    price = [("session", "@x{%F}"), ("price", "@y{0,0.00[0000]}")]
    hover(chart, price, glyphs["past"], **options)


def _overview(chart: figure, past: ColumnDataSource) -> figure:
    """A small chart of all prices whose frame is the part shown above."""
    small = new_figure(84, x_axis_type="datetime", tools="", toolbar_location=None)
    small.line("x", "y", source=past, color=QUIET)
    small.yaxis.visible = False
    small.ygrid.grid_line_color = None
    date_axis(small)
    tool = RangeTool(x_range=chart.x_range)
    tool.overlay.fill_color = QUIET
    tool.overlay.fill_alpha = 0.18
    tool.overlay.line_color = QUIET
    small.add_tools(tool)
    return small
