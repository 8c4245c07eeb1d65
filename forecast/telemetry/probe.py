"""A zero probe added to the state: its gradient is the adjoint ∂L/∂h_t of any Keras RNN."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf


class _ProbedCell(keras.layers.Layer):
    """A cell with a probe (B, U) added to its new h; the probe comes in beside the input."""

    def __init__(self, cell: Any) -> None:
        super().__init__()
        self.cell = cell
        self.state_size = cell.state_size
        self.output_size = cell.units

    def call(self, inputs: Any, states: Any, training: bool = False) -> Any:
        x, probe = inputs[..., : -self.output_size], inputs[..., -self.output_size :]
        h, states = self.cell(x, states, training=training)
        states = list(states) if isinstance(states, list | tuple) else [states]
        return h + probe, [states[0] + probe, *states[1:]]


def state_gradient_norms(
    model: keras.Model,
    layer: keras.layers.RNN,
    x: np.ndarray,
    y: np.ndarray,
    sample_weight: np.ndarray | None = None,
) -> np.ndarray:
    """Norm (T,) of ∂L/∂h_t over batch and units, with all that flows back through later steps.

    Works for every Keras RNN layer whose first state is its output h (SimpleRNN, GRU, LSTM): a
    zero (B, T, U) is added to h, and the gradient with respect to it is the total adjoint. The
    layer is used as it is, without dropout, and left as it was.
    """
    size = (len(x), x.shape[1], layer.cell.units)
    probed = keras.layers.RNN(
        _ProbedCell(layer.cell), return_sequences=layer.return_sequences, return_state=layer.return_state
    )

    @tf.function
    def adjoint(x: Any, y: Any, weight: Any, probe: Any) -> Any:
        def call(sequences: Any, initial_state: Any = None, mask: Any = None, training: Any = None) -> Any:
            joined = tf.concat([sequences, tf.cast(probe, sequences.dtype)], axis=-1)
            return probed(joined, initial_state=initial_state, mask=mask)

        layer.__dict__["call"] = call
        try:
            with tf.GradientTape() as tape:
                tape.watch(probe)
                loss = model.compute_loss(x, y, model(x, training=False), weight)
        finally:
            del layer.__dict__["call"]
        gradient = tape.gradient(loss, probe)  # (B, T, U)
        return tf.sqrt(tf.reduce_sum(tf.square(gradient), axis=[0, 2]))

    return adjoint(x, y, sample_weight, tf.zeros(size)).numpy()
