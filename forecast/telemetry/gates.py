"""The gates of a recurrent layer on a batch."""

from typing import Any

import keras
import numpy as np
from keras import ops


class _GateCell(keras.layers.Layer):
    """A cell whose output is its gates: i, f, c̃ and o side by side, (B, 4U)."""

    def __init__(self, cell: Any) -> None:
        super().__init__()
        self.cell = cell
        self.state_size = cell.state_size
        self.output_size = 4 * cell.units

    def call(self, inputs: Any, states: Any) -> Any:
        h, c, gates = self.cell.step(inputs, states)
        return ops.concatenate([gates[k] for k in "ifgo"], axis=-1), [h, c]


def gate_values(
    model: keras.Model, layer: keras.layers.RNN, x: np.ndarray
) -> dict[str, np.ndarray]:
    """Gates (B, T, U) of `layer` on the model's inputs x: input, forget, candidate, output.

    Empty for a layer whose cell does not show its gates.
    """
    if not hasattr(layer.cell, "step"):
        return {}
    recorder = keras.layers.RNN(_GateCell(layer.cell), return_sequences=True)
    inner = keras.Model(model.inputs, layer.input)
    values = ops.convert_to_numpy(recorder(inner(x, training=False)))  # (B, T, 4U)
    return dict(
        zip(("input", "forget", "candidate", "output"), np.split(values, 4, axis=-1), strict=True)
    )
