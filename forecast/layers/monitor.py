"""What a training step shows of one LSTM layer: its gates, and the gradients on their way back."""

import weakref
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import tensorflow as tf

from forecast.layers.bptt import BACKWARD_SUMS, FORWARD_SUMS


@dataclass(frozen=True)
class Reading:
    """One training step; T steps in the order they ran, gates in the order i, f, c̃, o.

    Gradients are of the loss of the whole batch, through everything that comes later; their norm
    is the Euclidean one over batch and units. ``c_gradient`` is the sum (of vectors) of what came
    along the cell, f ⊙ ∂L/∂c of the next step, and of what came through the gates.
    """

    seen: int  #: steps looked at so far, this one included
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

    It looks at every training step whose graph was traced while it was `watching`, and keeps what
    it saw last in variables of its own: a layer with a monitor has no weight more.
    `forecast.telemetry.sampling.SampledSteps` lets it look at one step in so many; the others then
    cost nothing. With ``tensors=True`` it also keeps the gates, states and gradients themselves, by
    name, ``(N, T, U)`` or ``(N, T, 4U)``. It cannot look into a model compiled with
    ``jit_compile=True``, where sizes may not change. A monitor reads one layer: two would write
    over each other's steps.
    """

    def __init__(self, *, tensors: bool = False) -> None:
        self.tensors = tensors
        self.watching = True
        self._layer: weakref.ref[Any] | None = None
        self._seen = tf.Variable(0, dtype=tf.int64, trainable=False)
        self._kept = {
            "forward": {name: _variable(2) for name in FORWARD_SUMS} | {"live": _variable(1)},
            "backward": {name: _variable(2) for name in BACKWARD_SUMS},
            "forward raw": {name: _variable(3) for name in ("gates", "h", "c") if tensors},
            "backward raw": {name: _variable(3) for name in BACKWARD_SUMS if tensors},
        }

    def hold(self, layer: Any) -> None:
        """Belong to `layer`; raises ValueError while another one has this monitor."""
        other = self._layer() if self._layer else None
        if other is not None and other is not layer and other.monitor is self:
            raise ValueError(
                f"The monitor given to layer {layer.name!r} is attached to layer {other.name!r}. "
                "Expected one of its own, because two layers would write over each other's "
                f"readings: pass another forecast.layers.Monitor(), or detach {other.name!r} first."
            )
        self._layer = weakref.ref(layer)

    def read(self) -> Reading | None:
        """Return what was seen last, or None before the first step looked at."""
        seen = int(self._seen.numpy())
        if not seen:
            return None
        kept = {key: {k: v.numpy() for k, v in part.items()} for key, part in self._kept.items()}
        sums, squares = kept["forward"], kept["backward"]
        rows = np.maximum(sums["live"], 1)  # (T,); 0 where all of a step was masked
        steps, units = sums["h²"].shape

        def mean(name: str) -> np.ndarray:
            return sums[name].reshape(steps, -1, units).mean(2) / rows[:, None]

        def norm(name: str) -> np.ndarray:
            if not squares[name].size:  # nothing came back: the layer was only run
                return np.full((steps, BACKWARD_SUMS[name]), np.nan)
            return np.sqrt(squares[name].reshape(steps, -1, units).sum(2))

        return Reading(
            seen=seen,
            gate_mean=mean("gate"),
            gate_shut=mean("shut"),
            gate_open=mean("open"),
            h_rms=np.sqrt(mean("h²")[:, 0]),
            c_rms=np.sqrt(mean("c²")[:, 0]),
            forget_mean=sums["gate"][:, units : 2 * units].sum(0) / max(sums["live"].sum(), 1),
            h_gradient=norm("h")[:, 0],
            c_gradient=norm("c")[:, 0],
            carousel_gradient=norm("carousel")[:, 0],
            gated_gradient=norm("gated")[:, 0],
            z_gradient=norm("z"),
            tensors=kept["forward raw"]
            | {f"{name}_gradient": value for name, value in kept["backward raw"].items()},
        )

    def write(self, key: str, tensors: dict[str, tf.Tensor]) -> None:
        """Keep `tensors` under `key` until the next step that is looked at."""
        if key == "forward":
            self._seen.assign_add(1)
        for name, tensor in tensors.items():
            self._kept[key][name].assign(tf.cast(tensor, tf.float32))


def _variable(rank: int) -> tf.Variable:
    """A variable of any size: batches and lengths may change from step to step."""
    return tf.Variable(tf.zeros([0] * rank), shape=[None] * rank, trainable=False)
