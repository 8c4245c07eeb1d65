"""A network's quantiles at many origins, each window read once; whoever runs the network."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from forecast.errors import InputError
from forecast.layers.quantile_function import at_horizons, quantiles
from forecast.models.levels import LEVELS
from forecast.prices.panel import Panel
from forecast.settings import Settings
from forecast.windows.windows import Windows, build_windows

#: Windows read at once.
FORECAST_BATCH = 256
#: M networks: features (B, T, F) of windows to the parameters (B, M, O, K, 4) of their origins.
Networks = Callable[[np.ndarray], np.ndarray]


def covered_quantiles(
    networks: Networks,
    windows: Windows,
    place: tuple[np.ndarray, np.ndarray],
    horizons: tuple[int, ...],
    levels: np.ndarray,
) -> np.ndarray:
    """Quantiles (N, H, Q) of the log return, the mean of M networks (Vincent averaging).

    `place` holds the sessions (N,) and tickers (N,) of the origins. NaN where a ticker has too
    little history.
    """
    session, ticker = place
    cover, row, place_in = windows.covering(ticker, session)
    # batches of one size, so that the network is compiled once; the last repeats a window
    parts = -(-len(cover) // FORECAST_BATCH)
    size = FORECAST_BATCH if parts > 8 else -(-len(cover) // parts)
    even = np.minimum(np.arange(parts * size), len(cover) - 1)
    each = [networks(windows.inputs(batch)) for batch in np.split(cover[even], parts)]
    every = np.concatenate(each).swapaxes(1, 2)[row, place_in]  # (N, M, K, 4)
    learned = windows.settings.learned_horizons
    scale = windows.scale(ticker, session, horizons).astype(np.float32)[..., None]  # (N, H, 1)
    result = np.zeros((len(session), len(horizons), len(levels)), np.float32)
    for member in every.swapaxes(0, 1):
        parameters = at_horizons(member, learned, horizons)  # (N, H, 4)
        result += quantiles(parameters.astype(np.float32), levels) * scale
    result /= every.shape[1]
    result[place_in < 0] = np.nan
    return result


class FittedNetworks(ABC):
    """M fitted networks that only forecast: the mean of their quantiles.

    Args:
        settings: of the networks, which are of one kind.
        market: tickers that make up their market features (empty: all they are shown).
    """

    def __init__(self, settings: Settings, market: Sequence[str] = ()) -> None:
        self.settings = settings
        self.market = tuple(market)

    @property
    def name(self) -> str:
        """The recurrent layer."""
        return self.settings.cell[0]

    @property
    @abstractmethod
    def features(self) -> int:
        """F, how many features the networks read."""

    @abstractmethod
    def parameters(self, features: np.ndarray) -> np.ndarray:
        """Parameters (B, M, O, K, 4) of the quantile functions, from windows (B, T, F)."""

    def forecast(
        self,
        panel: Panel,
        cutoffs: pd.DataFrame,
        horizons: tuple[int, ...],
        levels: np.ndarray = LEVELS,
    ) -> np.ndarray:
        """Return quantiles (N, H, Q) of the log return, the mean of the members.

        Raises InputError for prices whose features are not those the networks were trained on.
        """
        windows = build_windows(panel, self.settings, self.market)
        have = windows.features.shape[-1]
        if have != self.features:
            raise InputError(
                f"the networks read {self.features} features, and these prices give {have}: give "
                "highs and lows where the networks were trained on them, none where not."
            )
        return covered_quantiles(self.parameters, windows, panel.locate(cutoffs), horizons, levels)
