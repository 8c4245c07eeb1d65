"""Gradient-boosted quantiles of scaled returns."""

from typing import Self

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from forecast.models.base import LEVELS, Forecaster
from forecast.models.baselines.ewma import unit_student_t
from forecast.prices.panel import Panel
from forecast.windows.features import BURN_IN, causal_features, log_returns

#: Levels with a model of their own; those between are interpolated on a Student-t scale.
FITTED_LEVELS = np.array([0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99])
#: Horizons learned from; the horizon is a feature.
FITTED_HORIZONS = (1, 2, 5, 10, 20)
DEGREES = 5.0
#: Scaled returns are clipped here in training: only the end of a flat stretch lies beyond.
LARGEST = 15.0


class GbmQuantiles(Forecaster):
    """Histogram gradient boosting of the quantiles of ``return / (volatility · √h)``.

    One scikit-learn model per level on the causal features and the log of the horizon, over
    all tickers; of the training rows at most `rows` are drawn. Crossing quantiles are sorted.
    Before 20 returns the forecast is NaN.

    References:
        Friedman, J. (2001). Greedy function approximation: a gradient boosting machine.
        Chernozhukov, V., Fernández-Val, I. and Galichon, A. (2010). Quantile and probability
        curves without crossing.
    """

    name = "gbm-quantiles"

    def __init__(self, rows: int = 60_000, trees: int = 60, seed: int = 0):
        self.rows = rows
        self.trees = trees
        self.seed = seed

    def fit(self, panel: Panel, until: pd.Timestamp) -> Self:
        """Boost one model per level on a sample of origins and horizons up to `until`."""
        from sklearn.ensemble import HistGradientBoostingRegressor

        x, y = self._training_rows(panel.select(end=until))
        with _one_thread():
            self.models_ = [
                HistGradientBoostingRegressor(
                    loss="quantile",
                    quantile=level,
                    max_iter=self.trees,
                    learning_rate=0.05,
                    max_leaf_nodes=8,
                    min_samples_leaf=min(200, len(y) // 20 + 1),
                    early_stopping=False,
                    random_state=self.seed,
                ).fit(x, y)
                for level in FITTED_LEVELS
            ]
        return self

    def forecast(
        self,
        panel: Panel,
        cutoffs: pd.DataFrame,
        horizons: tuple[int, ...],
        levels: np.ndarray = LEVELS,
    ) -> np.ndarray:
        """Return quantiles ``(N, H, Q)``, linear between the fitted levels on a t scale."""
        session, ticker = panel.locate(cutoffs)
        features = causal_features(panel)
        enough = (log_returns(panel).notna().cumsum() >= BURN_IN).to_numpy()[session, ticker]
        nodes = unit_student_t(FITTED_LEVELS, DEGREES)
        place = np.clip(unit_student_t(levels, DEGREES), nodes[0], nodes[-1])
        node = np.clip(np.searchsorted(nodes, place, side="right") - 1, 0, len(nodes) - 2)
        share = (place - nodes[node]) / (nodes[node + 1] - nodes[node])
        quantiles = np.empty((len(cutoffs), len(horizons), len(levels)), np.float32)
        for k, h in enumerate(horizons):
            x = _with_horizon(features.values[ticker, session], h)
            with _one_thread():
                fitted = np.stack([model.predict(x) for model in self.models_], axis=1)
            fitted.sort(axis=1)
            between = fitted[:, node] + share * (fitted[:, node + 1] - fitted[:, node])
            sigma = features.volatility[ticker, session] * np.sqrt(h)
            quantiles[:, k] = np.where(enough[:, None], sigma[:, None] * between, np.nan)
        return quantiles

    def _training_rows(self, past: Panel) -> tuple[np.ndarray, np.ndarray]:
        """Sampled features with horizon (R, F + 1) and scaled returns (R,)."""
        features, level = causal_features(past), past.level.T  # (U, S)
        ready = log_returns(past).notna().cumsum().to_numpy().T >= BURN_IN
        rng = np.random.default_rng(self.seed)
        x, y = [], []
        for h in FITTED_HORIZONS:
            log_return = level[:, h:] - level[:, :-h]
            scaled = log_return / (features.volatility[:, : log_return.shape[1]] * np.sqrt(h))
            usable = np.isfinite(scaled) & ready[:, : log_return.shape[1]]
            ticker, session = np.nonzero(usable)
            count = min(self.rows // len(FITTED_HORIZONS), len(ticker))
            chosen = np.sort(rng.choice(len(ticker), count, replace=False))
            ticker, session = ticker[chosen], session[chosen]
            x.append(_with_horizon(features.values[ticker, session], h))
            y.append(np.clip(scaled[ticker, session], -LARGEST, LARGEST))
        return np.concatenate(x), np.concatenate(y)


def _one_thread() -> threadpool_limits:
    """Keep OpenMP to one thread: on a busy machine more wait for each other, ten times as long."""
    return threadpool_limits(1, "openmp")


def _with_horizon(values: np.ndarray, h: int) -> np.ndarray:
    return np.column_stack([values, np.full(len(values), np.log(h), np.float32)])
