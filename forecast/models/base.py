"""The interface of everything that forecasts: fit on a past, then quantiles of the future."""

from typing import Any, Protocol, Self

import numpy as np
import pandas as pd

from forecast.models.levels import LEVELS
from forecast.prices.panel import Panel

__all__ = ["LEVELS", "Fitted", "Forecaster"]


class Fitted(Protocol):
    """What a walk forward asks of a model: a name and forecasts, as those of a `Forecaster`."""

    @property
    def name(self) -> str:
        """What it is called in tables and columns."""

    def forecast(
        self,
        panel: Panel,
        cutoffs: pd.DataFrame,
        horizons: tuple[int, ...],
        levels: np.ndarray = LEVELS,
    ) -> np.ndarray:
        """Return quantiles ``(N, H, Q)`` for the N rows ``unique_id, cutoff`` of `cutoffs`."""


class Forecaster:
    """Forecasts quantiles of the cumulative log return after each cutoff.

    Parameters follow scikit-learn: ``__init__`` only stores them, ``get_params`` and
    ``sklearn.base.clone`` work, and ``fit`` learns attributes that end in ``_``. The library is
    imported when its grammar is first spoken: who only forecasts does not wait for it.

    A forecast is always a float32 array ``(N, H, Q)``: N origins, H horizons in the order given,
    Q levels in ascending order. Its unit is the log return from the cutoff's close to the
    close h sessions later (the plain difference for a panel of scale "linear").
    """

    @property
    def name(self) -> str:
        """What the forecaster is called in tables and columns; it follows from its parameters."""
        raise NotImplementedError

    @property
    def sees_market(self) -> bool:
        """Whether the forecast of a ticker depends on the others: then it is shown all."""
        return False

    def fit(self, panel: Panel, until: pd.Timestamp) -> Self:
        """Learn from sessions up to and including `until`; nothing later may be looked at."""
        raise NotImplementedError

    def forecast(
        self,
        panel: Panel,
        cutoffs: pd.DataFrame,
        horizons: tuple[int, ...],
        levels: np.ndarray = LEVELS,
    ) -> np.ndarray:
        """Return quantiles ``(N, H, Q)`` for the N rows ``unique_id, cutoff`` of `cutoffs`.

        The row of one cutoff depends on prices at or before that cutoff alone. An origin for
        which the model has too little history is NaN.
        """
        raise NotImplementedError

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters by name, with `deep` also those of forecasters among them."""
        params: dict[str, Any] = self._estimator().get_params(deep)
        return params

    def set_params(self, **params: Any) -> Self:
        """Change parameters, ``model__decay`` for one inside `model`; ValueError for others."""
        self._estimator().set_params(**params)
        return self

    def __repr__(self) -> str:
        return repr(self._estimator())

    @property
    def _repr_html_(self) -> Any:
        return self._estimator()._repr_html_

    def __sklearn_tags__(self) -> Any:
        return self._estimator().__sklearn_tags__()

    def _estimator(self) -> Any:
        """An estimator of scikit-learn with the name, parameters and attributes of this one."""
        from sklearn.base import BaseEstimator

        mine = type(self)
        own = {"__init__": mine.__init__, "fit": mine.fit, "__doc__": mine.__doc__}
        estimator: Any = object.__new__(type(mine.__name__, (BaseEstimator,), own))
        estimator.__dict__ = self.__dict__  # the same, not a copy: what is set there is set here
        return estimator
