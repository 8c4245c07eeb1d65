"""GradientTelemetry: a Keras callback that reports what happens inside while a model learns."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import keras
import numpy as np
import pandas as pd

from forecast.telemetry.gates import gate_values
from forecast.telemetry.probe import StateProbe
from forecast.telemetry.quantities import memory, saturation, update_ratio
from forecast.telemetry.tap import GradientTap

#: Columns of the telemetry frame.
COLUMNS = ("step", "epoch", "layer", "quantity", "gate", "lag_sessions", "value")


class Probe(NamedTuple):
    """A fixed batch on which the recurrent layers are looked into after every epoch.

    `weight` should keep the loss of the last step alone, so that "lag" has one meaning: steps
    before the loss.
    """

    x: np.ndarray  # (B, T, F)
    y: np.ndarray
    weight: np.ndarray | None = None


class GradientTelemetry(keras.callbacks.Callback):
    """Reports gradient statistics of any Keras model in `fit`.

    Args:
        probe: batch for the pictures by lag and the gates; None leaves these out.
        every: steps between two measurements of norms; clipping is counted at every step.

    Before clipping: ``global_norm``, ``norm`` per weight, ``clipped_share`` of the epoch's steps;
    ``update_ratio`` per weight. On the probe, before training (epoch 0), after each epoch and,
    numbered one more, with the weights kept in the end:
    ``state_gradient_norm`` ‖∂L/∂h‖ by lag, ``gradient_decay`` per session and
    ``memory_sessions`` fitted to it; ``gate_mean`` and ``gate_saturation`` of layers that show
    their gates. What cannot be computed is named once in `left_out` and never stops a training.
    """

    def __init__(self, probe: Probe | None = None, every: int = 1) -> None:
        super().__init__()
        self.probe, self.every = probe, every
        self.rows: list[tuple[Any, ...]] = []
        self.left_out: dict[str, str] = {}
        self.headline: dict[str, float] = {}
        self._step = self._epoch = 0
        self._tap = GradientTap()
        self._probes: dict[str, StateProbe] = {}

    @property
    def frame(self) -> pd.DataFrame:
        """Everything measured so far, long: `COLUMNS`."""
        return pd.DataFrame(self.rows, columns=list(COLUMNS))

    def get_state(self) -> dict[str, Any]:
        """Return everything measured so far, as arrays, for a checkpoint."""
        columns = dict(zip(COLUMNS, zip(*self.rows, strict=True), strict=True))
        state: dict[str, Any] = {"step_now": self._step, "epoch_now": self._epoch}
        for name in ("layer", "quantity", "gate"):
            codes, words = pd.factorize(np.array(columns[name], object))
            state |= {name: codes.astype(np.int32), f"{name}_words": list(words)}
        for name in ("step", "epoch", "lag_sessions", "value"):
            state[name] = np.array(columns[name], float)
        return {**state, "headline": self.headline, "left_out": self.left_out}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Go on from a state: forget what was measured since, and number on."""
        self._step, self._epoch = state["step_now"], state["epoch_now"]
        self.headline, self.left_out = state["headline"], state["left_out"]
        words = {n: np.array(state[f"{n}_words"])[state[n]] for n in ("layer", "quantity", "gate")}
        lags = [None if np.isnan(lag) else int(lag) for lag in state["lag_sessions"]]
        steps, epochs = state["step"].astype(int).tolist(), state["epoch"].astype(int).tolist()
        columns = (steps, epochs, words["layer"].tolist(), words["quantity"].tolist())
        rest = (words["gate"].tolist(), lags, state["value"].tolist())
        self.rows = list(zip(*columns, *rest, strict=True))

    def set_model(self, model: keras.Model) -> None:
        """Open the tap before Keras traces its training step."""
        super().set_model(model)
        self._probes.clear()
        self._tap.open(model.optimizer, model.trainable_variables)
        model.train_function = None

    def on_train_begin(self, logs: Any = None) -> None:
        """Look inside before the first step."""
        self._look_inside()

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Number epochs from 1."""
        self._epoch = epoch + 1

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Keep the norms of the step just taken."""
        self._step += 1
        if self._step % self.every == 0 or self._step == 1:
            gradient, weight, update = self._tap.norms
            whole = float(np.linalg.norm(gradient))
            self.headline["gradient_norm"] = whole
            self._add("global_norm", whole)
            for name, norm, ratio in zip(
                self._tap.names, gradient, update_ratio(update, weight), strict=True
            ):
                self._add("norm", norm, layer=name)
                self._add("update_ratio", ratio, layer=name)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Count the clipped steps and look inside."""
        share = self._tap.take_clipped_share()
        self.headline["clipped_share"] = share
        self._add("clipped_share", share)
        self._look_inside()

    def describe(self) -> str:
        """The headline of the epoch in words, for a terminal."""
        words = {
            "gradient_norm": "‖gradient‖ {:.3f}",
            "clipped_share": "clipped {:.0%}",
            "memory_sessions": "memory {:.1f} sessions",
            "forget_mean": "forget gate {:.2f}",
        }
        told = [text.format(self.headline[k]) for k, text in words.items() if k in self.headline]
        return "  ".join(told)

    def on_train_end(self, logs: Any = None) -> None:
        """Look at the weights that were kept, and leave model and optimizer as they were."""
        self._epoch += 1
        self._look_inside()
        self.close()

    def close(self) -> None:
        """Take the tap off, also after a training that failed."""
        self._tap.close()
        if self.model is not None:
            self.model.train_function = None

    def _look_inside(self) -> None:
        if self.probe is None:
            return
        for layer in self.model.layers:
            if isinstance(layer, keras.layers.RNN):
                self._try("state_gradient_norm", layer, self._measure_lags)
                self._try("gates", layer, self._measure_gates)

    def _try(self, quantity: str, layer: Any, measure: Callable[[Any], None]) -> None:
        """Measure; a quantity that fails is named once and left out from then on."""
        key = f"{quantity} of {layer.name}"
        if key in self.left_out:
            return
        try:
            measure(layer)
        except Exception as error:  # telemetry never breaks a training
            self.left_out[key] = f"{type(error).__name__}: {error}"

    def _measure_lags(self, layer: Any) -> None:
        x, y, weight = self.probe  # type: ignore[misc]
        if layer.name not in self._probes:
            self._probes[layer.name] = StateProbe(self.model, layer)
        by_lag = self._probes[layer.name].norms(x, y, weight)[::-1]  # (T,)
        for lag, norm in enumerate(by_lag):
            self._add("state_gradient_norm", norm, layer=layer.name, lag=lag)
        decay = memory(by_lag)
        self._add("gradient_decay", decay.rate, layer=layer.name)
        self._add("memory_sessions", decay.horizon_sessions, layer=layer.name)
        self.headline["memory_sessions"] = decay.horizon_sessions

    def _measure_gates(self, layer: Any) -> None:
        gates = gate_values(self.model, layer, self.probe.x)  # type: ignore[union-attr]
        for gate, values in gates.items():
            self._add("gate_mean", values.mean(), layer=layer.name, gate=gate)
            self._add("gate_saturation", saturation(values), layer=layer.name, gate=gate)
        if "forget" in gates:
            self.headline["forget_mean"] = float(gates["forget"].mean())

    def _add(
        self,
        quantity: str,
        value: float,
        layer: str = "",
        gate: str = "",
        lag: int | None = None,
    ) -> None:
        self.rows.append((self._step, self._epoch, layer, quantity, gate, lag, float(value)))
