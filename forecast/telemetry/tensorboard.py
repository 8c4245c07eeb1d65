"""Telemetry as TensorBoard scalars."""

from pathlib import Path

import pandas as pd
import tensorflow as tf


def write_logs(folder: Path, telemetry: pd.DataFrame, history: pd.DataFrame) -> None:
    """Write one TensorBoard log per model and seed: losses by epoch, telemetry by step.

    `telemetry` has the columns of the telemetry frame, `history` ``epoch, loss, val_loss``; both
    have ``model, seed`` beside them. What is measured by lag becomes a histogram of the norms.
    """
    for (model, seed), rows in telemetry.groupby(["model", "seed"]):
        with tf.summary.create_file_writer(str(folder / f"{model}-seed{seed}")).as_default():
            scalars = rows[rows["lag_sessions"].isna()]
            for row in scalars.itertuples(index=False):
                parts = (str(row.quantity), str(row.layer), str(row.gate))
                tf.summary.scalar("/".join(part for part in parts if part), row.value, row.step)
            by_lag = rows[rows["lag_sessions"].notna()]
            for (quantity, layer, step), group in by_lag.groupby(["quantity", "layer", "step"]):
                tf.summary.histogram(f"{quantity}/{layer}", group["value"].to_numpy(), step)
            epochs = history[(history["model"] == model) & (history["seed"] == seed)]
            for row in epochs.itertuples(index=False):
                tf.summary.scalar("epoch/loss", row.loss, row.epoch)
                tf.summary.scalar("epoch/validation_crps", row.val_loss, row.epoch)
