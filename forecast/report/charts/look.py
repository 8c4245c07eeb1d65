"""One look for every Bokeh figure: light axes, no frame, colours of the printed plots."""

from typing import Any

import numpy as np
from bokeh.models import DatetimeTickFormatter, HoverTool, Legend, LegendItem, NoOverlap, VArea
from bokeh.plotting import figure

from forecast.plots.inside import GATE_LOOKS
from forecast.plots.style import color_of, shade

#: Letters of a name that are shown; the whole name is in the tables.
_LONGEST = 40
_FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif"
TEXT, QUIET, GRID = "#3a3f47", "#6b727d", "#e4e7eb"

_DASHES = {"-": "solid", "--": [6, 3], "-.": [8, 3, 2, 3]}
#: Look of a gate's line, as in the printed figures; the candidate is none, but sticks as they do.
GATE_INKS: dict[str, dict[str, Any]] = {
    gate: {"color": look["color"], "line_dash": _DASHES[look["linestyle"]], "line_width": 2.2}
    for gate, look in GATE_LOOKS.items()
} | {"candidate": {"color": "#CC79A7", "line_dash": "dotted", "line_width": 2.2}}


def label(name: object) -> str:
    """Return a name as text that a chart draws as it stands: one line, no mathematics."""
    text = " ".join("".join(sign if sign.isprintable() else " " for sign in str(name)).split())
    text = text.replace("$", "＄")  # two of the real sign would begin a formula
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def ink_of(model: str) -> str:
    """Return the colour of a model, darkened until it stands out from white by 3 to 1 (WCAG)."""
    parts = [int(color_of(model)[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    while _luminance(parts) > 1.05 / 3 - 0.05:
        parts = [0.97 * part for part in parts]
    return "#" + "".join(f"{round(255 * part):02x}" for part in parts)


def _luminance(parts: list[float]) -> float:
    """Relative luminance of red, green and blue in 0 … 1, as WCAG defines it."""
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def nested_width(place: int, count: int) -> float:
    """Return line widths that fall from model to model: of equal curves both stay visible."""
    return 2.0 + 3.0 * (count - 1 - place) / (count - 1) if count > 1 else 2.0


def tint(color: str, strength: float) -> str:
    """Mix a colour with white and return it as ``#rrggbb``; `strength` 1 is the colour itself."""
    return "#" + "".join(f"{round(255 * part):02x}" for part in shade(color, strength))


def new_figure(height: int, x: str = "", y: str = "", **options: Any) -> figure:
    """Return an empty figure as wide as its place, with titled axes and a hidden toolbar.

    No tool is active at first, so that a finger on the chart scrolls the page.
    """
    options = {"tools": "xpan,box_zoom,reset,save", "toolbar_inner": True} | options
    chart = figure(
        height=height,
        sizing_mode="stretch_width",
        x_axis_label=x or None,
        y_axis_label=y or None,
        active_drag=None,
        active_scroll=None,
        background_fill_color=None,
        border_fill_color=None,
        outline_line_color=None,
        min_border_right=14,
        **options,
    )
    chart.toolbar.autohide = True
    chart.toolbar.logo = None
    chart.grid.grid_line_color = GRID
    chart.axis.axis_line_color = chart.axis.major_tick_line_color = "#9aa1ab"
    chart.axis.minor_tick_line_color = None
    chart.axis.major_label_policy = NoOverlap(min_distance=8)
    chart.axis.axis_label_text_font_style = "normal"
    chart.axis.axis_label_text_color = chart.axis.major_label_text_color = TEXT
    chart.axis.axis_label_text_font = chart.axis.major_label_text_font = _FONT
    chart.axis.axis_label_text_font_size = chart.axis.major_label_text_font_size = "12px"
    return chart


def date_axis(chart: figure) -> None:
    """Write dates so that each tick says its year where it matters."""
    chart.xaxis.formatter = DatetimeTickFormatter(
        days="%d %b", months="%b %Y", years="%Y", context=None
    )
    chart.xaxis.ticker.desired_num_ticks = 6


def legend_below(chart: figure, items: list[tuple[str, list[Any]]], columns: int = 0) -> None:
    """Put a legend under the chart; a click hides what it names."""
    legend = Legend(
        items=[LegendItem(label=label(name), renderers=glyphs) for name, glyphs in items],
        orientation="horizontal",
        click_policy="hide",
        border_line_color=None,
        background_fill_color=None,
        label_text_font=_FONT,
        label_text_font_size="12px",
        label_text_color=TEXT,
        ncols=columns or "auto",
        padding=2,
        spacing=12,
    )
    chart.add_layout(legend, "below")


def take_legend(chart: figure) -> list[dict[str, str]]:
    """Remove the legend of a chart and return its entries: ``name, color, style``.

    A page sets them as text, which wraps, is read aloud and can be searched. `style` is "area",
    "dashed" or "solid".
    """
    entries = []
    for legend in list(chart.legend):
        for item in legend.items:
            glyph = item.renderers[0].glyph
            area = isinstance(glyph, VArea)
            dashed = not area and getattr(glyph, "line_dash", []) not in ([], "solid")
            color = glyph.fill_color if area else glyph.line_color
            style = "area" if area else "dashed" if dashed else "solid"
            entries.append({"name": item.label.value, "color": color, "style": style})
        chart.below.remove(legend)
    return entries


def hover(chart: figure, lines: list[tuple[str, str]], glyphs: list[Any], **options: Any) -> None:
    """Show values under the pointer or the finger."""
    chart.add_tools(HoverTool(tooltips=lines, renderers=glyphs, **options))


def thin(count: int, most: int = 600) -> np.ndarray:
    """Return evenly spaced positions in 0 … count − 1, at most `most`, the ends included."""
    return np.unique(np.linspace(0, max(count - 1, 0), min(count, most)).round().astype(int))
