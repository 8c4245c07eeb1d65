"""Gradients inside a recurrent layer, by plain automatic differentiation step by step.

Slow and obvious: every step is a call of the layer's cell on one tape, so that what is measured
does not depend on the code it explains.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from forecast.layers import LSTMCell


def state_gradients(model: keras.Model, x: np.ndarray, y: np.ndarray) -> dict[str, np.ndarray]:
    """‖∂L/∂h_t‖ (T,) and, for a layer with a cell state, ‖∂L/∂c_t‖ (T,), by the step t.

    Through everything that comes later; the norm is over batch and units. For models of
    `learning.network` whose layer, called "recurrent", returns its last output alone.
    """
    place = [layer.name for layer in model.layers].index("recurrent")
    recurrent, after = model.layers[place], model.layers[place + 1 :]
    with tf.GradientTape() as tape:
        states = unroll(recurrent.cell, tf.convert_to_tensor(x), tape)
        z = states[-1][0]
        for layer in after:
            z = layer(z)
        loss = model.compute_loss(x, y, z, training=False)
    kinds = list(zip(*states, strict=True))  # h of every step, c of every step
    gradients = tape.gradient(loss, kinds, unconnected_gradients="zero")
    norms = [np.array([float(tf.norm(step)) for step in kind]) for kind in gradients]
    return dict(zip(("h", "c"), norms, strict=False))


def unroll(cell: Any, inputs: tf.Tensor, tape: tf.GradientTape) -> list[list[tf.Tensor]]:
    """States [h] or [h, c], each (N, U), after every step of inputs (N, T, F), on the tape."""
    sizes = cell.state_size if isinstance(cell.state_size, list | tuple) else [cell.state_size]
    state = [tf.zeros((len(inputs), size), inputs.dtype) for size in sizes]
    tape.watch(state)
    states = []
    for t in range(inputs.shape[1]):
        _, after = cell(inputs[:, t], state)
        state = list(after) if isinstance(after, list | tuple) else [after]
        states.append(state)
    return states


class Chain(NamedTuple):
    """How a gradient at c_T comes back to c_{T−lag}: norms (T,) by lag, means over sequences."""

    measured: np.ndarray  #: along every path, by automatic differentiation
    textbook: np.ndarray  #: the product of the ∂c_t/∂c_{t−1}, by their formula
    carousel: np.ndarray  #: the product of the forget gates alone
    deviation: float  #: of an entry of ∂c_t/∂c_{t−1} by formula, over the largest entry


def chain(cell: LSTMCell, x: np.ndarray, rng: np.random.Generator) -> Chain:
    """Follow random unit gradients at the last c of sequences x (N, T, F) back to the first.

    `cell` is copied to float64, so that formula and measurement may differ by rounding only.
    """
    exact = LSTMCell(cell.units, ablation=getattr(cell, "ablation", None), dtype="float64")
    exact.build((None, x.shape[2]))
    exact.set_weights(cell.get_weights())
    inputs = tf.convert_to_tensor(x, tf.float64)
    v = rng.normal(size=(len(x), cell.units))
    v /= np.linalg.norm(v, axis=1, keepdims=True)
    with tf.GradientTape() as tape:
        states = unroll(exact, inputs, tape)
        value = tf.reduce_sum(states[-1][1] * v)
    back = tape.gradient(value, [c for _, c in states])
    run = _Run.of(exact, x, states)
    formula = run.jacobians()  # (N, T - 1, U, U)
    measured = run.measured_jacobians(exact, inputs)
    return Chain(
        measured=np.array([np.linalg.norm(step, axis=1).mean() for step in back[::-1]]),
        textbook=_back(v, lambda w, t: np.einsum("nu,nuv->nv", w, formula[:, t]), len(back)),
        carousel=_back(v, lambda w, t: w * run.f[:, t + 1], len(back)),
        deviation=float(abs(formula - measured).max() / abs(measured).max()),
    )


def _back(v: np.ndarray, step: Callable[[np.ndarray, int], np.ndarray], steps: int) -> np.ndarray:
    """Mean norm (T,) by lag of v (N, U) taken back from step to step."""
    norms = [1.0]
    for t in reversed(range(steps - 1)):
        v = step(v, t)
        norms.append(float(np.linalg.norm(v, axis=1).mean()))
    return np.array(norms)


class _Run(NamedTuple):
    """Gates and states (N, T, U) of every step, and the recurrent kernels (U, U) of i, f, c̃."""

    i: np.ndarray
    f: np.ndarray
    g: np.ndarray
    o: np.ndarray
    c: np.ndarray
    kernels: list[np.ndarray]
    forgets: bool

    @classmethod
    def of(cls, cell: LSTMCell, x: np.ndarray, states: list[list[tf.Tensor]]) -> "_Run":
        """Make the gates anew, in NumPy, from weights, inputs and states."""
        kernel, recurrent, bias = (np.asarray(w) for w in cell.get_weights())
        h, c = (np.stack([s[k].numpy() for s in states], 1) for k in (0, 1))
        h_tm1 = np.concatenate([np.zeros_like(h[:, :1]), h[:, :-1]], 1)
        z = np.split(x @ kernel + h_tm1 @ recurrent + bias, 4, axis=2)
        i, f, o = (1 / (1 + np.exp(-z[k])) for k in (0, 1, 3))
        forgets = cell.ablation != "no_forget_gate"
        kernels = np.split(recurrent, 4, axis=1)[:3]
        return cls(i, f if forgets else np.ones_like(f), np.tanh(z[2]), o, c, kernels, forgets)

    def jacobians(self) -> np.ndarray:
        """∂c_t/∂c_{t−1} (N, T − 1, U, U) for t = 1 … T − 1, by the chain rule.

        With h₋₁ = o₋₁ ⊙ tanh(c₋₁), V the recurrent kernels, a diagonal is the carousel and
        three terms come through the gates:

            ∂c/∂c₋₁ = diag(f) + [diag(c₋₁ f (1 − f)) V_fᵀ + diag(g i (1 − i)) V_iᵀ
                                 + diag(i (1 − g²)) V_cᵀ] diag(o₋₁ (1 − tanh² c₋₁))
        """
        i, f, g = self.i[:, 1:], self.f[:, 1:], self.g[:, 1:]
        c_tm1 = self.c[:, :-1]
        by_gate = [g * i * (1 - i), c_tm1 * f * (1 - f) * self.forgets, i * (1 - g**2)]
        gated = sum(d[..., None] * V.T for d, V in zip(by_gate, self.kernels, strict=True))
        passed = self.o[:, :-1] * (1 - np.tanh(c_tm1) ** 2)
        return np.asarray(f[..., None] * np.eye(f.shape[-1]) + gated * passed[..., None, :])

    def measured_jacobians(self, cell: LSTMCell, inputs: tf.Tensor) -> np.ndarray:
        """The same by automatic differentiation: all steps are rows of one batch."""
        units = self.c.shape[-1]
        c_tm1 = tf.convert_to_tensor(self.c[:, :-1].reshape(-1, units))
        o_tm1 = self.o[:, :-1].reshape(-1, units)
        x = tf.reshape(inputs[:, 1:], (-1, inputs.shape[-1]))
        with tf.GradientTape() as tape:
            tape.watch(c_tm1)
            _, (_, c) = cell(x, [o_tm1 * tf.tanh(c_tm1), c_tm1])
        jacobian = tape.batch_jacobian(c, c_tm1).numpy()
        return np.asarray(jacobian.reshape(len(self.c), -1, units, units))
