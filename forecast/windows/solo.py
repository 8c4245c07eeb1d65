"""Every ticker a second time, seen as if it were the only one."""

from dataclasses import replace

import numpy as np

from forecast.prices.panel import Panel
from forecast.windows.windows import Windows, build_windows


def add_solo(windows: Windows, panel: Panel) -> Windows:
    """Return the windows of U tickers and after them those of U panels of one ticker each.

    A network that only ever saw the market beside a ticker is lost without it: its 90 % bands
    cover 80 % when a ticker is its own market. Trained on both, it can do either.
    """
    features = np.zeros_like(windows.features)
    volatility = np.full_like(windows.volatility, np.nan)
    for u, ticker in enumerate(panel.tickers):
        one = panel.select([ticker])
        alone = build_windows(one, windows.settings)
        at = panel.sessions.get_indexer(one.sessions)
        features[u, at], volatility[u, at] = alone.features[0], alone.volatility[0]
    return replace(
        windows,
        features=np.concatenate([windows.features, features]),
        volatility=np.concatenate([windows.volatility, volatility]),
        level=np.concatenate([windows.level, windows.level]),
        tickers=windows.tickers * 2,
    )
