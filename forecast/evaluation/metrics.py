"""Scores of single forecasts, elementwise: whoever calls reduces.

Shapes: `y` (…), `quantiles` (…, Q) at ascending `levels` (Q,). NaN in, NaN out.
"""

import numpy as np
import pandas as pd

from forecast.prices.panel import Panel

#: Levels between which a density is read: coarse enough to smooth the steps of a sample.
DENSITY_LEVELS = np.round(np.array([0.01, *np.arange(0.05, 0.951, 0.05), 0.99]), 2)


def pinball(y: np.ndarray, quantiles: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Pinball loss (…, Q): ``max(τ (y − q), (τ − 1)(y − q))`` (Koenker and Bassett, 1978)."""
    error = y[..., None] - quantiles
    return np.maximum(levels * error, (levels - 1) * error)


def crps(y: np.ndarray, quantiles: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Continuous ranked probability score (…): twice the mean pinball loss, in units of `y`.

    Over the 99 levels 0.01 … 0.99 this is the definition used everywhere here.

    References:
        Laio, F. and Tamea, S. (2007). Verification tools for probabilistic forecasts.
    """
    return 2 * pinball(y, quantiles, levels).mean(axis=-1)


def covered(y: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """1 where ``low ≤ y ≤ high``, else 0; NaN where any of them is."""
    inside = ((low <= y) & (y <= high)).astype(float)
    return np.where(np.isnan(y + low + high), np.nan, inside)


def below(y: np.ndarray, quantile: np.ndarray) -> np.ndarray:
    """1 where ``y < quantile`` (a violation of the value at risk), else 0; NaN where any is."""
    return np.where(np.isnan(y + quantile), np.nan, (y < quantile).astype(float))


def direction_hit(y: np.ndarray, median: np.ndarray) -> np.ndarray:
    """1 where forecast and outcome have the same sign, 0 where not, NaN where either is zero."""
    agree = np.sign(y) * np.sign(median)
    return np.where((agree == 0) | np.isnan(agree), np.nan, (agree > 0).astype(float))


def log_score(y: np.ndarray, quantiles: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Minus the log of the forecast density at `y` (…), smaller is better; NaN without density.

    The density is flat between the quantiles at 0.01, 0.05, 0.10 … 0.95, 0.99 and falls
    exponentially beyond, at the rate the outermost two of them imply. A distribution with a
    point mass (equal quantiles) has no density. Raises KeyError when a level is missing.

    References:
        Good, I. J. (1952). Rational decisions.
    """
    places = np.searchsorted(levels, DENSITY_LEVELS - 1e-9)
    if places[-1] >= len(levels) or not np.allclose(levels[places], DENSITY_LEVELS):
        raise KeyError("log_score needs the levels 0.01, 0.05, 0.10 … 0.95, 0.99")
    knots = quantiles[..., places].astype(float)  # (…, K)
    gap = np.diff(knots, axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        log_density = np.log(np.diff(DENSITY_LEVELS) / gap)  # (…, K − 1)
        bin_ = np.clip((knots < y[..., None]).sum(axis=-1) - 1, 0, len(places) - 2)
        score = -_take(log_density, bin_)
        ratio = np.log(DENSITY_LEVELS[1] / DENSITY_LEVELS[0])
        for end, step, beyond in ((0, gap[..., 0], -1.0), (-1, gap[..., -1], 1.0)):
            rate = ratio / step
            reach = beyond * (y - knots[..., end])
            tail = rate * reach - np.log(DENSITY_LEVELS[0] * rate)
            score = np.where(reach > 0, tail, score)
    return np.where(np.isfinite(y) & (gap > 0).all(axis=-1), score, np.nan)


def mase_scale(panel: Panel, until: pd.Timestamp) -> pd.Series:
    """Mean absolute change of the price per session up to `until`, by ticker (Hyndman 2006).

    NaN for a ticker that never moved.
    """
    price = pd.DataFrame(panel.value(panel.level), index=panel.sessions, columns=panel.tickers).loc[
        :until
    ]
    scale = price.diff().abs().mean()
    return scale.where(scale > 0)


def _take(array: np.ndarray, index: np.ndarray) -> np.ndarray:
    return np.take_along_axis(array, index[..., None], axis=-1)[..., 0]
