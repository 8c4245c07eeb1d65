"""GradientTelemetry: a Keras callback that reports what happens inside while a model learns."""

from collections.abc import Callable, Mapping
from typing import Any

import keras
import pandas as pd

from forecast.telemetry.catch import BatchCatcher
from forecast.telemetry.lags import GradientByLag, Noise, When
from forecast.telemetry.log import Alert, TelemetryLog
from forecast.telemetry.probe import Probe
from forecast.telemetry.schedules import PRESETS, PresetName
from forecast.telemetry.steps import StepGates, StepNorms
from forecast.telemetry.structure import recurrent_layers

#: Rows of a caught batch on which gradients are followed back by lag.
PROBE_ROWS = 32


class GradientTelemetry(keras.callbacks.Callback):
    """Reports in `fit` what the gradients do inside any Keras model with recurrent layers.

        model.fit(x, y, callbacks=[GradientTelemetry()])

    prints one line per epoch, and in words, once, what looks wrong: a gradient that vanishes or
    explodes, gates that are stuck, spikes, updates that are too large, a threshold that clips
    everything. It works for our LSTM, for Keras's LSTM, GRU and SimpleRNN, for several layers and
    inside Bidirectional and nested models. It changes no weight, and what it cannot measure it
    names once in `left_out` and leaves be: it never stops a training.

    Args:
        preset: how much is measured at which cost: "economy" the norms of gradients, weights and
            updates, and the gradient by lag before and after training; "standard" also the gates
            of our LSTM on the training batches, and the gradient by lag after epochs 1, 4, 16 …;
            "full" everything at every step and epoch, with the gradient noise scale.
        every: steps between two measurements inside the training step (default: the preset's 50,
            20, 1). The global norm, spikes and clipping are followed at every step all the same.
        probe: the batch on which the gradient is followed back by lag; default: the first rows of
            the first training batch. Where a model predicts at every step the loss of the last
            one alone is taken, so that a lag is a number of sessions before the loss.
        say: is called with every line; None keeps silent.

    Reading it: `frame` holds all values (`COLUMNS`), `alerts` what was found, `headline` the
    newest figures, and `describe` them in words.

    ============================  ===============================================================
    ``global_norm``, ``norm``     gradient before clipping; of each weight
    ``update_ratio``              ‖Δw‖/‖w‖ of each weight; about 1e-3 is usual
    ``clipped_share``             share of the epoch's steps that were clipped
    ``state_gradient_norm``       ‖∂L/∂h_t‖ by lag; ``cell_gradient_norm`` ‖∂L/∂c_t‖ of an LSTM
    ``gradient_decay``            factor ρ per session, fitted (of c for an LSTM, else of h)
    ``memory_sessions``           lag where that gradient has fallen to 1/e
    ``pascanu_omega``             0 where the norm of the gradient is kept from step to step
    ``gate_mean``, ``gate_shut``  mean of a gate; share of its values below 0.1
    ``gate_saturation``           share below 0.1 or above 0.9, where a gate hardly learns
    ``gate_gradient_norm``        gradient at a gate's pre-activations
    ``carousel_share``            share of ∂L/∂c that came along the cell, not through gates
    ``forget_time_scale``         1/(1 − f) in sessions, median over the units; ``longest_…``
    ``cell_rms``, ``cell_drift``  cell state at the window's end; over that at half of it
    ``noise_scale``               gradient noise scale in rows of a batch
    ``alert: …``                  an alert, with the value that caused it
    ============================  ===============================================================

    How each is computed, and which failure it reveals: `forecast.telemetry.quantities`.
    """

    def __init__(
        self,
        preset: PresetName = "standard",
        every: int | None = None,
        probe: Probe | None = None,
        say: Callable[[str], None] | None = print,
    ) -> None:
        super().__init__()
        if preset not in PRESETS or (every is not None and every < 1):
            raise ValueError(
                f"GradientTelemetry got preset={preset!r} and every={every}. Expected one of "
                f"{', '.join(PRESETS)} and a number of steps from 1 on, or None for the preset's."
            )
        self.preset = PRESETS[preset]
        self.every = every or self.preset.every
        self.probe, self.say = probe, say
        self.log = TelemetryLog()
        self._norms = StepNorms(self.log, self.every)
        self._gates = StepGates(self.log, self.every)
        self._lags = GradientByLag(self.log, detail=self.preset.detail)
        self._noise = Noise(self.log)
        self._catcher = BatchCatcher()

    @property
    def frame(self) -> pd.DataFrame:
        """Everything measured so far: step, epoch, layer, quantity, gate, lag_sessions, value."""
        return self.log.frame

    @property
    def alerts(self) -> list[Alert]:
        """What looked wrong, in the order it was found."""
        return self.log.alerts

    @property
    def left_out(self) -> dict[str, str]:
        """What could not be measured, and why."""
        return self.log.left_out

    @property
    def headline(self) -> dict[str, float]:
        """The newest figures by name."""
        return self.log.headline

    def describe(self) -> str:
        """The newest figures in words, for one line of a terminal."""
        words = {
            "gradient_norm": "‖gradient‖ {gradient_norm:.3f}",
            "clipped_share": "clipped {clipped_share:.0%}",
            "memory_sessions": "memory {memory_sessions:.1f} of {lookback:.0f} sessions",
            "forget_mean": "forget gate {forget_mean:.2f}",
        }
        known = self.headline
        return "  ".join(text.format(**known) for key, text in words.items() if key in known)

    def news(self) -> list[str]:
        """Alerts, and what had to be left out, since the last call: each once, in words."""
        return self.log.take_fresh()

    def get_state(self) -> dict[str, Any]:
        """Return everything measured so far, as arrays and plain values, for a checkpoint."""
        return {**self.log.get_state(), **self._norms.get_state(), **self._gates.get_state()}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Go on from a state of the same training, once Keras has begun it."""
        self.log.set_state(state)
        self._norms.set_state(state)
        self._gates.set_state(state)
        self._start, self._done = 0, self.log.step
        self._next = self.every * -(-self.log.step // self.every)

    # What Keras calls, in the order of its calls

    def set_model(self, model: keras.Model) -> None:
        """Open everything before Keras traces its training step."""
        super().set_model(model)
        self.close()
        layers = recurrent_layers(model)
        if not layers:
            self.log.leave_out(
                "gradients by lag and gates",
                "the model holds no recurrent layer such as keras.layers.LSTM",
            )
        # Steps done before this training, up to this epoch, and before the next that is measured.
        self._start = self._done = self._next = self.log.step
        self._batch = self.probe
        self.log.attempt("gradient norms", self._norms.open, model)
        self._lags.open(model, layers)
        self._noise.open(model)
        if self.preset.monitor:
            self._gates.open(model, layers)
        if (self.probe is None and layers) or self.preset.detail:
            self.log.attempt("a training batch to look at", self._catch, model)
        model.train_function = None

    def on_train_begin(self, logs: Any = None) -> None:
        """Look inside before the first step, when there is a batch to look at."""
        self._gates.begin()
        if self.probe is not None:
            self._look("before")

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Number epochs from 1; the figures of the last one are old now."""
        self.log.epoch = epoch + 1
        self.headline.clear()
        self._gates.begin_epoch(self.preset.detail or self.preset.look(epoch + 1))

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Get ready when a step is to come that is measured."""
        self._gates.step(batch)
        if self._done + batch + self.model.steps_per_execution > self._next:
            self._norms.begin()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Read what was measured, when such a step was among those just done."""
        self.log.step = self._done + batch + 1
        if self.log.step <= self._next:
            return
        first = self._next == self._start
        self._next += self.every * -(-(self.log.step - self._next) // self.every)
        self._norms.end()
        if self.preset.detail:
            self._gates.read()
        if first and self.probe is None:  # as near to "before training" as a caught batch can be
            self._look("before")

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Look inside when it is time to, and say the epoch's line."""
        self._done = self.log.step
        self._norms.end_epoch()
        if self.preset.look(epoch + 1):
            self._gates.read()
            self._look()
        batch = self._catcher.take() if self.preset.noise(epoch + 1) else None
        if batch:
            self._noise.measure(batch)
        known = self.describe()
        self._tell(*[f"epoch {epoch + 1}: {known}"] if known else [])

    def on_train_end(self, logs: Any = None) -> None:
        """Look at the weights that were kept, and leave model and optimizer as they were."""
        self.log.epoch += 1
        self._look("after")
        self._tell()
        self.close()

    def close(self) -> None:
        """Take everything off the model, also after a training that failed."""
        for part in (self._norms, self._gates, self._catcher):
            part.close()
        if self.model is not None:
            self.model.train_function = None

    def _catch(self, model: keras.Model) -> None:
        if model.jit_compile:
            raise ValueError(
                "the model is compiled with jit_compile=True; give probe=Probe(x, y), or use "
                "jit_compile=False"
            )
        self._catcher.open(model)

    def _look(self, when: When = "while") -> None:
        """Follow the gradient back, on the probe or on the first rows of the caught batch."""
        if self._batch is None and (caught := self._catcher.take()):
            self._batch = Probe(*keras.tree.map_structure(_first_rows, (caught.x, caught.y)))
        if self._batch is not None:
            self._lags.look(self._batch, when)

    def _tell(self, *lines: str) -> None:
        if self.say is not None:
            for line in (*lines, *self.news()):
                self.say(line)


def _first_rows(part: Any) -> Any:
    return None if part is None else part[:PROBE_ROWS]
