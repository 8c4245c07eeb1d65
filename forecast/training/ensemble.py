"""Ensemble: networks of several seeds as one forecaster."""

from collections.abc import Sequence
from typing import Self

import numpy as np
import pandas as pd

from forecast.models.base import LEVELS, Forecaster
from forecast.prices.panel import Panel
from forecast.training.forecaster import NeuralForecaster


class Ensemble(Forecaster):
    """Mean of the quantiles of several networks (Vincent averaging)."""

    def __init__(self, members: Sequence[NeuralForecaster]) -> None:
        self.members = members

    @property
    def name(self) -> str:
        """That of the members, which are of one kind."""
        return self.members[0].name

    @property
    def sees_market(self) -> bool:
        """Whether the members do."""
        return self.members[0].sees_market

    def fit(self, panel: Panel, until: pd.Timestamp) -> Self:
        """Fit every member."""
        for member in self.members:
            member.fit(panel, until)
        return self

    def forecast(
        self,
        panel: Panel,
        cutoffs: pd.DataFrame,
        horizons: tuple[int, ...],
        levels: np.ndarray = LEVELS,
    ) -> np.ndarray:
        """Return the mean quantiles (N, H, Q)."""
        return np.mean([m.forecast(panel, cutoffs, horizons, levels) for m in self.members], axis=0)
