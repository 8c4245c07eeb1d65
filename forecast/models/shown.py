"""Forecasters that are shown less than the whole panel: what they need becomes visible."""

from collections.abc import Iterator
from typing import Any, Self

import numpy as np
import pandas as pd

from forecast.models.base import LEVELS, Forecaster
from forecast.prices.panel import Panel


class Alone(Forecaster):
    """A fitted forecaster that sees each ticker without the others."""

    def __init__(self, model: Forecaster) -> None:
        self.model = model
        self.name = model.name

    def fit(self, panel: Panel, until: pd.Timestamp) -> Self:
        """Fit the forecaster, on all tickers."""
        self.model.fit(panel, until)
        return self

    def forecast(
        self,
        panel: Panel,
        cutoffs: pd.DataFrame,
        horizons: tuple[int, ...],
        levels: np.ndarray = LEVELS,
    ) -> np.ndarray:
        """Return quantiles (N, H, Q), each from a panel of its ticker alone."""
        result = np.empty((len(cutoffs), len(horizons), len(levels)), np.float32)
        for ticker, rows in _places(cutoffs["unique_id"].astype(str).to_numpy()):
            one = panel.select([ticker])
            result[rows] = self.model.forecast(one, cutoffs.iloc[rows], horizons, levels)
        return result


class Recent(Forecaster):
    """A fitted forecaster that sees the last `sessions` sessions up to each cutoff, no more."""

    def __init__(self, model: Forecaster, sessions: int) -> None:
        self.model = model
        self.sessions = sessions
        self.name = model.name

    def fit(self, panel: Panel, until: pd.Timestamp) -> Self:
        """Fit the forecaster, on all the past."""
        self.model.fit(panel, until)
        return self

    def forecast(
        self,
        panel: Panel,
        cutoffs: pd.DataFrame,
        horizons: tuple[int, ...],
        levels: np.ndarray = LEVELS,
    ) -> np.ndarray:
        """Return quantiles (N, H, Q), each from a panel that ends at its cutoff."""
        result = np.empty((len(cutoffs), len(horizons), len(levels)), np.float32)
        session, _ = panel.locate(cutoffs)
        for end, rows in _places(session):
            days = panel.sessions[max(end + 1 - self.sessions, 0) : end + 1]
            recent = panel.select(start=days[0], end=days[-1])
            result[rows] = self.model.forecast(recent, cutoffs.iloc[rows], horizons, levels)
        return result


class ByTicker(Forecaster):
    """One fitted forecaster for each ticker: `models` by ticker."""

    def __init__(self, models: dict[str, Forecaster]) -> None:
        self.models = models
        self.name = next(iter(models.values())).name

    def fit(self, panel: Panel, until: pd.Timestamp) -> Self:
        """Fit every forecaster."""
        for model in self.models.values():
            model.fit(panel, until)
        return self

    def forecast(
        self,
        panel: Panel,
        cutoffs: pd.DataFrame,
        horizons: tuple[int, ...],
        levels: np.ndarray = LEVELS,
    ) -> np.ndarray:
        """Return quantiles (N, H, Q), each by the forecaster of its ticker."""
        result = np.empty((len(cutoffs), len(horizons), len(levels)), np.float32)
        for ticker, rows in _places(cutoffs["unique_id"].astype(str).to_numpy()):
            model = self.models[ticker]
            result[rows] = model.forecast(panel, cutoffs.iloc[rows], horizons, levels)
        return result


def _places(keys: np.ndarray) -> Iterator[tuple[Any, np.ndarray]]:
    """Each key and its row numbers."""
    for key in np.unique(keys):
        yield key, np.flatnonzero(keys == key)
