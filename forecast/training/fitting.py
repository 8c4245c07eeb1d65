"""Training one network: what Keras's `fit` is given, and how it goes on from a checkpoint."""

from pathlib import Path
from typing import Any, NamedTuple

import keras

from forecast.models.covering import FORECAST_BATCH
from forecast.settings import Settings
from forecast.telemetry import GradientTelemetry
from forecast.telemetry.log import TelemetryLog
from forecast.training.batches import FIRST_EPOCH, TrainingBatches, ValidationBatches, prior_crps
from forecast.training.callbacks import Patience, ProgressReport, StepLog
from forecast.training.checkpoint import Checkpoint
from forecast.training.diverging import FiniteGuard
from forecast.training.preparing import TrainingData, make_probe


class Fitted(NamedTuple):
    """What a training has logged, what it measured inside (None when that is off), its prior."""

    log: StepLog
    telemetry: TelemetryLog | None
    prior_crps: float


def fit_network(
    network: keras.Model,
    settings: Settings,
    data: TrainingData,
    seed: int,
    report: ProgressReport | None,
    saved: tuple[Path, str] | None,
) -> Fitted:
    """Train a network, or what the checkpoints leave of it; `saved` is their folder and key.

    Raises InputError for checkpoints of another training.
    """
    batches = TrainingBatches(
        data.windows, data.train, settings.batch_size, settings.steps_per_epoch, seed
    )
    held_out = ValidationBatches(data.windows, data.validation, FORECAST_BATCH)
    log, telemetry = StepLog(), _telemetry(settings, data)
    parts: dict[str, Any] = {"log": log, "patience": Patience(settings.patience)}
    if telemetry:  # after these: it looks at the restored weights
        parts["telemetry"] = telemetry
    callbacks = [FiniteGuard(batches), *parts.values()]
    if report:
        report.telemetry = telemetry
        callbacks.append(report)
    done, epochs = 0, settings.epochs
    if saved:
        checkpoint = Checkpoint(*saved, parts, report.say if report else print)
        callbacks.append(checkpoint)
        done, epochs = _going_on(checkpoint, settings, report)
    batches.epoch = FIRST_EPOCH + done
    try:
        network.fit(
            batches,
            steps_per_epoch=batches.steps,
            validation_data=held_out,
            initial_epoch=done,
            epochs=epochs,
            callbacks=callbacks,
            shuffle=False,
            verbose=0,
        )
    finally:
        if telemetry:
            telemetry.close()
    prior = prior_crps(held_out)
    for drawn_from in (batches, held_out):  # TensorFlow keeps them while the process lives
        drawn_from.__dict__.clear()  # but not the windows, which are large
    return Fitted(log, telemetry.log if telemetry else None, prior)


def _going_on(
    checkpoint: Checkpoint, settings: Settings, report: ProgressReport | None
) -> tuple[int, int]:
    """Epochs that were done before, and the number of the last one; the bar moves over them."""
    done = checkpoint.epochs_done
    if done and report:
        report.skip(settings.steps_per_epoch, done)
    return done, done if checkpoint.finished else settings.epochs


def _telemetry(settings: Settings, data: TrainingData) -> GradientTelemetry | None:
    preset, every = settings.telemetry, settings.telemetry_every
    if preset == "off":
        return None
    return GradientTelemetry(preset, every, make_probe(data.windows, data.validation), say=None)
