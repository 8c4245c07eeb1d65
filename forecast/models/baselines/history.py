"""Random walk with the empirical distribution of its own recent past."""

from typing import Self

import numpy as np
import pandas as pd

from forecast.models.base import LEVELS, Forecaster
from forecast.prices.panel import Panel

#: Fewest past returns a distribution is read from.
MIN_RETURNS = 60


class History(Forecaster):
    """Historical simulation: quantiles of the h-session returns that ended in the last sessions.

    Overlapping returns ``level_t − level_{t−h}`` for t in the last `sessions` sessions up to the
    cutoff, those without an observation left out; quantiles are linear between order statistics.
    With fewer than 60 returns the forecast is NaN.
    """

    def __init__(self, sessions: int = 250):
        self.sessions = sessions

    @property
    def name(self) -> str:
        """``history-250`` and the like."""
        return f"history-{self.sessions}"

    def fit(self, panel: Panel, until: pd.Timestamp) -> Self:
        """Learn nothing: the window moves with the cutoff."""
        return self

    def forecast(
        self,
        panel: Panel,
        cutoffs: pd.DataFrame,
        horizons: tuple[int, ...],
        levels: np.ndarray = LEVELS,
    ) -> np.ndarray:
        """Return quantiles ``(N, H, Q)`` of past h-session returns."""
        session, ticker = panel.locate(cutoffs)
        every_level = panel.level  # once: it is the logarithm of the whole panel
        quantiles = np.empty((len(cutoffs), len(horizons), len(levels)), np.float32)
        for u in np.unique(ticker):
            rows = np.flatnonzero(ticker == u)
            level = every_level[:, u]
            for k, h in enumerate(horizons):
                windows = past_returns(level, h, self.sessions)[session[rows]]
                quantiles[rows, k] = sorted_quantiles(np.sort(windows, axis=1), levels)
        return quantiles


def past_returns(level: np.ndarray, h: int, sessions: int) -> np.ndarray:
    """View of the last h-session returns at every session: (S,) → (S, sessions), NaN if none."""
    log_return = np.full(len(level) + sessions - 1, np.nan)
    log_return[sessions - 1 + h :] = level[h:] - level[:-h]
    return np.lib.stride_tricks.sliding_window_view(log_return, sessions)


def sorted_quantiles(ordered: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Quantiles (N, Q) of sorted rows (N, W) with NaN at the end; NaN below 60 values."""
    count = np.isfinite(ordered).sum(axis=1)
    place = np.maximum(count - 1, 0)[:, None] * levels  # (N, Q)
    below = place.astype(np.int64)
    above = np.minimum(below + 1, np.maximum(count - 1, 0)[:, None])
    low = np.take_along_axis(ordered, below, axis=1)
    high = np.take_along_axis(ordered, above, axis=1)
    quantiles = low + (place - below) * (high - low)
    quantiles[count < MIN_RETURNS] = np.nan
    return quantiles
