"""Numbers that go wrong: a training stops at the first one, and says where it began."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from forecast.errors import DivergedError
from forecast.telemetry.gates import NAMES, gate_values
from forecast.training.batches import FIRST_EPOCH, TrainingBatches


class FiniteGuard(keras.callbacks.Callback):
    """Stops a training whose loss is NaN or infinite.

    The epoch is then repeated from its first step, one operation after the other, to find the
    step, the layer and the gate in which the first such number appears. Raises DivergedError.
    """

    def __init__(self, batches: TrainingBatches) -> None:
        super().__init__()
        self.batches = batches

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Keep the weights and the optimizer as they are now."""
        self._epoch = epoch
        self._before = [(v, np.asarray(v)) for v in _everything(self.model)]

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Look at the loss, the mean over the epoch so far."""
        self._check((logs or {})["loss"], f"step {batch + 1}", batch + 1)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Look at the validation loss: the last update may have been the bad one."""
        self._check((logs or {})["val_loss"], "validation", self.batches.steps)

    def _check(self, loss: float, when: str, steps: int) -> None:
        if np.isfinite(loss):
            return
        for variable, value in self._before:
            variable.assign(value)
        where = where_it_began(self.model, self.batches, self._epoch, steps)
        raise DivergedError(
            f"the loss became {loss} at {when} of epoch {self._epoch + 1}; {where}. Try a smaller "
            "--lr or --clip-norm."
        )


def where_it_began(model: keras.Model, batches: TrainingBatches, epoch: int, steps: int) -> str:
    """Repeat the first `steps` steps of an epoch and say where a number first is not finite."""
    variables = model.trainable_variables
    for number in range(steps):
        x, y, weight = batches.cut(FIRST_EPOCH + epoch, number)
        with tf.GradientTape() as tape:
            prediction = model(x, training=True)
            loss = model.compute_loss(x, y, prediction, weight, training=True)
        gradients = tape.gradient(loss, [v.value for v in variables])
        fault = _forward(model, x) or _backward(variables, loss, gradients)
        if fault:
            return f"it began at step {number + 1}, in {fault}"
        model.optimizer.apply(gradients, variables)
        for variable in variables:
            if place := _place(variable.path, np.asarray(variable)):
                return f"it began with the update of step {number + 1}, in {place}"
    return "repeating the epoch did not show it again"


def _forward(model: keras.Model, x: np.ndarray) -> str:
    """The first layer, and its first step and gate, whose output is not finite; or nothing."""
    if not np.isfinite(x).all():
        return "the input features"
    for layer in model.layers:
        gates = gate_values(model, layer, x) if isinstance(layer, keras.layers.RNN) else {}
        first = {
            k: _first_step(gates[k])
            for k in NAMES.values()
            if k in gates and not np.isfinite(gates[k]).all()
        }
        if first:
            gate = min(first, key=lambda name: first[name])
            steps = next(iter(gates.values())).shape[1]
            return f"layer {layer.name}, {gate} gate, session {first[gate] + 1} of {steps}"
        output = keras.Model(model.inputs, layer.output)(keras.tree.flatten(x), training=False)
        if not np.isfinite(keras.ops.convert_to_numpy(output)).all():
            return f"the output of layer {layer.name}"
    return ""


def _first_step(values: np.ndarray) -> int:
    """The first of the steps of values (B, T, U) that holds a number that is not finite."""
    return int(np.argmin(np.isfinite(values).all(axis=(0, 2))))


def _backward(variables: list[Any], loss: Any, gradients: list[Any]) -> str:
    """The loss, or the weight nearest to it whose gradient is not finite; or nothing."""
    if not np.isfinite(float(loss)):
        return "the loss: its targets or weights are not finite"
    for variable, gradient in reversed(list(zip(variables, gradients, strict=True))):
        if place := _place(variable.path, np.asarray(gradient)):
            return f"the gradient of {place}"
    return ""


def _place(path: str, values: np.ndarray) -> str:
    """Name a weight with values that are not finite, and their gates where it has four."""
    bad = ~np.isfinite(values)
    if not bad.any():
        return ""
    if "lstm_cell" not in path:
        return path
    parts = zip(NAMES.values(), np.split(bad, 4, axis=-1), strict=True)
    return f"{path}, {' and '.join(name for name, part in parts if part.any())} gate"


def _everything(model: keras.Model) -> list[Any]:
    model.optimizer.build(model.trainable_variables)
    return [*model.variables, *model.optimizer.variables]
