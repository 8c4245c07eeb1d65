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


class StateProbe:
    """Measures ‖∂L/∂h_t‖ of one recurrent layer of a model, with all that flows back through time.

    Works for every Keras RNN layer whose first state is its output h (SimpleRNN, GRU, LSTM): a
    zero (B, T, U) is added to h, and the gradient with respect to it is the total adjoint; where
    a step is masked there is no new h, and it counts as 0. The layer is used without dropout and
    is left as it was; the graph is traced once.
    """

    def __init__(self, model: keras.Model, layer: keras.layers.RNN) -> None:
        self.model, self.layer = model, layer
        self._probed = keras.layers.RNN(
            _ProbedCell(layer.cell),
            return_sequences=layer.return_sequences,
            return_state=layer.return_state,
            go_backwards=layer.go_backwards,
        )
        self._adjoint = tf.function(self._trace)

    def norms(
        self, x: np.ndarray, y: np.ndarray, sample_weight: np.ndarray | None = None
    ) -> np.ndarray:
        """Norm (T,) of ∂L/∂h_t over batch and units, for inputs x (B, T, F)."""
        probe = tf.zeros((len(x), x.shape[1], self.layer.cell.units))
        return self._adjoint(x, y, sample_weight, probe).numpy()

    def _trace(self, x: Any, y: Any, weight: Any, probe: Any) -> Any:
        def call(sequences: Any, initial_state: Any = None, mask: Any = None, **_: Any) -> Any:
            joined = tf.concat([sequences, tf.cast(probe, sequences.dtype)], axis=-1)
            return self._probed(joined, initial_state=initial_state, mask=mask)

        self.layer.__dict__["call"] = call  # for this trace alone
        try:
            with tf.GradientTape() as tape:
                tape.watch(probe)
                prediction = self.model(x, training=False)
                loss = self.model.compute_loss(x, y, prediction, weight, training=False)
        finally:
            del self.layer.__dict__["call"]
            for mask in ("dropout", "recurrent_dropout"):  # made in this graph, useless outside
                getattr(self.layer.cell, f"reset_{mask}_mask", lambda: None)()
        gradient = tape.gradient(loss, probe)  # (B, T, U)
        return tf.sqrt(tf.reduce_sum(tf.square(gradient), axis=[0, 2]))
