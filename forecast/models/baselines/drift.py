"""Gaussian random walk with drift."""

from typing import Self

import numpy as np
import pandas as pd

from forecast.models.base import LEVELS, Forecaster
from forecast.prices.panel import Panel
from forecast.windows.features import log_returns

#: Fewest returns a mean and a standard deviation are estimated from.
MIN_RETURNS = 60


class Drift(Forecaster):
    """Normal distribution with mean h·μ and standard deviation √h·σ of the training period.

    μ and σ are those of each ticker's log returns up to `until`; a ticker with fewer than 60
    returns there is given the mean over the other tickers.
    """

    name = "drift"

    def fit(self, panel: Panel, until: pd.Timestamp) -> Self:
        """Estimate mean and standard deviation of each ticker."""
        past = log_returns(panel).loc[:until]
        enough = past.notna().sum() >= MIN_RETURNS
        self.mean_, self.std_ = past.mean()[enough], past.std()[enough]
        return self

    def forecast(
        self,
        panel: Panel,
        cutoffs: pd.DataFrame,
        horizons: tuple[int, ...],
        levels: np.ndarray = LEVELS,
    ) -> np.ndarray:
        """Return quantiles ``(N, H, Q)`` of the normal distribution."""
        from scipy.special import ndtri

        _, ticker = panel.locate(cutoffs)
        h = np.asarray(horizons, float)[:, None]  # (H, 1)
        mean = _by_ticker(self.mean_, panel)  # (U, 1, 1)
        std = _by_ticker(self.std_, panel)
        by_ticker = h * mean + np.sqrt(h) * std * ndtri(levels)  # (U, H, Q)
        return by_ticker.astype(np.float32)[ticker]


def _by_ticker(learned: pd.Series, panel: Panel) -> np.ndarray:
    """Values for the tickers of a panel (U, 1, 1), the mean for those not seen in training."""
    return learned.reindex(panel.tickers).fillna(learned.mean()).to_numpy()[:, None, None]
