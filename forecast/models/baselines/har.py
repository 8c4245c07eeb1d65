"""HAR: tomorrow's volatility from that of the last day, week and month."""

from typing import Self

import numpy as np
import pandas as pd

from forecast.models.base import LEVELS, Forecaster
from forecast.models.baselines.ewma import unit_student_t
from forecast.prices.panel import Panel
from forecast.windows.features import BURN_IN, log_returns

#: Sessions over which squared returns are averaged: a day, a week, a month.
SPANS = (1, 5, 22)
#: Share of the long-run variance that is added before the log, as a day may not move at all.
FLOOR = 0.01


class Har(Forecaster):
    """Zero mean, Student-t, log variance by ridge on log squared returns of 1, 5 and 22 sessions.

    One regression per horizon up to `longest`, over all tickers, in units of each ticker's
    training variance; longer horizons use the last. The predicted variance is multiplied by the
    constant that gives absolute returns of the training period the mean that the t has. Before
    20 returns the forecast is NaN.

    References:
        Corsi, F. (2009). A simple approximate long-memory model of realized volatility.
    """

    name = "har"

    def __init__(self, longest: int = 20, alpha: float = 1.0, degrees: float = 5.0):
        self.longest = longest
        self.alpha = alpha
        self.degrees = degrees

    def fit(self, panel: Panel, until: pd.Timestamp) -> Self:
        """Regress the log variance of the next h sessions on that of the last ones."""
        from sklearn.linear_model import Ridge

        past = log_returns(panel).loc[:until]
        std = past.std()
        self.scale_ = std[std > 0]
        unit = past / _scale(self.scale_, panel)
        x = _log_variances(unit)  # (S, U, 3)
        squared = unit**2
        self.coefficients_ = np.empty((self.longest, len(SPANS) + 1))
        expected = _mean_absolute(self.degrees)
        for h in range(1, self.longest + 1):
            y = np.log(squared.rolling(h).mean().shift(-h).to_numpy() + FLOOR)
            known = np.isfinite(y) & np.isfinite(x).all(axis=2)
            ridge = Ridge(self.alpha).fit(x[known], y[known])
            moved = unit.rolling(h).sum().shift(-h).abs().to_numpy()[known]
            sigma = np.sqrt(h * np.exp(ridge.predict(x[known])))
            correction = 2 * np.log((moved / sigma).mean() / expected)
            self.coefficients_[h - 1] = [ridge.intercept_ + correction, *ridge.coef_]
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
        enough = (returns.notna().cumsum() >= BURN_IN).to_numpy()[session, ticker]
        scale = _scale(self.scale_, panel)
        x = _log_variances(returns / scale)[session, ticker]  # (N, 3)
        h = np.asarray(horizons)
        line = self.coefficients_[np.minimum(h, self.longest) - 1]  # (H, 4)
        log_variance = line[:, 0] + x @ line[:, 1:].T  # (N, H)
        sigma = scale.to_numpy()[ticker][:, None] * np.sqrt(h * np.exp(log_variance))
        sigma[~enough] = np.nan
        unit = unit_student_t(levels, self.degrees).astype(np.float32)
        return sigma.astype(np.float32)[:, :, None] * unit


def _log_variances(unit: pd.DataFrame) -> np.ndarray:
    """Log of the mean squared return over each span, (S, U, 3); holes are passed over."""
    squared = unit**2
    spans = [squared.rolling(span, min_periods=1).mean().ffill() for span in SPANS]
    return np.log(np.stack(spans, axis=2) + FLOOR)


def _scale(learned: pd.Series, panel: Panel) -> pd.Series:
    """Training deviation by ticker of a panel, the mean for those not seen in training."""
    return learned.reindex(panel.tickers).fillna(learned.mean())


def _mean_absolute(degrees: float) -> float:
    """E|T| of a Student-t of unit variance."""
    from scipy.special import beta

    return float(2 * np.sqrt(degrees - 2) / ((degrees - 1) * beta(degrees / 2, 0.5)))
