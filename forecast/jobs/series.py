"""One series of a panel as charts and tables show it."""

import pandas as pd

from forecast.prices import Panel


def history_of(panel: Panel, ticker: str) -> pd.DataFrame:
    """Observed prices of one ticker: ``ds, y``."""
    series = panel.field("adj_close")[ticker].dropna()
    return pd.DataFrame({"ds": series.index, "y": series.to_numpy()})


def unit_of(panel: Panel) -> str:
    """What the price axis measures."""
    if panel.source in {"bundled", "sp500"}:
        return "USD, adjusted"
    return "adjusted close" if panel.scale == "log" else "value"
