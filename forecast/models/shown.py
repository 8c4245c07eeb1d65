"""Forecasters that are shown less than the whole panel: what they need becomes visible."""

from abc import abstractmethod
from collections.abc import Iterator
from typing import Any, Self

import numpy as np
import pandas as pd

from forecast.models.base import LEVELS, Forecaster
from forecast.prices.panel import Panel


class _InParts(Forecaster):
    """Forecasts some cutoffs after the other, each part by a model and from a panel of its own."""

    @abstractmethod
    def parts(
        self, panel: Panel, cutoffs: pd.DataFrame
    ) -> Iterator[tuple[Forecaster, Panel, np.ndarray]]:
        """Yield who forecasts from what, and the row numbers of the cutoffs."""

    def forecast(
        self,
        panel: Panel,
        cutoffs: pd.DataFrame,
        horizons: tuple[int, ...],
        levels: np.ndarray = LEVELS,
    ) -> np.ndarray:
        """Return quantiles (N, H, Q), made part by part."""
        result = np.empty((len(cutoffs), len(horizons), len(levels)), np.float32)
        for model, shown, rows in self.parts(panel, cutoffs):
            result[rows] = model.forecast(shown, cutoffs.iloc[rows], horizons, levels)
        return result


class _Shown(_InParts):
    def __init__(self, model: Forecaster) -> None:
        self.model = model

    @property
    def name(self) -> str:
        """That of the forecaster."""
        return self.model.name

    def fit(self, panel: Panel, until: pd.Timestamp) -> Self:
        """Fit the forecaster, on all tickers and all the past."""
        self.model.fit(panel, until)
        return self


class Alone(_Shown):
    """A fitted forecaster that sees each ticker without the others."""

    def parts(
        self, panel: Panel, cutoffs: pd.DataFrame
    ) -> Iterator[tuple[Forecaster, Panel, np.ndarray]]:
        """Yield the rows of each ticker with a panel of it alone."""
        for ticker, rows in _by_ticker(cutoffs):
            yield self.model, panel.select([ticker]), rows


class Recent(_Shown):
    """A fitted forecaster that sees the last `sessions` sessions up to each cutoff, no more."""

    def __init__(self, model: Forecaster, sessions: int) -> None:
        super().__init__(model)
        self.sessions = sessions

    def parts(
        self, panel: Panel, cutoffs: pd.DataFrame
    ) -> Iterator[tuple[Forecaster, Panel, np.ndarray]]:
        """Yield the rows of each cutoff with a panel that ends there."""
        for end, rows in _places(panel.locate(cutoffs)[0]):
            days = panel.sessions[max(end + 1 - self.sessions, 0) : end + 1]
            yield self.model, panel.select(start=days[0], end=days[-1]), rows


class ByTicker(_InParts):
    """One fitted forecaster for each ticker: `models` by ticker."""

    def __init__(self, models: dict[str, Forecaster]) -> None:
        self.models = models

    @property
    def name(self) -> str:
        """That of the forecasters, which are of one kind."""
        return next(iter(self.models.values())).name

    def __sklearn_clone__(self) -> Self:
        from sklearn.base import clone

        return type(self)({ticker: clone(model) for ticker, model in self.models.items()})

    def fit(self, panel: Panel, until: pd.Timestamp) -> Self:
        """Fit every forecaster."""
        for model in self.models.values():
            model.fit(panel, until)
        return self

    def parts(
        self, panel: Panel, cutoffs: pd.DataFrame
    ) -> Iterator[tuple[Forecaster, Panel, np.ndarray]]:
        """Yield the rows of each ticker with the forecaster of it."""
        for ticker, rows in _by_ticker(cutoffs):
            yield self.models[ticker], panel, rows


def _by_ticker(cutoffs: pd.DataFrame) -> Iterator[tuple[str, np.ndarray]]:
    return _places(cutoffs["unique_id"].astype(str).to_numpy())


def _places(keys: np.ndarray) -> Iterator[tuple[Any, np.ndarray]]:
    """Each key and its row numbers."""
    for key in np.unique(keys):
        yield key, np.flatnonzero(keys == key)
