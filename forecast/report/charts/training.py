"""What training looked like: losses, gradient norms, how far back the gradient reaches, gates."""

from typing import Any

import numpy as np
import pandas as pd
from bokeh.models import ColumnDataSource, FixedTicker, Range1d, Span
from bokeh.plotting import figure
from matplotlib.ticker import MaxNLocator

from forecast.plots.inside import kept_apart, place_of_kept
from forecast.plots.style import names, require
from forecast.report.charts.look import (
    GATE_INKS,
    hover,
    ink_of,
    legend_below,
    nested_width,
    new_figure,
    thin,
    tint,
)

#: A share of the gradient below float32's resolution changes nothing when it is added.
SMALLEST_SHARE = 1e-8
#: Colours of the weights of one model: its first twelve are drawn.
LAYERS = (
    *("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#332288", "#B07A00"),
    *("#882255", "#3A8FC2", "#6B4A1F", "#117733", "#AA4499", "#666666"),
)


def loss_chart(history: pd.DataFrame, start: float | None = None) -> figure:
    """Draw training (dashed) and validation loss by epoch; a dot at each network's best epoch.

    `history` has the columns ``model, seed, epoch, loss, val_loss`` (CRPS in volatilities). A
    loss of more than five times their median lies outside the picture. `start` is the validation
    loss of the EWMA-t, drawn as a dotted level. Raises ValueError for a frame without rows or
    columns.
    """
    require(history, ["model", "seed", "epoch", "loss", "val_loss"], "loss_chart")
    chart = new_figure(320, x="epoch", y="CRPS (volatilities)")
    shown = history[["loss", "val_loss"]].to_numpy(float).ravel()
    chart.y_range = _usual(shown if start is None else np.append(shown, start))
    items = []
    models = names(history["model"])
    for place, model in enumerate(models):
        color, width, glyphs = ink_of(model), nested_width(place, len(models)), []
        of = history[history["model"] == model].sort_values("epoch")
        for seed, rows in of.groupby("seed", dropna=False):
            source = ColumnDataSource(rows[["epoch", "loss", "val_loss"]].to_dict("list"))
            pale = tint(color, 0.6)
            look = {"color": pale, "line_dash": "dashed", "line_width": 0.7 * width}
            trained = chart.line("epoch", "loss", source=source, **look)
            line = chart.line("epoch", "val_loss", source=source, color=color, line_width=width)
            best = rows.nsmallest(1, "val_loss")
            dot = chart.scatter(best["epoch"], best["val_loss"], size=6 + 2 * width, color=color)
            said = [("", f"{model}, seed {seed}"), ("epoch", "@epoch")]
            said += [("training", "@loss{0.0000}"), ("validation", "@val_loss{0.0000}")]
            hover(chart, said, [line], mode="vline")
            glyphs += [line, dot, trained]
        items.append((model, glyphs))
    if start is not None:
        chart.add_layout(Span(location=start, dimension="width", line_dash="dotted"))
    legend_below(chart, items)
    return chart


def lag_chart(telemetry: pd.DataFrame, quantity: str) -> figure:
    """Draw ‖∂L/∂h‖ or ‖∂L/∂c‖ by lag, relative to lag 0, before and after training.

    `telemetry` has ``model, step, epoch, layer, quantity, lag_sessions, value`` with the quantity
    ``state_gradient_norm`` or ``cell_gradient_norm``; means over seeds. Raises ValueError when
    there is none.
    """
    measured = of_quantity(telemetry, quantity, ["epoch", "lag_sessions"])
    chart = new_figure(
        320, x="lag (sessions before the loss)", y="relative to lag 0", y_axis_type="log"
    )
    items, low = [], 1.0
    groups = measured.groupby(["model", "layer"], sort=False)
    for place, ((model, layer), rows) in enumerate(groups):
        color, glyphs = ink_of(str(model)), []
        width = nested_width(place, groups.ngroups)
        for epoch, dash in ((rows["epoch"].max(), "solid"), (rows["epoch"].min(), "dashed")):
            share = _profile(rows, epoch)
            low = min(low, share.min())
            source = ColumnDataSource({"lag": share.index.to_numpy(), "share": share.to_numpy()})
            ink = color if dash == "solid" else tint(color, 0.6)
            look = {"color": ink, "line_dash": dash, "line_width": width}
            line = chart.line("lag", "share", source=source, **look)
            when = "after training" if dash == "solid" else "before training"
            said = [("", f"{model} {layer}, {when}"), ("lag", "@lag sessions")]
            hover(chart, [*said, ("of lag 0", "@share{0.00e+0}")], [line])
            glyphs.append(line)
        items.append((str(model), glyphs))
    chart.y_range = Range1d(max(low, SMALLEST_SHARE) / 2, 3)
    legend_below(chart, items)
    return chart


def norm_chart(telemetry: pd.DataFrame, clip_norm: float | None = None) -> figure:
    """Draw the gradient norm of the whole network by step, before clipping (mean over seeds).

    `clip_norm` is the threshold of the clipping. Raises ValueError when there is no norm.
    """
    norms = of_quantity(telemetry, "global_norm", ["step"])
    chart = new_figure(300, x="optimizer step", y="L2 norm", y_axis_type="log")
    items = []
    groups = norms.groupby("model", sort=False)
    for place, (model, rows) in enumerate(groups):
        look = {"color": ink_of(str(model)), "line_width": nested_width(place, groups.ngroups)}
        items.append((str(model), _steps(chart, rows, look, str(model))))
    chart.y_range = Range1d(*_decades(norms["value"], clip_norm))
    if clip_norm is not None:
        chart.add_layout(Span(location=clip_norm, dimension="width", line_dash="dotted"))
    legend_below(chart, items)
    return chart


def layer_chart(telemetry: pd.DataFrame, model: str, quantity: str, y: str) -> figure:
    """Draw ``norm`` or ``update_ratio`` of every weight of one model by step.

    Raises ValueError when it was not measured.
    """
    rows = of_quantity(telemetry, quantity, ["step", "layer"])
    rows = rows[rows["model"] == model]
    require(rows, ["layer"], f"layer_chart for {model}")
    chart = new_figure(300, x="optimizer step", y=y, y_axis_type="log")
    # a bias that starts at zero changes by more than itself in its first steps
    chart.y_range = Range1d(*_decades(rows["value"]))
    items = []
    for layer, color in zip(dict.fromkeys(rows["layer"]), LAYERS, strict=False):
        look = {"color": color, "line_width": 2}
        of = rows[rows["layer"] == layer]
        items.append((str(layer), _steps(chart, of, look, str(layer), raw=False)))
    legend_below(chart, items)
    return chart


def gate_chart(telemetry: pd.DataFrame, quantity: str, y: str) -> figure:
    """Draw ``gate_mean`` or ``gate_saturation`` by epoch, mean over seeds, one line per gate.

    The weights that were kept are diamonds, apart from the epochs. Raises ValueError when no layer
    showed its gates.
    """
    rows = of_quantity(telemetry, quantity, ["epoch", "gate"])
    chart, place = new_figure(280, x="epoch", y=y), place_of_kept(rows)
    items = []
    for gate, look in GATE_INKS.items():
        of = rows[rows["gate"] == gate]
        if of.empty:
            continue
        learning, kept = kept_apart(of)
        by_epoch = learning.groupby("epoch")["value"].mean()
        source = ColumnDataSource({"x": by_epoch.index.to_numpy(), "y": by_epoch.to_numpy()})
        line = chart.line("x", "y", source=source, **look)
        hover(chart, [("", gate), ("epoch", "@x"), ("value", "@y{0.000}")], [line])
        mark = chart.scatter([place], [kept["value"].mean()], size=9, marker="diamond",
                             color=look["color"])  # fmt: skip
        hover(chart, [("", f"{gate}, weights that were kept"), ("value", "@y{0.000}")], [mark])
        items.append((gate, [line, mark]))
    _name_epochs(chart, place)
    legend_below(chart, items)
    return chart


def _name_epochs(chart: figure, place: float) -> None:
    """Number the epochs on the axis, and write "kept" where the kept weights stand."""
    ticks = MaxNLocator(8, integer=True).tick_values(0, place - 1)
    early = [round(tick) for tick in ticks if 0 <= tick < place - 0.5]
    chart.xaxis.ticker = FixedTicker(ticks=[*early, place])
    chart.xaxis.major_label_overrides = {place: "kept"}


def of_quantity(telemetry: pd.DataFrame, quantity: str, columns: list[str]) -> pd.DataFrame:
    """Return the finite values of one quantity; ValueError when there are none."""
    require(telemetry, ["model", "quantity", "value", *columns], quantity)
    rows = telemetry[(telemetry["quantity"] == quantity) & np.isfinite(telemetry["value"])]
    require(rows, ["value"], f"the chart of {quantity}")
    return rows


def _profile(rows: pd.DataFrame, epoch: float) -> pd.Series:
    rows = rows[rows["epoch"] == epoch]
    norm = rows[rows["step"] == rows["step"].max()].groupby("lag_sessions")["value"].mean()
    norm = norm[norm > 0]
    return norm / norm.iloc[0] if len(norm) and norm.index[0] == 0 else norm.iloc[:0]


def _steps(
    chart: figure, rows: pd.DataFrame, look: dict[str, Any], said: str, raw: bool = True
) -> list[Any]:
    """Draw values by step, mean over seeds: pale as measured, strong as a running mean."""
    by_step = rows[rows["value"] > 0].groupby("step")["value"].mean()
    mean = by_step.rolling(max(3, len(by_step) // 20), min_periods=1).mean()
    places = thin(len(by_step))
    source = ColumnDataSource(
        {
            "step": by_step.index.to_numpy()[places],
            "raw": by_step.to_numpy()[places],
            "mean": mean.to_numpy()[places],
        }
    )
    glyphs = []
    if raw:
        glyphs.append(chart.line("step", "raw", source=source, color=tint(look["color"], 0.4)))
    line = chart.line("step", "mean", source=source, **look)
    lines = [("", said), ("step", "@step"), ("running mean", "@mean{0.0000}")]
    hover(chart, lines, [line])
    return [line, *glyphs]


def _decades(values: pd.Series, level: float | None = None) -> tuple[float, float]:
    """Ends of a logarithmic axis, at most a factor of ten from nine in ten of the values.

    A `level` within a factor of 100 of these ends is on it, too.
    """
    positive = values[values > 0]
    low, high = positive.quantile([0.05, 0.95]) if len(positive) else (1e-3, 1.0)
    low, high = max(positive.min(), low / 10), min(positive.max(), high * 10)
    if level is not None and low / 100 < level < high * 100:
        low, high = min(low, level), max(high, level)
    return low / 1.5, high * 1.5


def _usual(values: np.ndarray) -> Range1d:
    """Range of the finite values up to five times their median."""
    values = values[np.isfinite(values)]
    if not len(values):
        return Range1d(0, 1)
    low, high = values.min(), values[values <= 5 * np.median(values)].max()
    room = 0.08 * max(high - low, 1e-9)
    return Range1d(low - room, high + room)
