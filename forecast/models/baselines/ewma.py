"""Exponentially weighted volatility with Student-t innovations."""

from typing import Self

import numpy as np
import pandas as pd

from forecast.models.base import LEVELS, Forecaster
from forecast.prices.panel import Panel
from forecast.windows.features import BURN_IN, DECAY, ewma_volatility, log_returns


class EwmaT(Forecaster):
    """Zero mean, volatility ``σ_t √h`` from an EWMA of squared returns, Student-t quantiles.

    ``σ²_t = Σ_k decay^k r²_{t−k} / Σ_k decay^k`` over the sessions with a return; the t with
    `degrees` of freedom is scaled to unit variance. Before 20 returns the forecast is NaN.

    References:
        J.P. Morgan/Reuters (1996). RiskMetrics: technical document, 4th ed.
    """

    name = "ewma-t"

    def __init__(self, decay: float = DECAY, degrees: float = 5.0):
        self.decay = decay
        self.degrees = degrees

    def fit(self, panel: Panel, until: pd.Timestamp) -> Self:
        """Learn nothing: decay and degrees of freedom are given."""
        return self

    def forecast(
        self,
        panel: Panel,
        cutoffs: pd.DataFrame,
        horizons: tuple[int, ...],
        levels: np.ndarray = LEVELS,
    ) -> np.ndarray:
        """Return quantiles ``(N, H, Q)`` of the scaled Student-t."""
        session, ticker = panel.locate(cutoffs)
        returns = log_returns(panel)
        enough = returns.notna().cumsum() >= BURN_IN
        sigma = ewma_volatility(returns, self.decay).where(enough)
        scale = sigma.to_numpy()[session, ticker][:, None] * np.sqrt(horizons)  # (N, H)
        unit = unit_student_t(levels, self.degrees)
        return scale.astype(np.float32)[:, :, None] * unit.astype(np.float32)


def unit_student_t(levels: np.ndarray, degrees: float) -> np.ndarray:
    """Quantiles (Q,) of a Student-t with unit variance; `degrees` > 2."""
    from scipy.special import stdtrit

    return stdtrit(degrees, levels) * np.sqrt((degrees - 2) / degrees)
