"""LSTM: `keras.layers.LSTM`, faster on a CPU, and made of glass."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import keras
import tensorflow as tf

from forecast.layers import checks, fused
from forecast.layers.bptt import Plan, States, Weights
from forecast.layers.lstm_cell import check_bias, step
from forecast.layers.monitor import Monitor

GATES = ("i", "f", "g", "o")
_PLAIN = ContextVar("plain", default=False)


@contextmanager
def plain_loop() -> Iterator[None]:
    """Let every `LSTM` that is traced within take Keras's own loop, whatever its options.

    The fused loop is a program of XLA, which ONNX and other formats cannot hold. The weights and
    the numbers are the same:

        with plain_loop():
            model.export("model.onnx", format="onnx")
    """
    token = _PLAIN.set(True)
    try:
        yield
    finally:
        _PLAIN.reset(token)


# A subclass of the public Keras layer, so that arguments, weights, dropout masks, statefulness and
# the way to cuDNN are Keras's own and stay so; only the loop over the steps is replaced.
@keras.saving.register_keras_serializable(package="forecast")
class LSTM(keras.layers.LSTM):
    """A drop-in for `keras.layers.LSTM`: same arguments, weights, outputs and gradients.

    Two things are added to it. ``layer(x, return_gates=True)`` also returns, last, a dictionary of
    the gates i, f, g (the candidate c̃), o and the states h, c of every step, each ``(N, T, U)``
    in the order the steps ran. ``layer.attach(Monitor())`` shows the backward pass in training.

    The fused loop runs on a CPU with tanh and sigmoid, no recurrent dropout, float32 or float64
    and a number of steps known when the graph is built (each number is compiled once). Everything
    else, and ``use_cudnn=False``, takes Keras's own loop and gives the same result.

    >>> layer = LSTM(4, return_sequences=True)
    >>> outputs, gates = layer(keras.ops.ones((2, 3, 5)), return_gates=True)
    >>> outputs.shape, gates["f"].shape
    (TensorShape([2, 3, 4]), TensorShape([2, 3, 4]))
    """

    _monitor: Monitor | None = None
    _trace: dict[str, tf.Tensor] | None = None

    def __init__(self, units: int, *args: Any, **kwargs: Any) -> None:
        checks.check_units("LSTM", units)
        super().__init__(units, *args, **kwargs)
        check_bias(self.cell)
        self.input_spec = None  # `checks` says more

    def attach(self, monitor: Monitor) -> None:
        """Let `monitor` look at this layer's training steps.

        A training function that was already built does not know of it: attach before the first
        `fit`, or call ``model.make_train_function(force=True)`` after attaching and detaching.
        Raises TypeError for what is no monitor, and ValueError when the options of the layer rule
        the fused loop out, or when another layer has this monitor.
        """
        if not isinstance(monitor, Monitor):
            raise TypeError(
                f"Layer {self.name!r} was given {monitor!r} to attach. Expected a monitor: pass "
                "forecast.layers.Monitor(), or call detach() to let one go."
            )
        if reason := self._plain_because():
            raise ValueError(
                f"A monitor cannot be attached to layer {self.name!r}: it reads the fused backward "
                f"pass, which this layer does not take because of {reason}. Leave that option at "
                "its default, or use forecast.telemetry.probe.StateProbe, which works for every "
                "recurrent layer."
            )
        monitor.hold(self)
        self._monitor = monitor

    def detach(self) -> None:
        """Let the attached monitor, if any, go."""
        self.__dict__.pop("_monitor", None)

    @property
    def monitor(self) -> Monitor | None:
        """The attached monitor."""
        return self._monitor

    def build(self, sequences_shape: Any, initial_state_shape: Any = None) -> None:
        """Create the weights for inputs ``(N, T, F)``."""
        checks.check_build(self.name, sequences_shape)
        super().build(sequences_shape, initial_state_shape)

    def call(
        self,
        sequences: Any,
        initial_state: Any = None,
        mask: Any = None,
        training: bool = False,
        return_gates: bool = False,
    ) -> Any:
        """Return what `keras.layers.LSTM` returns, then the gates when they are asked for.

        An activity regularizer counts all that is returned, as in Keras, so the gates too.
        Raises ValueError for inputs, an initial state or a mask of a shape that does not fit.
        """
        self._check(sequences, initial_state, mask)
        if not return_gates:
            return super().call(sequences, initial_state, mask, training)
        with self._tracing() as gates:
            outputs = super().call(sequences, initial_state, mask, training)
        return (*(outputs if self.return_state else (outputs,)), gates)

    def compute_output_spec(
        self,
        sequences: Any,
        initial_state: Any = None,
        mask: Any = None,
        training: bool = False,
        return_gates: bool = False,
    ) -> Any:
        """Return shapes and types of what `call` returns; raises what it raises."""
        self._check(sequences, initial_state, mask)
        outputs = super().compute_output_spec(sequences, initial_state, mask, training)
        if not return_gates:
            return outputs
        shape = (*sequences.shape[:2], self.units)
        gates = {name: keras.KerasTensor(shape, self.compute_dtype) for name in (*GATES, "h", "c")}
        return (*(outputs if self.return_state else (outputs,)), gates)

    def inner_loop(
        self, sequences: Any, initial_state: Any, mask: Any, training: bool = False
    ) -> tuple[Any, Any, list[Any]]:
        """Run the steps; return the last output, all outputs and the states [h, c]."""
        mask = mask[0] if isinstance(mask, list | tuple) else mask
        steps_known = sequences.shape[1] is not None
        watched = self._monitor is not None and self._monitor.watching and training
        if self._plain_because() or not (watched or (steps_known and not _gpus())):
            if self._trace is not None:
                return self._plain_traced(sequences, initial_state, mask, training)
            return super().inner_loop(sequences, initial_state, mask, training)
        x = keras.ops.cast(sequences, self.compute_dtype)
        if training and 0 < self.dropout < 1:  # Keras drops nothing at 1
            x *= self.cell.get_dropout_mask(sequences[:, 0, :])[:, None]
        live = None if mask is None else tf.cast(mask, tf.bool)
        if self.go_backwards:
            x = tf.reverse(x, [1])
            live = None if live is None else tf.reverse(live, [1])
        traced = self._trace is not None
        plan = Plan(sequence=self.return_sequences or traced, cells=traced, keep=bool(training))
        weights, start = self._weights(), States(*initial_state)
        made = fused.lstm(plan, x, live, weights, start, self._monitor if watched else None)
        if self._trace is not None:
            self._trace.update(_gates(x, made["h"], weights, start), h=made["h"], c=made["c"])
        last, outputs = self._outputs(made["h_last"], made.get("h"), live)
        return last, outputs, [made["h_last"], made["c_last"]]

    def get_config(self) -> dict[str, Any]:
        """Return every argument of the constructor (Keras leaves the last two out)."""
        return {
            **super().get_config(),
            "use_cudnn": self.use_cudnn,
            "implementation": self.cell.implementation,
        }

    def _plain_because(self) -> str | None:
        """Name the option that rules the fused loop out, if one does."""
        squash, gate = self.activation, self.recurrent_activation
        reasons = {
            "plain_loop()": _PLAIN.get(),
            f"activation={_name(squash)}": squash is not keras.activations.tanh,
            f"recurrent_activation={_name(gate)}": gate is not keras.activations.sigmoid,
            f"recurrent_dropout={self.recurrent_dropout}": self.recurrent_dropout > 0,
            "dropout with implementation=1": self.dropout > 0 and self.cell.implementation == 1,
            f"compute dtype {self.compute_dtype}": self.compute_dtype not in ("float32", "float64"),
            f"use_cudnn={self.use_cudnn}": self.use_cudnn != "auto",
        }
        return next((reason for reason, applies in reasons.items() if applies), None)

    def _weights(self) -> Weights:
        cell = self.cell
        bias = cell.bias if cell.use_bias else keras.ops.zeros(4 * self.units)
        weights = (cell.kernel, cell.recurrent_kernel, bias)
        return Weights(*(keras.ops.convert_to_tensor(w, self.compute_dtype) for w in weights))

    def _outputs(self, h_last: Any, h: Any, live: Any) -> tuple[Any, Any]:
        """Make Keras's outputs of the states: a masked step repeats the last live one, or is 0."""
        if live is not None:
            shown = live if self.zero_output_for_mask else tf.cumsum(tf.cast(live, tf.int32), 1) > 0
            h_last = tf.where(shown[:, -1:], h_last, tf.zeros_like(h_last))
            h = None if h is None else tf.where(shown[:, :, None], h, tf.zeros_like(h))
        return h_last, h_last[:, None] if h is None else h

    def _plain_traced(
        self, sequences: Any, initial_state: Any, mask: Any, training: bool
    ) -> tuple[Any, Any, list[Any]]:
        """Run the steps of `lstm_cell`, which hand out their gates."""
        x = tf.transpose(sequences, [1, 0, 2])  # (T, N, F)
        every = tf.ones(tf.shape(x)[:2], tf.bool)
        live = every if mask is None else tf.transpose(tf.cast(mask, tf.bool))  # (T, N)
        if self.go_backwards:
            x, live = tf.reverse(x, [0]), tf.reverse(live, [0])

        def scan(before: dict[str, Any], now: tuple[Any, Any]) -> dict[str, Any]:
            x_t, live_t = now[0], now[1][:, None]
            h, c, gates = step(self.cell, x_t, [before["h"], before["c"]], training)
            kept = {k: tf.where(live_t, v, before[k]) for k, v in (("h", h), ("c", c))}
            return gates | kept

        h, c = initial_state
        made = tf.scan(scan, (x, live), dict.fromkeys(GATES, tf.zeros_like(h)) | {"h": h, "c": c})
        made = {name: tf.transpose(rows, [1, 0, 2]) for name, rows in made.items()}
        if self._trace is not None:
            self._trace.update(made)
        states = [made["h"][:, -1], made["c"][:, -1]]
        live = None if mask is None else tf.transpose(live)
        last, outputs = self._outputs(states[0], made["h"], live)
        return last, outputs, states

    def _check(self, sequences: Any, initial_state: Any, mask: Any) -> None:
        shape = tuple(sequences.shape)
        checks.check_inputs(self.name, shape, self.cell.kernel.shape[0])
        checks.check_states(self.name, shape, self.units, initial_state)
        checks.check_mask(self.name, shape, mask)

    @contextmanager
    def _tracing(self) -> Iterator[dict[str, tf.Tensor]]:
        gates: dict[str, tf.Tensor] = {}
        self.__dict__["_trace"] = gates  # past Keras's tracking of attributes: it is no state
        try:
            yield gates
        finally:
            self.__dict__.pop("_trace")


def _name(activation: Any) -> str:
    return getattr(activation, "__name__", repr(activation))


def _gpus() -> list[Any]:
    """With a GPU the choice is Keras's, whose way leads to cuDNN."""
    return tf.config.list_logical_devices("GPU")


def _gates(x: Any, h: Any, weights: Weights, start: States) -> dict[str, tf.Tensor]:
    """The gates ``(N, T, U)`` of x ``(N, T, F)``: with h known, all steps are one product."""
    h_tm1 = tf.concat([start.h[:, None], h[:, :-1]], 1)
    z = x @ weights.kernel + h_tm1 @ weights.recurrent + weights.bias  # (N, T, 4U)
    squash = (tf.sigmoid, tf.sigmoid, tf.tanh, tf.sigmoid)
    parts = zip(GATES, squash, tf.split(z, 4, axis=2), strict=True)
    return {name: gate(part) for name, gate, part in parts}
