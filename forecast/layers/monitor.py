"""What a training step shows of one LSTM layer: its gates, and the gradients on their way back."""

from dataclasses import dataclass, field

import numpy as np
import tensorflow as tf


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
        self._forward = _variable([None, None])  # (T, 14U)
        self._backward = _variable([None, None])  # (T, 8U)
        self._live = _variable([None])  # (T,) rows that count
        self._raw: dict[str, tf.Variable] = {}

    def read(self) -> Reading | None:
        """Return what was seen last, or None before the first step."""
        step = int(self._sampled.numpy())
        if step < 0:
            return None
        sums = self._forward.numpy().reshape(len(self._live.numpy()), 14, -1)  # (T, 14, U)
        squares = self._backward.numpy().reshape(len(sums), -1, sums.shape[2])  # (T, 8, U)
        rows = np.maximum(self._live.numpy(), 1)  # 0 where all of a step was masked
        mean = sums.mean(2) / rows[:, None]  # (T, 14)
        norm = np.sqrt(squares.sum(2))  # (T, 8)
        return Reading(
            step=step,
            gate_mean=mean[:, 0:4],
            gate_shut=mean[:, 4:8],
            gate_open=mean[:, 8:12],
            h_rms=np.sqrt(mean[:, 12]),
            c_rms=np.sqrt(mean[:, 13]),
            forget_mean=sums[:, 1].sum(0) / max(self._live.numpy().sum(), 1),
            z_gradient=norm[:, 0:4],
            h_gradient=norm[:, 4],
            c_gradient=norm[:, 5],
            carousel_gradient=norm[:, 6],
            gated_gradient=norm[:, 7],
            tensors={name: raw.numpy() for name, raw in self._raw.items()},
        )

    def sample(self) -> tf.Tensor:
        """Count one training step; return whether it is one to look at."""
        step = self._step.read_value()
        sampled = tf.equal(step % self.every, 0)
        self._sampled.assign(tf.where(sampled, step, self._sampled))
        self._step.assign_add(1)
        return sampled

    def write_forward(self, seen: tf.Tensor, live: tf.Tensor, raw: dict[str, tf.Tensor]) -> None:
        """Keep the sums ``(T, 14U)`` of a forward scan with the mask `live` ``(N, T)``."""
        self._forward.assign(tf.cast(seen, tf.float32))
        self._live.assign(tf.reduce_sum(tf.cast(live, tf.float32), 0))
        self._keep(raw)

    def write_backward(self, seen: tf.Tensor, raw: dict[str, tf.Tensor]) -> None:
        """Keep the sums of squares ``(T, 8U)`` of a backward pass."""
        self._backward.assign(tf.cast(seen, tf.float32))
        self._keep({f"{name}_gradient": tensor for name, tensor in raw.items()})

    def _keep(self, raw: dict[str, tf.Tensor]) -> None:
        for name, tensor in raw.items():
            with tf.init_scope():  # a variable outlives the graph it is first written in
                kept = self._raw.setdefault(name, _variable([None, None, None]))
            kept.assign(tf.cast(tensor, tf.float32))


def _variable(shape: list[int | None]) -> tf.Variable:
    return tf.Variable(tf.zeros([n or 0 for n in shape]), shape=shape, trainable=False)
