"""Small callbacks of a training: what the first steps cost and gave, and what is shown."""

import time
from collections.abc import Callable, Mapping
from typing import Any, Self

import keras
import numpy as np
import pandas as pd

from forecast.telemetry import GradientTelemetry


class StepLog(keras.callbacks.Callback):
    """The losses of every epoch and of the first two steps, and the time they took."""

    def on_train_begin(self, logs: Any = None) -> None:
        """Start with nothing."""
        self.set_state({"first_losses": [], "epochs": [], "durations": [], "seconds": 0.0})

    def get_state(self) -> dict[str, Any]:
        """Return everything logged, and the seconds since the start."""
        return {
            "first_losses": self.first_losses,
            "epochs": self._epochs,
            "durations": self._durations,
            "seconds": self.seconds,
        }

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Go on from a state."""
        self.first_losses: list[float] = state["first_losses"]
        self._epochs: list[dict[str, float]] = state["epochs"]
        self._durations: list[float] = state["durations"]
        self.earlier: float = state["seconds"]
        self._start = time.perf_counter() - self.earlier

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Keep the losses and the seconds since the start, validation included."""
        self._epochs.append({"epoch": epoch + 1, **(logs or {}), "seconds": self.seconds})

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
    def seconds(self) -> float:
        """Seconds since the start; the time between a stop and the resuming is left out."""
        return time.perf_counter() - self._start

    @property
    def history(self) -> pd.DataFrame:
        """One row per epoch: ``epoch, loss, val_loss, seconds``."""
        return pd.DataFrame(self._epochs)

    @property
    def step_ms(self) -> float:
        """Median milliseconds of a training step, the first (which compiles) left out."""
        return 1000 * float(np.median(self._durations[1:] or self._durations))


class Patience(keras.callbacks.EarlyStopping):
    """Stops after `patience` epochs without a lower validation loss; keeps the best weights."""

    def __init__(self, patience: int) -> None:
        super().__init__("val_loss", patience=patience, restore_best_weights=True)

    def get_state(self) -> dict[str, Any]:
        """Return the best weights and how long ago they were."""
        weights = {f"weights {k}": each for k, each in enumerate(self.best_weights or [])}
        names = ("wait", "stopped_epoch", "best", "best_epoch")
        return {**weights, **{name: getattr(self, name) for name in names}}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Go on waiting."""
        weights = {k: value for k, value in state.items() if k.startswith("weights ")}
        self.best_weights = [weights[f"weights {k}"] for k in range(len(weights))] or None
        for name in set(state) - set(weights):
            setattr(self, name, state[name])


class ProgressReport(keras.callbacks.Callback):
    """Moves a bar at every step and says one line per epoch.

    Args:
        step: called after every step with the newest numbers in words.
        say: called after every epoch with its line.
        keep: called after every epoch with its figures by name.
    """

    def __init__(
        self,
        step: Callable[[str], None],
        say: Callable[[str], None],
        keep: Callable[[Mapping[str, float]], None] = lambda figures: None,
    ) -> None:
        super().__init__()
        self.step, self.say, self.keep = step, say, keep
        self._validation = "validation CRPS …"
        self.telemetry: GradientTelemetry | None = None  #: where the gradients' numbers come from

    def __sklearn_clone__(self) -> Self:
        return self  # clones of a forecaster report to the same terminal

    def skip(self, steps: int, epochs: int) -> None:
        """Move the bar over what was done before a stop."""
        for _ in range(steps * epochs):
            self.step("")
        self.say(f"  going on after epoch {epochs}, which was saved")

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Show loss, validation CRPS and gradient norm beside the bar."""
        words = f"loss {(logs or {})['loss']:.4f} · {self._validation}"
        if self.telemetry and "gradient_norm" in self.telemetry.headline:
            words += f" · ‖gradient‖ {self.telemetry.headline['gradient_norm']:.3f}"
        self.step(words)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Say the epoch's line."""
        logs = logs or {}
        self._validation = f"validation CRPS {logs['val_loss']:.4f}"
        figures = self.telemetry.headline if self.telemetry else {}
        self.keep({"epoch": epoch + 1, **logs, **figures})
        said = self.telemetry.describe() if self.telemetry else ""
        self.say(f"  epoch {epoch + 1:>3}  loss {logs['loss']:.4f}  {self._validation}  {said}")
        self._tell_news()

    def on_train_end(self, logs: Any = None) -> None:
        """Say what telemetry found in the weights that were kept."""
        self._tell_news()

    def _tell_news(self) -> None:
        for line in self.telemetry.news() if self.telemetry else []:
            self.say(f"  ! {line}")
