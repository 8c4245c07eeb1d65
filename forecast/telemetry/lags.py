"""What is measured on a probe batch: gradients by lag, memory, and the gradient noise scale."""

from collections.abc import Callable
from typing import Literal

import keras
import numpy as np

from forecast.layers import LSTM
from forecast.telemetry import rules
from forecast.telemetry.log import TelemetryLog
from forecast.telemetry.noise import NoiseProbe
from forecast.telemetry.probe import LSTMProbe, Probe, SharedLayerError, StateProbe
from forecast.telemetry.quantities import GATES, memory, omega

#: The moment of a look, seen from the training.
When = Literal["before", "while", "after"]


class GradientByLag:
    """Follows the gradient of a probe batch back through every recurrent layer."""

    def __init__(self, log: TelemetryLog, *, detail: bool) -> None:
        self.log, self.detail = log, detail

    def open(self, model: keras.Model, layers: dict[str, keras.layers.RNN]) -> None:
        """Begin with a model; nothing is traced before the first look."""
        self._model, self._layers = model, layers
        self._looks: dict[str, Callable[[Probe], None]] = {}

    def look(self, probe: Probe, when: When = "while") -> None:
        """Measure every layer with the weights of now: before, while, or after they learn."""
        self._when = when
        for name in self._layers:
            self.log.attempt(f"gradient by lag of {name}", self._look, name, probe)

    def _look(self, name: str, probe: Probe) -> None:
        if name not in self._looks:
            self._looks[name] = self._choose(name)
        try:
            self._looks[name](probe)
        except SharedLayerError as error:
            self.log.leave_out(f"gates of {name}", error)
            raise

    def _choose(self, name: str) -> Callable[[Probe], None]:
        """Read LSTMs on the fused loop where it knows their options, all others by their states."""
        layer = self._layers[name]
        if isinstance(layer, keras.layers.LSTM):
            try:
                lstm = LSTMProbe(self._model, layer, last=True)
            except (TypeError, ValueError) as error:
                self.log.leave_out(f"cell state and gates of {name}", error)
            else:
                return lambda probe: self._read_lstm(name, lstm, probe)
        states = StateProbe(self._model, layer, last=True)
        return lambda probe: self._add(name, states.norms(*probe)[::-1], "state_gradient_norm")

    def _read_lstm(self, name: str, lstm: LSTMProbe, probe: Probe) -> None:
        reading, log = lstm.read(probe), self.log
        log.add_by_lag("state_gradient_norm", reading.h_gradient[::-1], name)
        self._add(name, reading.c_gradient[::-1], "cell_gradient_norm")
        if self.detail:
            log.add_by_lag("carousel_norm", reading.carousel_gradient[::-1], name)
            for k, gate in enumerate(GATES):
                by_lag = reading.z_gradient[::-1, k]
                log.add_by_lag("gate_gradient_norm", by_lag, name, gate)
        # Told of every LSTM on the same batch, so that the figures of two can be compared.
        log.headline["forget_mean"] = float(reading.gate_mean[:, 1].mean())
        # The rows of ours come from the training step, on what it trains on.
        if self._when != "while" or not isinstance(self._layers[name], LSTM):
            log.add_reading(name, reading)
            for finding in rules.gates(name, reading):
                log.alert(finding)

    def _add(self, name: str, by_lag: np.ndarray, quantity: str) -> None:
        """Add the gradient of the state that carries the memory, and what it says."""
        log, lookback = self.log, len(by_lag)
        log.add_by_lag(quantity, by_lag, name)
        decay = memory(by_lag)
        if not np.isfinite(decay.rate):
            raise ValueError("the gradient at its states is zero or not finite")
        log.add("gradient_decay", decay.rate, name)
        log.add("memory_sessions", decay.horizon_sessions, name)
        log.add("lookback_sessions", lookback, name)
        log.add("pascanu_omega", omega(by_lag), name)
        log.headline |= {"memory_sessions": decay.horizon_sessions, "lookback": lookback}
        found = rules.reach(self._layers[name], name, decay, lookback)
        # A network that has learned nothing yet may still learn to remember.
        if found and (found.kind == "exploding" or self._when != "before"):
            log.alert(found)


class Noise:
    """Measures the gradient noise scale on a training batch."""

    def __init__(self, log: TelemetryLog) -> None:
        self.log = log

    def open(self, model: keras.Model) -> None:
        """Begin with a model; nothing is traced before it is measured."""
        self._probe = NoiseProbe(model)

    def measure(self, batch: Probe) -> None:
        """Add the noise scale of the batch, in rows."""
        self.log.attempt("noise scale", self._measure, batch)

    def _measure(self, batch: Probe) -> None:
        self.log.add("noise_scale", self._probe.measure(batch))
