"""The quantile function of each horizon in closed form, in NumPy: it starts without TensorFlow."""

import numpy as np

#: Degrees of freedom of the prior's tails: with zero weights the head is a Student-t(5).
PRIOR_DF = 5
#: Columns of the head's last axis.
PARAMETERS = ("location", "log_scale", "skew", "log_tail")


def prior_arcsinh(levels: np.ndarray) -> np.ndarray:
    """arcsinh of the prior's quantiles: Student-t(5) scaled to variance 1 (Q,)."""
    unit = ((PRIOR_DF - 2) / PRIOR_DF) ** 0.5
    return np.arcsinh(student_t5(levels) * unit)


def student_t5(levels: np.ndarray) -> np.ndarray:
    """Quantiles of the Student-t with 5 degrees of freedom, to machine precision.

    Its distribution at √5 tan θ is ½ + (θ + sin θ cos θ (1 + ⅔ cos² θ)) / π (Abramowitz & Stegun
    26.7.3), solved by Newton's steps. SciPy's takes a fifth of a second to import, which every
    forecast would wait for.
    """
    wanted = np.pi * (np.asarray(levels, np.float64) - 0.5)
    theta = np.zeros_like(wanted)
    for _ in range(60):  # from the middle outwards: each step falls short, none overshoots
        sin, cos = np.sin(theta), np.cos(theta)
        step = (wanted - theta - sin * cos * (1 + 2 / 3 * cos**2)) / (8 / 3 * cos**4)
        theta += step
        if (np.abs(step) <= 1e-15).all():
            break
    return 5**0.5 * np.tan(theta)


def quantiles(parameters: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Quantiles (…, Q) of the distributions with `parameters` (…, 4), in the target's unit.

    ``Q(p) = location + scale · (sinh(tail · arcsinh(t_p) + skew) − sinh(skew))`` with the
    Student-t(5) quantile t_p: the sinh-arcsinh family (Jones & Pewsey 2009) over a t. It rises
    in p for every parameter, so quantiles never cross; all parameters zero give the t itself.
    Computed in the precision of `parameters`: single is ten times as fast.
    """
    location, log_scale, skew, log_tail = np.moveaxis(parameters[..., None], -2, 0)
    prior = prior_arcsinh(levels).astype(parameters.dtype)
    bent = np.sinh(np.exp(log_tail) * prior + skew) - np.sinh(skew)
    return location + np.exp(log_scale) * bent


def at_horizons(
    parameters: np.ndarray, learned: tuple[int, ...], horizons: tuple[int, ...]
) -> np.ndarray:
    """Parameters (N, H, 4) at any `horizons` from those (N, K, 4) at the `learned` ones."""
    mix = mixing(learned, horizons).astype(parameters.dtype)
    return np.einsum("hk,nkp->nhp", mix, parameters)


def mixing(learned: tuple[int, ...], horizons: tuple[int, ...]) -> np.ndarray:
    """Weights (H, K) of the `learned` horizons in each of `horizons`, linear in log h.

    Raises ValueError for a horizon outside the learned range.
    """
    if min(horizons) < learned[0] or max(horizons) > learned[-1]:
        raise ValueError(f"horizons {horizons} reach outside the learned {learned} (sessions)")
    grid, wanted = np.log(learned), np.log(horizons)
    return np.stack([np.interp(wanted, grid, row) for row in np.eye(len(learned))], axis=-1)
