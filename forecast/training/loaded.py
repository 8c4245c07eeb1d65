"""Networks that were read to forecast once: they run as they are, nothing is compiled for them."""

from collections.abc import Sequence

import keras
import numpy as np

from forecast.models.covering import FittedNetworks
from forecast.settings import Settings


class LoadedNetworks(FittedNetworks):
    """Fitted networks that only forecast, run by TensorFlow.

    Args:
        networks: the members.
        settings: of the networks.
        market: tickers that make up their market features (empty: all they are shown).
    """

    def __init__(
        self, networks: Sequence[keras.Model], settings: Settings, market: Sequence[str] = ()
    ) -> None:
        super().__init__(settings, market)
        self.networks = list(networks)

    @property
    def features(self) -> int:
        """F, how many features the networks read."""
        return int(self.networks[0].input_shape[-1])

    def parameters(self, features: np.ndarray) -> np.ndarray:
        """Parameters (B, M, O, K, 4) of the quantile functions, from windows (B, T, F)."""
        each = [np.asarray(network(features, training=False)) for network in self.networks]
        return np.stack(each, axis=1)
