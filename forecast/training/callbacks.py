"""Small callbacks of a training: what the first steps cost and gave, and what is shown."""

import time
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from forecast.telemetry import GradientTelemetry


class StepLog(keras.callbacks.Callback):
    """The losses of the first two steps, the time of a step and when each epoch was done."""

    def on_train_begin(self, logs: Any = None) -> None:
        """Start with nothing."""
        self.first_losses: list[float] = []
        self.seconds: list[float] = []
        self._durations: list[float] = []
        self._start = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Keep the seconds since the start, validation included."""
        self.seconds.append(time.perf_counter() - self._start)

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Take the time."""
        self._begin = time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Keras reports the mean over the epoch so far: turn it back into this step's loss."""
        self._durations.append(time.perf_counter() - self._begin)
        if len(self.first_losses) < 2 and logs:
            mean, done = float(logs["loss"]), len(self.first_losses)
            self.first_losses.append(mean * (done + 1) - sum(self.first_losses))

    @property
    def step_ms(self) -> float:
        """Median milliseconds of a training step, the first (which compiles) left out."""
        return 1000 * float(np.median(self._durations[1:] or self._durations))


class ProgressReport(keras.callbacks.Callback):
    """Moves a bar at every step and says one line per epoch.

    Args:
        step: called after every step with the newest numbers in words.
        say: called after every epoch with its line.
    """

    def __init__(self, step: Callable[[str], None], say: Callable[[str], None]) -> None:
        super().__init__()
        self.step, self.say = step, say
        self._validation = "validation CRPS …"

    def set_telemetry(self, telemetry: GradientTelemetry) -> None:
        """Take the gradient numbers from here."""
        self._telemetry = telemetry

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Show loss, validation CRPS and gradient norm beside the bar."""
        norm = self._telemetry.headline.get("gradient_norm", float("nan"))
        self.step(f"loss {(logs or {})['loss']:.4f} · {self._validation} · ‖gradient‖ {norm:.3f}")

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Say the epoch's line."""
        logs = logs or {}
        self._validation = f"validation CRPS {logs['val_loss']:.4f}"
        self.say(
            f"  epoch {epoch + 1:>3}  loss {logs['loss']:.4f}  {self._validation}  "
            + self._telemetry.describe()
        )
