"""What is measured inside a network: pure functions of arrays; each says what it reveals."""

from typing import NamedTuple

import numpy as np

#: Gates in telemetry, in the order of the layer's columns: i, f, c̃, o.
GATES = ("input", "forget", "candidate", "output")
#: The decay is fitted down to this share of the largest norm: what lies below changes nothing.
FITTED = 1e-3
#: Below this share of the largest norm is rounding noise of float32.
NOISE = 1e-6


class Decay(NamedTuple):
    """How a gradient norm falls with the lag."""

    rate: float  # ρ, the fitted factor per session; above 1 it grows
    horizon_sessions: float  # where it has fallen to 1/e; infinite when it does not fall


def memory(norm_by_lag: np.ndarray) -> Decay:
    """Decay of the gradient norm (L,) over the lags 0 … L − 1 (sessions before the loss).

    Reveals vanishing (the network cannot learn from sessions far beyond the horizon) and explosion
    (ρ > 1). The horizon is read off the curve: the lag where it first lies below 1/e of its
    largest value; where it never does, it is carried on with ρ: −1/ln ρ. On a straight fall both
    are the same. ρ is fitted to what lies above a thousandth of the largest value, so that neither
    a tail that changes nothing nor the noise of float32 bends it. NaN when a norm is not finite or
    all are zero.
    """
    norm = np.asarray(norm_by_lag, float)
    if len(norm) < 2 or not np.isfinite(norm).all() or not norm.max() > 0:
        return Decay(np.nan, np.nan)
    top = int(norm.argmax())
    share = np.maximum(norm / norm[top], NOISE)  # (L,)
    first = int((share >= FITTED).argmax())
    low = top + np.flatnonzero(share[top:] < FITTED)
    stop = int(low[0]) + 1 if len(low) else len(norm)
    rate = float(np.exp(np.polyfit(np.arange(first, stop), np.log(share[first:stop]), 1)[0]))
    below = top + np.flatnonzero(share[top:] < np.exp(-1))
    if not len(below):
        return Decay(rate, top - 1 / np.log(rate) if rate < 1 else np.inf)
    k = int(below[0])
    before, after = np.log(share[k - 1 : k + 1])
    return Decay(rate, float(k - 1 + (-1 - before) / (after - before)))


def omega(norm_by_lag: np.ndarray) -> float:
    """Pascanu's Ω, averaged over the lags: (‖δ_k‖ / ‖δ_{k+1}‖ − 1)².

    Reveals steps that do not keep the norm of the gradient: 0 when every step keeps it, towards 1
    when it vanishes, above 1 when it explodes. Pascanu, Mikolov & Bengio 2013, equation 9. Lags
    beyond rounding noise are left out; NaN when none is left.
    """
    norm = np.asarray(norm_by_lag, float)
    usable = norm[:-1] > NOISE * np.nanmax(norm, initial=0.0)
    ratio = norm[1:][usable] / norm[:-1][usable]
    return float(np.mean((ratio - 1) ** 2)) if len(ratio) else np.nan


def carousel_share(carousel: np.ndarray, gated: np.ndarray) -> float:
    """Share of ∂L/∂c that came along the cell, f ⊙ ∂L/∂c, not through the gates; norms (T,).

    Reveals an LSTM whose constant error carousel (Hochreiter & Schmidhuber 1997) is not used:
    near 0 it is no better than a simple RNN, near 1 the memory does the work.
    """
    return float(carousel.sum() / max((carousel + gated).sum(), 1e-300))


def forget_time_scale(forget: np.ndarray) -> np.ndarray:
    """1/(1 − f) in sessions of mean forget gates (U,): how long a unit keeps what it stores.

    Reveals a memory that is shorter than the window: with Keras's forget bias of 1, f is 0.731
    and a unit keeps for 3.7 sessions.
    """
    return 1 / np.maximum(1 - forget, 1e-6)


def cell_drift(c_rms: np.ndarray) -> float:
    """Cell state at the end of the window over that at half of it, root mean squares (T,).

    Reveals a cell that only adds (Gers et al. 2000: without forget gates it grows until tanh c is
    flat): about 1 when it is bounded, 2 when it grows as fast as the window.
    """
    return float(c_rms[-1] / max(c_rms[len(c_rms) // 2], 1e-12))


def update_ratio(update_norm: np.ndarray, weight_norm: np.ndarray) -> np.ndarray:
    """‖Δw‖ / ‖w‖ of each weight.

    Reveals a learning rate that is far off: about 1e-3 is usual, 1e-1 destroys, 1e-6 stalls.
    """
    return update_norm / np.maximum(weight_norm, 1e-12)


def noise_scale(parts: np.ndarray, rows: int) -> float:
    """Gradient noise scale in rows: variance of a row's gradient over the squared true gradient.

    From the gradients (P, W) of P equal parts of a batch of `rows` rows. Reveals a batch that is
    far too small (scale ≫ batch: steps are mostly noise) or larger than it pays (scale ≪ batch).
    McCandlish et al. 2018, appendix A.1: both terms unbiased; infinite when the batch is too small
    to tell the gradient from noise.
    """
    small, big = rows / len(parts), float(rows)
    square_small = float((parts**2).sum(axis=1).mean())
    square_big = float((parts.mean(axis=0) ** 2).sum())
    gradient = (big * square_big - small * square_small) / (big - small)
    variance = (square_small - square_big) / (1 / small - 1 / big)
    return variance / gradient if gradient > 0 else np.inf
