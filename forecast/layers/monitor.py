"""What a training step shows of one LSTM layer: its gates, and the gradients on their way back."""

from dataclasses import dataclass, field

import numpy as np
import tensorflow as tf

#: A gate below 0.1 is shut, above 0.9 open; the candidate is read on the same scale, (1 + g)/2.
SHUT = (0.1, 0.1, -0.8, 0.1)
OPEN = (0.9, 0.9, 0.8, 0.9)
_FORWARD_COLUMNS = 4 + 4 + 4 + 3
_BACKWARD_COLUMNS = 4 + 4


@dataclass(frozen=True)
class Reading:
    """One sampled training step; T steps in the order they ran, gates in the order i, f, c̃, o.

    Gradients are of the loss of the whole batch, through everything that comes later; their norm
    is the Euclidean one over batch and units. ``c_gradient`` is the sum (of vectors) of what came
    along the cell, f ⊙ ∂L/∂c of the next step, and of what came through the gates.
    """

    step: int  #: training step that was sampled, counted from 0
    gate_mean: np.ndarray  #: (T, 4)
    gate_shut: np.ndarray  #: (T, 4) share of gates below 0.1
    gate_open: np.ndarray  #: (T, 4) share of gates above 0.9
    h_rms: np.ndarray  #: (T,)
    c_rms: np.ndarray  #: (T,)
    forget_mean: np.ndarray  #: (U,) mean forget gate of every unit; its time scale is 1/(1 − f)
    h_gradient: np.ndarray  #: (T,) ‖∂L/∂h_t‖
    c_gradient: np.ndarray  #: (T,) ‖∂L/∂c_t‖
    carousel_gradient: np.ndarray  #: (T,) ‖f ⊙ ∂L/∂c‖, the part that came along the cell
    gated_gradient: np.ndarray  #: (T,) the rest
    z_gradient: np.ndarray  #: (T, 4) ‖∂L/∂z‖ of the four pre-activations
    tensors: dict[str, np.ndarray] = field(default_factory=dict)


class Monitor:
    """Reads an LSTM layer while it trains; ``layer.attach(monitor)`` before the first `fit`.

    It looks at every `every`-th training step, the first included, and keeps what it saw last in
    variables of its own: a layer with a monitor has no weight more. With ``tensors=True`` it also
    keeps the gates, states and gradients themselves, by name, ``(N, T, U)`` or ``(N, T, 4U)``.
    """

    def __init__(self, every: int = 10, *, tensors: bool = False) -> None:
        if every < 1:
            raise ValueError(
                f"A monitor was asked to look at every {every}th step. Expected 1 or more: "
                "every=1 looks at each step, every=10 at one in ten."
            )
        self.every = every
        self.tensors = tensors
        self._step = tf.Variable(0, dtype=tf.int64, trainable=False)
        self._sampled = tf.Variable(-1, dtype=tf.int64, trainable=False)
        self._forward = _variable([None, _FORWARD_COLUMNS])
        self._backward = _variable([None, _BACKWARD_COLUMNS])
        self._forget = _variable([None])
        self._raw: dict[str, tf.Variable] = {}

    def read(self) -> Reading | None:
        """Return what was seen last, or None before the first step."""
        step = int(self._sampled.numpy())
        if step < 0:
            return None
        f, b = self._forward.numpy(), np.sqrt(self._backward.numpy())
        count = np.maximum(f[:, 14:], 1)  # live entries per step: 0 where all of it was masked
        return Reading(
            step=step,
            gate_mean=f[:, 0:4] / count,
            gate_shut=f[:, 4:8] / count,
            gate_open=f[:, 8:12] / count,
            h_rms=np.sqrt(f[:, 12] / count[:, 0]),
            c_rms=np.sqrt(f[:, 13] / count[:, 0]),
            forget_mean=self._forget.numpy() * len(self._forget.numpy()) / max(count.sum(), 1),
            h_gradient=b[:, 0],
            c_gradient=b[:, 1],
            carousel_gradient=b[:, 2],
            gated_gradient=b[:, 3],
            z_gradient=b[:, 4:8],
            tensors={name: raw.numpy() for name, raw in self._raw.items()},
        )

    def sample(self) -> tf.Tensor:
        """Count one training step; return whether it is one to look at."""
        step = self._step.read_value()
        sampled = tf.equal(step % self.every, 0)
        self._sampled.assign(tf.where(sampled, step, self._sampled))
        self._step.assign_add(1)
        return sampled

    def write_forward(self, pieces: list[dict[str, tf.Tensor]]) -> None:
        """Keep the sums that `summarise_forward` made of every piece of the batch."""
        self._forward.assign(tf.add_n([piece.pop("steps") for piece in pieces]))
        self._forget.assign(tf.add_n([piece.pop("forget") for piece in pieces]))
        self._write_raw(pieces, ("gates", "h", "c"))

    def write_backward(self, pieces: list[dict[str, tf.Tensor]]) -> None:
        """Keep the sums of squares that `summarise_backward` made of every piece."""
        self._backward.assign(tf.add_n([piece.pop("steps") for piece in pieces]))
        names = ("h", "c", "carousel", "gated", "z")
        self._write_raw(pieces, names, suffix="_gradient")

    def _write_raw(
        self, pieces: list[dict[str, tf.Tensor]], names: tuple[str, ...], suffix: str = ""
    ) -> None:
        for name in names if self.tensors else ():
            with tf.init_scope():  # a variable outlives the graph it is first written in
                raw = self._raw.setdefault(name + suffix, _variable([None, None, None]))
            raw.assign(tf.cast(tf.concat([piece[name] for piece in pieces], 0), tf.float32))


def summarise_forward(seen: dict[str, tf.Tensor], live: tf.Tensor) -> dict[str, tf.Tensor]:
    """Sum gates ``(T, N, 4U)``, h and c ``(T, N, U)`` over live entries of every step."""
    steps, rows, units = tf.unstack(tf.shape(seen["h"]))
    weight = tf.cast(tf.transpose(live), seen["h"].dtype)  # (T, N)
    gates = tf.reshape(seen["gates"], [steps, rows, 4, units])
    shut = gates < tf.constant(SHUT, gates.dtype)[:, None]
    opened = gates > tf.constant(OPEN, gates.dtype)[:, None]
    by_gate = [
        tf.reduce_sum(tf.cast(part, gates.dtype) * weight[:, :, None, None], [1, 3])  # (T, 4)
        for part in (gates, shut, opened)
    ]
    squares = [
        tf.reduce_sum(state * state * weight[:, :, None], [1, 2])
        for state in (seen["h"], seen["c"])
    ]
    count = tf.reduce_sum(weight, 1) * tf.cast(units, weight.dtype)
    forget = tf.reduce_sum(gates[:, :, 1] * weight[:, :, None], [0, 1])  # (U,)
    per_step = tf.concat([*by_gate, tf.stack([*squares, count], 1)], 1)
    return {"steps": tf.cast(per_step, tf.float32), "forget": tf.cast(forget, tf.float32)}


def summarise_backward(seen: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """Sum the squares of the gradients of every step over the batch."""
    steps, rows, units = tf.unstack(tf.shape(seen["h"]))
    z = tf.reshape(seen["z"], [steps, rows, 4, units])
    squares = [
        tf.reduce_sum(seen[name] * seen[name], [1, 2]) for name in ("h", "c", "carousel", "gated")
    ]
    per_step = tf.concat([tf.stack(squares, 1), tf.reduce_sum(z * z, [1, 3])], 1)
    return {"steps": tf.cast(per_step, tf.float32)}


def _variable(shape: list[int | None]) -> tf.Variable:
    return tf.Variable(tf.zeros([n or 0 for n in shape]), shape=shape, trainable=False)
