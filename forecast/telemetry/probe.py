"""A look inside one recurrent layer on a batch: gradients followed back through time, and gates."""

from abc import ABC, abstractmethod
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from forecast.layers import LSTM, Monitor, Reading


class Probe(NamedTuple):
    """A fixed batch on which the recurrent layers are looked into.

    "Lag" has one meaning only when the loss is taken at the last step alone. For telemetry a model
    that predicts at every step is weighted so when there is no `weight`; one that is given is used
    as it is.
    """

    x: Any  # (B, T, F), or what else the model takes: a list or dictionary of several inputs too
    y: Any
    weight: Any = None


class SharedLayerError(ValueError):
    """A model calls a layer more than once: what is read of it would be mixed."""


class LayerProbe(ABC):
    """Measures one recurrent layer of a model on a batch, without dropout.

    For the time of one trace the layer's call is replaced, so that what flows back through its
    states can be caught; the layer is left as it was, and the graph is traced once. With `last`
    the loss of a batch without weights is that of the last step alone.
    """

    def __init__(self, model: keras.Model, layer: keras.layers.RNN, *, last: bool = False) -> None:
        self.model, self.layer, self.last = model, layer, last
        self._graph = tf.function(self._trace, autograph=False)  # which hides types of errors

    @abstractmethod
    def _call(self, sequences: Any, initial_state: Any = None, mask: Any = None) -> Any:
        """What the layer returns while it is probed."""

    @abstractmethod
    def _watched(self) -> Any:
        """The tensor that the loss is differentiated by; known once the model has run."""

    def run(self, probe: Probe) -> tf.Tensor:
        """Run the batch forwards and backwards; return the gradient of what is watched.

        Raises ValueError when the loss of this batch does not reach the layer, and SharedLayerError
        when the model calls it more than once.
        """
        return self._graph(*probe)

    def _trace(self, x: Any, y: Any, weight: Any) -> Any:
        calls = 0

        def call(sequences: Any, initial_state: Any = None, mask: Any = None, **_: Any) -> Any:
            nonlocal calls
            calls += 1
            return self._call(sequences, initial_state, mask)

        with tf.GradientTape() as tape:
            self._tape = tape
            self.layer.__dict__["call"] = call  # for this trace alone
            try:
                prediction = self.model(x, training=False)
            finally:
                del self.layer.__dict__["call"]
                for mask in ("dropout", "recurrent_dropout"):  # made in this graph, useless outside
                    getattr(self.layer.cell, f"reset_{mask}_mask", lambda: None)()
            if calls > 1:
                raise SharedLayerError(
                    f"the model calls layer {self.layer.name} {calls} times, so that its steps "
                    "have no one lag; give each place a layer of its own"
                )
            if self.last and weight is None:
                weight = keras.tree.map_structure(last_step, prediction)
            loss = self.model.compute_loss(x, y, prediction, weight, training=False)
        gradient = tape.gradient(loss, self._watched())
        if gradient is None:
            raise ValueError(f"the loss of the probe batch does not reach layer {self.layer.name}")
        return gradient


def last_step(prediction: Any) -> Any:
    """Weights (B, T), 1 at the last step, of a prediction (B, T, …); None where there is no T."""
    if not hasattr(prediction, "shape") or len(prediction.shape) < 3:
        return None
    rows, steps = tf.shape(prediction)[0], tf.shape(prediction)[1]
    return tf.tile(tf.one_hot([steps - 1], steps), [rows, 1])


def twin_of(layer: keras.layers.LSTM) -> LSTM:
    """A `forecast.layers.LSTM` with the weights of an LSTM layer, shared, and without dropout."""
    plain = {"dropout": 0, "recurrent_dropout": 0, "stateful": False, "use_cudnn": "auto"}
    # A seed of its own: drawing one would change the random numbers of the training.
    twin = LSTM.from_config(layer.get_config() | plain | {"name": "twin", "seed": 0})
    for weight in ("kernel", "recurrent_kernel", "bias"):
        setattr(twin.cell, weight, getattr(layer.cell, weight))
    twin.cell.built = twin.built = True
    return twin


class StateProbe(LayerProbe):
    """Measures ‖∂L/∂h_t‖ of one recurrent layer of a model, with all that flows back through time.

    Works for every Keras RNN layer whose first state is its output h (SimpleRNN, GRU, LSTM): a
    zero (B, T, U) is added to h, and the gradient with respect to it is the total adjoint; where
    a step is masked there is no new h, and it counts as 0.
    """

    def __init__(self, model: keras.Model, layer: keras.layers.RNN, *, last: bool = False) -> None:
        super().__init__(model, layer, last=last)
        self._probed = keras.layers.RNN(
            _ProbedCell(layer.cell, name="probed_cell"),
            return_sequences=layer.return_sequences,
            return_state=layer.return_state,
            go_backwards=layer.go_backwards,
            zero_output_for_mask=layer.zero_output_for_mask,
            name="probe",
        )

    def norms(self, x: Any, y: Any, weight: Any = None) -> np.ndarray:
        """Norm (T,) of ∂L/∂h_t over batch and units, in the order the steps ran; x (B, T, F)."""
        gradient = tf.cast(self.run(Probe(x, y, weight)), tf.float32)
        squares = tf.reduce_sum(tf.square(gradient), axis=[0, 2])
        norms = tf.sqrt(squares).numpy()
        return norms[::-1] if self.layer.go_backwards else norms

    def _call(self, sequences: Any, initial_state: Any = None, mask: Any = None) -> Any:
        shape = [tf.shape(sequences)[0], tf.shape(sequences)[1], self.layer.cell.units]
        self._zero = tf.zeros(shape, sequences.dtype)
        self._tape.watch(self._zero)
        joined = tf.concat([sequences, self._zero], axis=-1)
        return self._probed(joined, initial_state=initial_state, mask=mask)

    def _watched(self) -> Any:
        return self._zero


class LSTMProbe(LayerProbe):
    """Reads an LSTM, ours or Keras's: gates, and the gradients of h, c and every gate.

    For the probe the layer runs on the fused loop of `forecast.layers.LSTM`, which has all of this
    in its hands. Raises ValueError for options that the fused loop does not know.
    """

    def __init__(self, model: keras.Model, layer: keras.layers.LSTM, *, last: bool = False) -> None:
        super().__init__(model, layer, last=last)
        self._monitor = Monitor()
        self._twin = twin_of(layer)
        self._twin.attach(self._monitor)

    def read(self, probe: Probe) -> Reading:
        """Return what a training step on this batch would show, without dropout."""
        self.run(probe)
        reading = self._monitor.read()
        assert reading is not None  # it looks at every step
        return reading

    def _call(self, sequences: Any, initial_state: Any = None, mask: Any = None) -> Any:
        self._tape.watch(self.layer.cell.kernel.value)
        return self._twin.call(sequences, initial_state, mask, training=True)

    def _watched(self) -> Any:
        return self.layer.cell.kernel.value


class _ProbedCell(keras.layers.Layer):
    """A cell with a probe (B, U) added to its new h; the probe comes in beside the input."""

    def __init__(self, cell: Any, name: str) -> None:
        super().__init__(name=name)
        self.cell = cell
        self.state_size = cell.state_size
        self.output_size = cell.units

    def call(self, inputs: Any, states: Any, training: bool = False) -> Any:
        x, probe = inputs[..., : -self.output_size], inputs[..., -self.output_size :]
        h, states = self.cell(x, states, training=training)
        states = list(states) if isinstance(states, list | tuple) else [states]
        return h + probe, [states[0] + probe, *states[1:]]
