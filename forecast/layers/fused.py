"""Running the fused LSTM: compiled by XLA, one piece of the batch per core, gradients attached.

Outside a graph, where nothing is asked for but the outputs, TensorFlow's own kernel runs the steps:
compiling takes longer than a forecast.
"""

import functools
import itertools
import os
from typing import Any

import tensorflow as tf

from forecast.layers import bptt
from forecast.layers.bptt import Plan, States, Weights
from forecast.layers.monitor import Monitor

#: Below this many rows a piece of the batch costs more to start than it saves.
MIN_ROWS = 8
#: Each piece adds a call to the graph; with more, batches are rarely large enough.
MAX_PIECES = 8
#: Pieces where sums are to be made in one order whatever the cores: enough for two of them.
FIXED_PIECES = 2


def lstm(
    plan: Plan,
    x: tf.Tensor,
    live: tf.Tensor | None,
    weights: Weights,
    start: States,
    monitor: Monitor | None = None,
) -> dict[str, tf.Tensor]:
    """Return h_last, c_last ``(N, U)`` and, as `plan` asks, h, c ``(N, T, U)`` of x ``(N, T, F)``.

    Differentiable in x, weights and start by the backward pass of `bptt`. With ``plan.keep``
    False the scan stores nothing on its way; should a gradient be asked for after all, it is run
    once more. `live` is the boolean mask ``(N, T)`` or None.
    """
    plan = plan._replace(
        masked=live is not None, observe=monitor is not None, raw=bool(monitor and monitor.tensors)
    )
    whole = live is None and 0 not in x.shape and x.dtype == tf.float32  # what the kernel takes
    once = whole and tf.executing_eagerly() and not (plan.keep or plan.observe)
    live = tf.ones(tf.shape(x)[:2], tf.bool) if live is None else live
    outputs = ["h_last", "c_last"] + ["h"] * plan.sequence + ["c"] * plan.cells

    @tf.custom_gradient
    def run(*inputs: tf.Tensor) -> tuple[list[tf.Tensor], Any]:
        # Else an eager tape would also record, and try to differentiate, what happens in here.
        x, *rest = (tf.stop_gradient(tensor) for tensor in inputs)
        shared = Weights(*rest[:3])
        pieces = _cut({"x": x, "live": live, "start": States(*rest[3:])}, _pieces(x))
        if once:
            made = [_at_once(x, shared, States(*rest[3:]))]
        else:
            made = _forward(plan, pieces, shared, monitor)

        @_once_differentiable
        def gradient(*upstream: tf.Tensor) -> list[tf.Tensor]:
            upstream = tuple(tf.stop_gradient(tensor) for tensor in upstream)
            again = None if plan.keep else _forward(plan._replace(keep=True), pieces, shared, None)
            given = _cut(dict(zip(outputs, upstream, strict=True)), len(pieces))
            calls = [
                {**piece, "factors": m["factors"], "upstream": u}
                for piece, m, u in zip(pieces, again or made, given, strict=True)
            ]
            d = _backward(plan, calls, shared, monitor)
            d_weights = [tf.add_n(w) for w in zip(*(m["weights"] for m in d), strict=True)]
            d_start = [tf.concat(s, 0) for s in zip(*(m["start"] for m in d), strict=True)]
            return [tf.concat([m["x"] for m in d], 0), *d_weights, *d_start]

        return [tf.concat([m[name] for m in made], 0) for name in outputs], gradient

    # Variables would make tf.custom_gradient ask for a second way of returning their gradients.
    inputs = [tf.convert_to_tensor(value) for value in (x, *weights, *start)]
    return dict(zip(outputs, run(*inputs), strict=True))


def _once_differentiable(gradient: Any) -> Any:
    """Let a second derivative fail with advice: the pass is derived once, by hand."""

    @tf.custom_gradient
    def wrapped(*upstream: tf.Tensor) -> tuple[list[tf.Tensor], Any]:
        def second(*_: tf.Tensor) -> None:
            raise NotImplementedError(
                "A second derivative was asked of forecast.layers.LSTM, whose backward pass is "
                "derived by hand, once. Expected first derivatives only: pass use_cudnn=False to "
                "the layer to take the plain loop, which can be differentiated twice."
            )

        return gradient(*upstream), second

    return wrapped


def _at_once(x: tf.Tensor, weights: Weights, start: States) -> dict[str, tf.Tensor]:
    """What the scan makes, by a kernel that need not be compiled.

    Its registered gradient is wrong by far, so none is ever taken through it.
    """
    none = tf.zeros_like(start.c[0])
    made = tf.raw_ops.BlockLSTMV2(
        seq_len_max=x.shape[1],
        x=tf.transpose(x, [1, 0, 2]),  # (T, N, F)
        cs_prev=start.c,
        h_prev=start.h,
        w=tf.concat([weights.kernel, weights.recurrent], 0),  # (F + U, 4U), gates i, f, c, o
        b=weights.bias,
        wci=none,
        wcf=none,
        wco=none,
    )
    h, c = (tf.transpose(rows, [1, 0, 2]) for rows in (made.h, made.cs))  # (N, T, U)
    return {"h": h, "c": c, "h_last": h[:, -1], "c_last": c[:, -1]}


def _forward(
    plan: Plan, pieces: list[Any], weights: Weights, monitor: Monitor | None
) -> list[dict[str, Any]]:
    made = [_program(bptt.forward, plan)(weights=weights, **piece) for piece in pieces]
    if monitor:
        counts = [tf.reduce_sum(tf.cast(piece["live"], tf.float32), 0) for piece in pieces]
        monitor.write("forward", _joined(made, "seen") | {"live": tf.add_n(counts)})
        monitor.write("forward raw", _joined(made, "raw"))
    return made


def _backward(
    plan: Plan, calls: list[Any], weights: Weights, monitor: Monitor | None
) -> list[dict[str, Any]]:
    made = [_program(bptt.backward, plan)(weights=weights, **call) for call in calls]
    if monitor:
        monitor.write("backward", _joined(made, "seen"))
        monitor.write("backward raw", _joined(made, "raw"))
    return made


def _joined(made: list[dict[str, Any]], part: str) -> dict[str, tf.Tensor]:
    """Take what every piece made of sums ("seen") or tensors ("raw") and make one of it."""
    pieces = [piece.pop(part, {}) for piece in made]
    join = tf.add_n if part == "seen" else functools.partial(tf.concat, axis=0)
    return {name: join([piece[name] for piece in pieces]) for name in pieces[0]}


@functools.cache
def _program(scan: Any, plan: Plan) -> Any:
    """Return `scan` as a program of XLA: one for the whole process, shared by all layers."""
    return tf.function(functools.partial(scan, plan), jit_compile=True, autograph=False)


def _pieces(x: tf.Tensor) -> int:
    """Into how many pieces a batch is cut: none of them tiny if its size is known.

    One per core. With one thread per operation, which fixes the order of all other sums (see
    `training.devices.fix_order`), always the same number: that of the pieces is an order, too.
    """
    fixed = tf.config.threading.get_intra_op_parallelism_threads() == 1
    count = FIXED_PIECES if fixed else min(_cores(), MAX_PIECES)
    known = x.shape[0]
    return count if known is None else max(1, min(count, known // MIN_ROWS))


def _cut(tensors: Any, count: int) -> list[Any]:
    """Cut the batch of every tensor into `count` pieces, as equal as can be."""
    if count == 1:
        return [tensors]
    first = tf.nest.flatten(tensors)[0]
    rows = tf.shape(first)[0] if first.shape[0] is None else first.shape[0]
    bounds = [rows * k // count for k in range(count + 1)]
    return [
        tf.nest.map_structure(lambda tensor, a=a, b=b: tensor[a:b], tensors)
        for a, b in itertools.pairwise(bounds)
    ]


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
