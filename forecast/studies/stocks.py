"""The stock network inside a study: trained on the bundled prices, scored on validation alone."""

from typing import Any

from forecast.prices import load_prices
from forecast.settings import Settings
from forecast.training import NeuralForecaster
from forecast.windows import drop_short_tickers, make_splits


def trained(seed: int, **choices: Any) -> NeuralForecaster:
    """Return the LSTM trained with the default settings but for `choices`; the test part is cut."""
    settings = Settings(**choices)
    panel, _ = load_prices(settings)
    panel, _ = drop_short_tickers(panel, settings, settings.tickers)
    splits = make_splits(panel, settings)
    until = panel.sessions[splits.test[0] - 1]
    start = panel.sessions[splits.validation[0]].date()
    return NeuralForecaster(settings, "lstm", seed, start).fit(panel, until)
