"""The fused LSTM: a forward scan and its hand-derived backward pass through time.

One step, with z the pre-activations and g the candidate c̃ (Hochreiter & Schmidhuber 1997; forget
gate: Gers et al. 2000):

    z = x W + h₋₁ V + b      i, f, o = σ(z_i), σ(z_f), σ(z_o)      g = tanh(z_c)
    c = f ⊙ c₋₁ + i ⊙ g      h = o ⊙ tanh(c)

Backwards (Werbos 1990), with ∂h the gradient of the loss with respect to h_t through everything
that comes later:

    ∂c = f₊₁ ⊙ ∂c₊₁ + ∂h ⊙ o (1 − tanh² c)
    ∂z = [∂c ⊙ g i (1 − i),  ∂c ⊙ c₋₁ f (1 − f),  ∂c ⊙ i (1 − g²),  ∂h ⊙ h (1 − o)]
    ∂h₋₁ = ∂z Vᵀ             ∂W = Σ xᵀ ∂z      ∂V = Σ h₋₁ᵀ ∂z      ∂b = Σ ∂z

The factors beside ∂c and ∂h are made in the forward step, where everything is in the cache, so
that a backward step is one product of matrices and a few multiplications; the gradients of the
weights are one product after the loop. Inside, time comes first: ``(T, N, ...)``.
"""

from typing import Any, NamedTuple

import tensorflow as tf


class Plan(NamedTuple):
    """What a call is made of; known when its graph is built."""

    masked: bool = False
    sequence: bool = False  # h of every step is an output, not the last alone
    cells: bool = False  # so is c of every step
    keep: bool = False  # make what the backward pass needs
    observe: bool = False  # and what a monitor wants to see


class Weights(NamedTuple):
    """kernel ``(F, 4U)``, recurrent_kernel ``(U, 4U)``, bias ``(4U,)``; gates i, f, c, o."""

    kernel: tf.Tensor
    recurrent: tf.Tensor
    bias: tf.Tensor


class States(NamedTuple):
    """h and c before the first step (or their gradients), each ``(N, U)``."""

    h: tf.Tensor
    c: tf.Tensor


class Factors(NamedTuple):
    """What the backward pass needs of every step, ``(T, N, U)`` each but the first."""

    driver: tf.Tensor  # [x, 1, h₋₁], what W, b and V were multiplied by, (T, N, F + 1 + U)
    c_by_i: tf.Tensor  # ∂c/∂z_i = g i (1 − i)
    c_by_f: tf.Tensor  # ∂c/∂z_f = c₋₁ f (1 − f)
    c_by_g: tf.Tensor  # ∂c/∂z_c = i (1 − g²)
    h_by_o: tf.Tensor  # ∂h/∂z_o = h (1 − o)
    h_by_c: tf.Tensor  # ∂h/∂c   = o (1 − tanh² c)
    c_by_c: tf.Tensor  # ∂c/∂c₋₁ = f


def forward(
    plan: Plan, x: tf.Tensor, live: tf.Tensor, weights: Weights, start: States
) -> dict[str, Any]:
    """Run the steps over x ``(N, T, F)``; `live` is the mask ``(N, T)``.

    Returns h_last and c_last ``(N, U)`` and, as `plan` asks, h and c ``(N, T, U)``, the factors,
    and seen: gates ``(T, N, 4U)``, h and c ``(T, N, U)``.
    """
    steps, units = tf.shape(x)[1], weights.recurrent.shape[0]
    scale, shift = _gate_scale(units, x.dtype)
    weight = _joined(weights) * scale  # (F + 1 + U, 4U)
    x = _with_one(tf.transpose(x, [1, 0, 2]))  # (T, N, F + 1)
    alive = _time_major(live) if plan.masked else None  # (T, N, 1)

    def step(t: Any, h_tm1: Any, c_tm1: Any, rows: dict[str, Any]) -> tuple[Any, ...]:
        # x W is not made before the loop: it would be written to memory and read again.
        driver = tf.concat([x[t], h_tm1], 1)  # (N, F + 1 + U)
        gates = tf.tanh(driver @ weight) * scale + shift  # (N, 4U)
        i, f, g, o = tf.split(gates, 4, axis=1)
        c = f * c_tm1 + i * g
        squashed = tf.tanh(c)
        made = {
            "c_by_i": g * i * (1 - i),
            "c_by_f": c_tm1 * f * (1 - f),
            "c_by_g": i * (1 - g * g),
            "h_by_o": o * squashed * (1 - o),
            "h_by_c": o * (1 - squashed * squashed),
        }
        h = o * squashed
        if alive is not None:  # a masked step hands states and gradients on as they are
            h, c = tf.where(alive[t], h, h_tm1), tf.where(alive[t], c, c_tm1)
            f = tf.where(alive[t], f, tf.ones_like(f))
            made = {k: tf.where(alive[t], v, tf.zeros_like(v)) for k, v in made.items()}
        made |= {"driver": driver, "h": h, "cells": c, "c_by_c": f, "gates": gates}
        return t + 1, h, c, {name: row.write(t, made[name]) for name, row in rows.items()}

    widths = {"h": units} if plan.sequence or plan.observe else {}
    widths |= dict.fromkeys(Factors._fields, units) if plan.keep else {}
    widths |= {"driver": x.shape[2] + units} if plan.keep else {}
    widths |= {"cells": units} if plan.cells or plan.observe else {}
    widths |= {"gates": 4 * units} if plan.observe else {}
    rows = {name: _rows(x, width) for name, width in widths.items()}
    _, h, c, rows = tf.while_loop(
        lambda t, *_: t < steps, step, (0, start.h, start.c, rows), maximum_iterations=steps
    )
    made = {name: row.stack() for name, row in rows.items()}
    result = {"h_last": h, "c_last": c}
    if plan.sequence:
        result["h"] = tf.transpose(made["h"], [1, 0, 2])
    if plan.cells:
        result["c"] = tf.transpose(made["cells"], [1, 0, 2])
    if plan.keep:
        result["factors"] = Factors(*(made[name] for name in Factors._fields))
    if plan.observe:
        result["seen"] = {"gates": made["gates"], "h": made["h"], "c": made["cells"]}
    return result


def backward(
    plan: Plan,
    live: tf.Tensor,
    weights: Weights,
    factors: Factors,
    upstream: dict[str, tf.Tensor],
) -> dict[str, Any]:
    """Run the steps backwards from the gradients of the outputs of `forward`.

    Returns the gradients x ``(N, T, F)``, weights, start and, when `plan` observes, seen: those of
    every step, h, c, carousel (what reached c along the cell), gated (the rest of it), each
    ``(T, N, U)``, and z ``(T, N, 4U)``.
    """
    steps, units = tf.shape(factors.driver)[0], weights.recurrent.shape[0]
    recurrent_t = tf.transpose(weights.recurrent)
    alive = _time_major(live) if plan.masked else None
    d_sequence = tf.transpose(upstream["h"], [1, 0, 2]) if plan.sequence else None  # (T, N, U)
    d_cells = tf.transpose(upstream["c"], [1, 0, 2]) if plan.cells else None

    def step(s: Any, d_h: Any, carousel: Any, rows: dict[str, Any]) -> tuple[Any, ...]:
        t = steps - 1 - s
        at = Factors(*(factor[t] for factor in factors))
        if d_sequence is not None:
            d_h += d_sequence[t]
        gated = d_h * at.h_by_c
        if d_cells is not None:
            gated += d_cells[t]
        d_c = carousel + gated
        d_z = tf.concat([d_c * at.c_by_i, d_c * at.c_by_f, d_c * at.c_by_g, d_h * at.h_by_o], 1)
        made = {"z": d_z, "h": d_h, "c": d_c, "carousel": carousel, "gated": gated}
        d_h_tm1 = d_z @ recurrent_t  # (N, U)
        if alive is not None:
            d_h_tm1 += tf.where(alive[t], tf.zeros_like(d_h), d_h)
        rows = {name: row.write(t, made[name]) for name, row in rows.items()}
        return s + 1, d_h_tm1, d_c * at.c_by_c, rows

    names = ("z", "h", "c", "carousel", "gated") if plan.observe else ("z",)
    rows = {name: _rows(factors.driver, 4 * units if name == "z" else units) for name in names}
    loop = (0, upstream["h_last"], upstream["c_last"], rows)
    _, d_h, d_c, rows = tf.while_loop(lambda s, *_: s < steps, step, loop, maximum_iterations=steps)
    made = {name: row.stack() for name, row in rows.items()}
    d_x, d_weights = _outside_the_loop(factors.driver, made["z"], weights)
    result = {"x": d_x, "weights": d_weights, "start": States(d_h, d_c)}
    return result | ({"seen": made} if plan.observe else {})


def _outside_the_loop(
    driver: tf.Tensor, d_z: tf.Tensor, weights: Weights
) -> tuple[tf.Tensor, Weights]:
    """Gradients of the inputs and of the weights from d_z ``(T, N, 4U)``: one product each."""
    features, units = weights.kernel.shape[0], weights.recurrent.shape[0]
    flat = tf.reshape(d_z, [-1, 4 * units])  # (T·N, 4U)
    d_all = tf.matmul(tf.reshape(driver, [-1, features + 1 + units]), flat, transpose_a=True)
    d_kernel, d_bias, d_recurrent = tf.split(d_all, [features, 1, units])
    d_x = tf.matmul(flat, weights.kernel, transpose_b=True)
    d_x = tf.reshape(d_x, [*tf.unstack(tf.shape(driver)[:2]), features])
    return tf.transpose(d_x, [1, 0, 2]), Weights(d_kernel, d_recurrent, d_bias[0])


def _joined(weights: Weights) -> tf.Tensor:
    """Weights as one matrix ``(F + 1 + U, 4U)``, for inputs [x, 1, h₋₁]."""
    return tf.concat([weights.kernel, weights.bias[None], weights.recurrent], 0)


def _with_one(x: tf.Tensor) -> tf.Tensor:
    return tf.concat([x, tf.ones_like(x[:, :, :1])], 2)


def _gate_scale(units: int, dtype: tf.DType) -> tuple[tf.Tensor, tf.Tensor]:
    """Return scale and shift ``(4U,)``: as σ(z) = tanh(z/2)/2 + 1/2, four gates are one tanh."""
    scale = tf.repeat(tf.constant([0.5, 0.5, 1.0, 0.5], dtype), units)
    shift = tf.repeat(tf.constant([0.5, 0.5, 0.0, 0.5], dtype), units)
    return scale, shift


def _time_major(live: tf.Tensor) -> tf.Tensor:
    return tf.transpose(live)[:, :, None]


def _rows(x: tf.Tensor, width: int) -> tf.TensorArray:
    """One row ``(N, width)`` per step of x ``(T, N, F)``."""
    return tf.TensorArray(x.dtype, tf.shape(x)[0], element_shape=[x.shape[1], width])
