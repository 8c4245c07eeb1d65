"""How the networks learned, and what their gradients and gates did."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from forecast.report.charts import training as charts
from forecast.report.parts import Picture, Table, Text
from forecast.report.reading import RunFolder
from forecast.report.words import each, listed, number

_TELEMETRY = ["model", "step", "epoch", "layer", "quantity", "gate", "lag_sessions", "value"]

#: What is drawn of the gates, where it was measured: title and axis.
_GATES = {
    "gate_mean": ("mean", "mean"),
    "gate_saturation": ("saturated", "share of values"),
    "gate_shut": ("shut (below 0.1)", "share of values"),
    "gate_open": ("open (above 0.9)", "share of values"),
}
#: The states a gradient comes back along: the cell of an LSTM is its carousel.
_STATES = {
    "cell_gradient_norm": "∂L/∂c: cell of an LSTM, which carries its memory",
    "state_gradient_norm": "∂L/∂h: hidden state, all the memory of the others",
}
_MOST_ALERTS = 40


def losses(run: RunFolder) -> Iterator[Any]:
    """Loss curves."""
    history = run.frame("history.csv", ["model", "seed", "epoch", "loss", "val_loss"])
    best = history.loc[history.groupby(["model", "seed"])["val_loss"].idxmin()]
    said = "; ".join(
        f"{row['model']} seed {row['seed']}: {number(row['val_loss'], '.4f')} in epoch "
        f"{row['epoch']}"
        for row in best.head(8).to_dict("records")
    )
    yield Picture(
        "loss",
        "Loss by epoch",
        "Dashed is the loss on what was trained on, solid that on validation; where solid rises "
        "while dashed falls, the network learns by heart, and the dot is what was kept. Dotted is "
        "the EWMA-t, from which an untrained network starts.",
        f"Training and validation loss by epoch. Best validation CRPS: {said}.",
        [("", charts.loss_chart(history, _start(run)))],
    )


def _start(run: RunFolder) -> float | None:
    """Validation loss of the EWMA-t; None in the folders of runs that do not tell it."""
    models = run.json("metrics.json").get("models", {})
    known = (of.get("ewma_t_validation_crps") for of in models.values())
    return next((value for value in known if isinstance(value, float)), None)


def costs(run: RunFolder) -> Iterator[Any]:
    """Parameters and times of each network."""
    models = run.json("metrics.json").get("models", {})
    rows = [
        (
            name,
            number(of.get("params"), ","),
            number(of.get("seeds"), ","),
            number(of.get("step_ms"), ".1f"),
            number(of.get("fit_seconds"), ".1f"),
            number(of.get("validation_crps"), ".4f"),
        )
        for name, of in models.items()
        if "params" in of
    ]
    header = ("network", "parameters", "seeds", "ms per step", "seconds", "validation CRPS")
    yield Table("Cost and best validation loss, means over the seeds", header, rows)


def lags(run: RunFolder) -> Iterator[Any]:
    """How far back the gradient reaches."""
    telemetry = run.frame("telemetry.parquet", _TELEMETRY)
    said = each(_last(telemetry, "memory_sessions"), ".1f")
    yield Picture(
        "lags",
        "How far back the loss reaches",
        "The size of the gradient at each past session, pale and dashed before training: the "
        "steeper it falls, the shorter the memory; a level line would mean that distant sessions "
        "teach as much as recent ones. An LSTM remembers by its cell c: a fall of h alone is none "
        "of its memory.",
        f"Gradient at the states by lag, before and after training. Memory horizon after training, "
        f"in sessions: {said}.",
        [
            (title, charts.lag_chart(telemetry, quantity))
            for quantity, title in _STATES.items()
            if (telemetry["quantity"] == quantity).any()
        ],
    )
    lookback = run.setting("lookback") or "unknown"
    yield Text(
        [
            "Sessions after which the gradient has fallen by a factor e, in the networks that were "
            f"kept: {said}. Their lookback: {lookback}."
        ]
    )


def norms(run: RunFolder) -> Iterator[Any]:
    """Gradient of the whole network by step."""
    telemetry = run.frame("telemetry.parquet", _TELEMETRY)
    clip = run.setting("clip_norm")
    clipped = each(_last(telemetry, "clipped_share", every=True), ".0f", 100, " %")
    yield Picture(
        "norms",
        "Gradient of the whole network",
        "Before clipping: steps above the dotted line were clipped to it; peaks are batches that "
        "would have thrown the network off.",
        f"Global gradient norm by optimizer step. Steps that were clipped: {clipped}.",
        [("", charts.norm_chart(telemetry, clip if isinstance(clip, int | float) else None))],
    )


def layers(run: RunFolder) -> Iterator[Any]:
    """Gradient and update of every weight."""
    telemetry, model = run.frame("telemetry.parquet", _TELEMETRY), run.model
    for name, quantity, title, y, how in (
        ("layers", "norm", "Gradient by weight", "L2 norm",
         "A weight whose line lies far below the others hardly learns; one far above drives the "
         "whole network."),
        ("updates", "update_ratio", "Size of an update by weight", "‖Δw‖ / ‖w‖",
         "The change of a step over the size of the weight: about 0.001 is usual, 0.1 destroys, "
         "0.000001 stands still."),
    ):  # fmt: skip
        chart = charts.layer_chart(telemetry, model, quantity, y)
        alt = f"{title} of {model} by optimizer step, one line per weight."
        yield Picture(name, f"{title}, {model}", how, alt, [("", chart)])


def gates(run: RunFolder) -> Iterator[Any]:
    """Means and saturation of the gates."""
    telemetry = run.frame("telemetry.parquet", _TELEMETRY)
    shown = telemetry[telemetry["quantity"] == "gate_mean"]
    if shown.empty:
        return
    models = [str(model) for model in shown["model"].unique()]
    model = run.model if run.model in models else models[0]
    telemetry, shown = (rows[rows["model"] == model] for rows in (telemetry, shown))
    last = shown[shown["epoch"] == shown["epoch"].max()].groupby("gate")["value"].mean()
    yield Picture(
        "gates",
        f"Gates of {model}",
        "How far each gate is open on average: a forget gate of 0.75 keeps three quarters of the "
        "cell from one session to the next; and the share of gate values so near shut or open that "
        "they can hardly change. Measured on validation windows, of our LSTM while it learns on "
        "its training batches; the diamonds are the network that was kept.",
        f"Mean and saturation of the gates of {model} by epoch. Means in the end: "
        f"{each(last, '.2f')}.",
        [
            (title, charts.gate_chart(telemetry, quantity, y))
            for quantity, (title, y) in _GATES.items()
            if (telemetry["quantity"] == quantity).any()
        ],
    )


def alerts(run: RunFolder) -> Iterator[Any]:
    """What looked wrong while the networks trained, in the words of the alerts."""
    found: dict[str, list[str]] = {}
    for name, of in run.json("metrics.json").get("models", {}).items():
        for alert in of.get("alerts", []):
            network = f"{name} seed {alert['seed']}" if of.get("seeds", 1) > 1 else str(name)
            line = f"{alert['kind']}, epoch {alert['epoch']}: {alert['text']}."
            found.setdefault(line, []).append(network)
    if found:
        lines = [f"{listed(names)}: {line}" for line, names in found.items()]
        # a single line would be set as a paragraph
        yield Text(["What looked wrong:", *lines[:_MOST_ALERTS]], "Alerts while training")


def _last(telemetry: pd.DataFrame, quantity: str, every: bool = False) -> pd.Series:
    """Mean by model of a quantity, over the last epoch or over all."""
    rows = telemetry[(telemetry["quantity"] == quantity) & np.isfinite(telemetry["value"])]
    if not every:
        rows = rows[rows["epoch"] == rows.groupby("model")["epoch"].transform("max")]
    return rows.groupby("model", sort=False)["value"].mean()
