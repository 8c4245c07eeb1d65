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
    keep: bool = False  # make the factors that the backward pass needs
    observe: bool = False  # sum up, step by step, what a monitor shows
    raw: bool = False  # and hand it out as it is


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
    """What the backward pass needs of a step; each ``(N, U)``, of all steps ``(T, N, U)``."""

    c_by_i: tf.Tensor  # ∂c/∂z_i = g i (1 − i)
    c_by_f: tf.Tensor  # ∂c/∂z_f = c₋₁ f (1 − f)
    c_by_g: tf.Tensor  # ∂c/∂z_c = i (1 − g²)
    h_by_o: tf.Tensor  # ∂h/∂z_o = h (1 − o)
    h_by_c: tf.Tensor  # ∂h/∂c   = o (1 − tanh² c)
    c_by_c: tf.Tensor  # ∂c/∂c₋₁ = f
    h: tf.Tensor


def forward(
    plan: Plan, x: tf.Tensor, live: tf.Tensor, weights: Weights, start: States
) -> dict[str, Any]:
    """Run the steps over x ``(N, T, F)``; `live` is the mask ``(N, T)``.

    Returns h_last and c_last ``(N, U)`` and, as `plan` asks, h and c ``(N, T, U)``, factors, seen,
    the sums of every step that `FORWARD_SUMS` names, ``(T, U)`` or ``(T, 4U)``, and raw.
    """
    steps, units = tf.shape(x)[1], weights.recurrent.shape[0]
    scale, shift = _gate_scale(units, x.dtype)
    kernel, recurrent, bias = (w * scale for w in weights)
    x = tf.transpose(x, [1, 0, 2])  # (T, N, F)
    alive = tf.transpose(live)[:, :, None] if plan.masked else None  # (T, N, 1)

    def step(t: Any, h_tm1: Any, c_tm1: Any, rows: dict[str, Any]) -> tuple[Any, ...]:
        # x W stays in the loop: made before it, it would be written to memory and read again.
        z = x[t] @ kernel + h_tm1 @ recurrent + bias  # (N, 4U)
        gates = tf.tanh(z) * scale + shift
        i, f, g, o = tf.split(gates, 4, axis=1)
        c = f * c_tm1 + i * g
        squashed = tf.tanh(c)
        h = o * squashed
        factors = Factors(
            c_by_i=g * i * (1 - i),
            c_by_f=c_tm1 * f * (1 - f),
            c_by_g=i * (1 - g * g),
            h_by_o=h * (1 - o),
            h_by_c=o * (1 - squashed * squashed),
            c_by_c=f,
            h=h,
        )
        if alive is not None:  # a masked step hands states and gradients on as they are
            h, c = tf.where(alive[t], h, h_tm1), tf.where(alive[t], c, c_tm1)
            none = tf.zeros_like(h)
            held = Factors(none, none, none, none, none, tf.ones_like(h), h)
            both = zip(factors, held, strict=True)
            factors = Factors(*(tf.where(alive[t], new, old) for new, old in both))
        made = {**factors._asdict(), "gates": gates, "h": h, "c": c}
        if plan.observe:
            made |= _sum_forward(gates, h, c, None if alive is None else alive[t])
        return t + 1, h, c, {name: row.write(t, made[name]) for name, row in rows.items()}

    rows = {"h": _rows(x, units)} if plan.sequence or plan.keep else {}
    rows |= {name: _rows(x, units) for name in Factors._fields if plan.keep}
    rows |= {"c": _rows(x, units)} if plan.cells or plan.raw else {}
    rows |= {"gates": _rows(x, 4 * units)} if plan.raw else {}
    rows |= {k: _sums(x, n * units) for k, n in FORWARD_SUMS.items() if plan.observe}
    _, h, c, rows = tf.while_loop(
        lambda t, *_: t < steps, step, (0, start.h, start.c, rows), maximum_iterations=steps
    )
    made = {name: row.stack() for name, row in rows.items()}
    result = {"h_last": h, "c_last": c}
    result |= {"factors": Factors(*(made[k] for k in Factors._fields))} if plan.keep else {}
    result |= {"seen": {k: made[k] for k in FORWARD_SUMS}} if plan.observe else {}
    result |= {"h": _batch_major(made["h"])} if plan.sequence else {}
    result |= {"c": _batch_major(made["c"])} if plan.cells else {}
    if plan.raw:
        result["raw"] = {name: _batch_major(made[name]) for name in ("gates", "h", "c")}
    return result


def backward(
    plan: Plan,
    x: tf.Tensor,
    live: tf.Tensor,
    weights: Weights,
    start: States,
    factors: Factors,
    upstream: dict[str, tf.Tensor],
) -> dict[str, Any]:
    """Run the steps backwards from the gradients of the outputs of `forward`.

    Returns the gradients x ``(N, T, F)``, weights, start and, as `plan` asks, seen, the sums that
    `BACKWARD_SUMS` names, and raw: ∂h, ∂c, carousel (what reached ∂c along the
    cell), gated (the rest of it), each ``(N, T, U)``, and ∂z ``(N, T, 4U)``.
    """
    steps, units = tf.shape(x)[1], weights.recurrent.shape[0]
    recurrent_t = tf.transpose(weights.recurrent)
    alive = tf.transpose(live)[:, :, None] if plan.masked else None  # (T, N, 1)
    d_sequence = tf.transpose(upstream["h"], [1, 0, 2]) if plan.sequence else None  # (T, N, U)
    d_cells = tf.transpose(upstream["c"], [1, 0, 2]) if plan.cells else None
    x = tf.transpose(x, [1, 0, 2])  # (T, N, F)

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
        if plan.observe:
            made |= {f"{name}²": tf.reduce_sum(made[name] ** 2, 0) for name in BACKWARD_SUMS}
        d_h_tm1 = d_z @ recurrent_t  # (N, U)
        if alive is not None:
            d_h_tm1 += tf.where(alive[t], tf.zeros_like(d_h), d_h)
        rows = {name: row.write(t, made[name]) for name, row in rows.items()}
        return s + 1, d_h_tm1, d_c * at.c_by_c, rows

    rows = {"z": _rows(x, 4 * units)}
    rows |= {name: _rows(x, units) for name in ("h", "c", "carousel", "gated") if plan.raw}
    rows |= {f"{k}²": _sums(x, n * units) for k, n in BACKWARD_SUMS.items() if plan.observe}
    loop = (0, upstream["h_last"], upstream["c_last"], rows)
    _, d_h, d_c, rows = tf.while_loop(lambda s, *_: s < steps, step, loop, maximum_iterations=steps)
    made = {name: row.stack() for name, row in rows.items()}
    d_x, d_weights = _outside_the_loop(x, factors.h, made["z"], weights, start)
    result = {"x": d_x, "weights": d_weights, "start": States(d_h, d_c)}
    result |= {"seen": {k: made[f"{k}²"] for k in BACKWARD_SUMS}} if plan.observe else {}
    result |= {"raw": {k: _batch_major(made[k]) for k in BACKWARD_SUMS}} if plan.raw else {}
    return result


def _outside_the_loop(
    x: tf.Tensor, h: tf.Tensor, d_z: tf.Tensor, weights: Weights, start: States
) -> tuple[tf.Tensor, Weights]:
    """Gradients of the inputs and of the weights from d_z ``(T, N, 4U)``: one product each."""
    features, units = x.shape[2], h.shape[2]
    h_tm1 = tf.concat([start.h[None], h[:-1]], 0)
    driven_by = tf.concat([x, tf.ones_like(x[:, :, :1]), h_tm1], 2)  # (T, N, F + 1 + U)
    flat = tf.reshape(d_z, [-1, 4 * units])  # (T·N, 4U)
    d_all = tf.matmul(tf.reshape(driven_by, [-1, features + 1 + units]), flat, transpose_a=True)
    d_x = tf.reshape(tf.matmul(flat, weights.kernel, transpose_b=True), tf.shape(x))
    d_kernel, d_bias, d_recurrent = tf.split(d_all, [features, 1, units])
    return tf.transpose(d_x, [1, 0, 2]), Weights(d_kernel, d_recurrent, d_bias[0])


#: What a monitor is shown of a step forwards, and backwards (sums of squares): sums over the rows
#: of the batch, for so many units each. They are made inside the loop, where what they sum is in
#: the cache, and kept apart: put side by side, XLA would sum them one number at a time.
FORWARD_SUMS = {"gate": 4, "shut": 4, "open": 4, "h²": 1, "c²": 1}
BACKWARD_SUMS = {"z": 4, "h": 1, "c": 1, "carousel": 1, "gated": 1}
#: A gate below 0.1 is shut, above 0.9 open; the candidate is read on the same scale, (1 + g)/2.
SHUT = (0.1, 0.1, -0.8, 0.1)
OPEN = (0.9, 0.9, 0.8, 0.9)


def _sum_forward(gates: tf.Tensor, h: tf.Tensor, c: tf.Tensor, alive: Any) -> dict[str, Any]:
    units, dtype = h.shape[1], h.dtype
    shut = tf.cast(gates < tf.repeat(tf.constant(SHUT, dtype), units), dtype)
    opened = tf.cast(gates > tf.repeat(tf.constant(OPEN, dtype), units), dtype)
    parts = dict(zip(FORWARD_SUMS, (gates, shut, opened, h * h, c * c), strict=True))
    if alive is not None:
        parts = {name: tf.where(alive, part, tf.zeros_like(part)) for name, part in parts.items()}
    return {name: tf.reduce_sum(part, 0) for name, part in parts.items()}


def _gate_scale(units: int, dtype: tf.DType) -> tuple[tf.Tensor, tf.Tensor]:
    """Return scale and shift ``(4U,)``: as σ(z) = tanh(z/2)/2 + 1/2, four gates are one tanh."""
    scale = tf.repeat(tf.constant([0.5, 0.5, 1.0, 0.5], dtype), units)
    shift = tf.repeat(tf.constant([0.5, 0.5, 0.0, 0.5], dtype), units)
    return scale, shift


def _batch_major(rows: tf.Tensor) -> tf.Tensor:
    return tf.transpose(rows, [1, 0, 2])


def _rows(x: tf.Tensor, width: int) -> tf.TensorArray:
    """One row ``(N, width)`` per step of x ``(T, N, F)``."""
    return tf.TensorArray(x.dtype, tf.shape(x)[0], element_shape=[x.shape[1], width])


def _sums(x: tf.Tensor, width: int) -> tf.TensorArray:
    """One vector ``(width,)`` per step of x ``(T, N, F)``."""
    return tf.TensorArray(x.dtype, tf.shape(x)[0], element_shape=[width])
