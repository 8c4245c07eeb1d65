"""Telemetry as TensorBoard scalars and histograms."""

from pathlib import Path
from typing import Any

import pandas as pd
import tensorflow as tf


def write_logs(folder: Path, telemetry: pd.DataFrame | None, history: pd.DataFrame) -> None:
    """Write one TensorBoard log per model and seed: losses by epoch, telemetry by step.

    `telemetry` has the columns of the telemetry frame, `history` ``epoch, loss, val_loss``; both
    have ``model, seed`` beside them. What is measured by lag becomes a histogram of the norms.
    """
    for (model, seed), epochs in history.groupby(["model", "seed"]):
        with tf.summary.create_file_writer(str(folder / f"{model}-seed{seed}")).as_default():
            if telemetry is not None:
                write_rows(telemetry[(telemetry["model"] == model) & (telemetry["seed"] == seed)])
            for row in epochs.itertuples(index=False):
                tf.summary.scalar("epoch/loss", row.loss, row.epoch)
                tf.summary.scalar("epoch/validation_crps", row.val_loss, row.epoch)


def write_rows(telemetry: pd.DataFrame) -> None:
    """Write rows of a telemetry frame to the TensorBoard writer that is the default one."""
    curve = telemetry["lag_sessions"].notna() & ~telemetry["quantity"].str.startswith("alert")
    for row in telemetry[~curve].itertuples(index=False):
        tf.summary.scalar(_tag(row.quantity, row.layer, row.gate), row.value, row.step)
    keys = ["quantity", "layer", "gate", "step"]
    for (quantity, layer, gate, step), group in telemetry[curve].groupby(keys):
        tf.summary.histogram(_tag(quantity, layer, gate), group["value"].to_numpy(), step)


def _tag(*parts: Any) -> str:
    return "/".join(str(part).replace(": ", "/") for part in parts if part)
