"""Networks that only forecast, beside those they were read from."""

import numpy as np
import pytest

from forecast.errors import InputError
from forecast.evaluation.backtest import make_cutoffs
from forecast.models.network import RECURRENT, build_network
from forecast.settings import Settings
from forecast.training import Ensemble, NeuralForecaster
from forecast.training.loaded import LoadedNetworks
from forecast.training.preparing import feature_statistics
from forecast.windows import build_windows

SETTINGS = Settings(lookback=16, horizon=7, units=3)


@pytest.fixture(scope="module")
def panel(make_panel):
    return make_panel(tickers=3, sessions=300, seed=3, holes=2, late=262)


def members(panel, cell):
    """Two networks whose weights are far from their start."""
    statistics = feature_statistics(build_windows(panel, SETTINGS), 200)
    for seed in (0, 1):
        model = NeuralForecaster(SETTINGS, cell, seed)
        model.network_ = build_network(SETTINGS, cell, statistics, seed)
        rng = np.random.default_rng(seed)
        for weight in model.network_.trainable_weights:
            weight.assign(rng.normal(0, 0.4, weight.shape))
        model.market_ = tuple(panel.tickers[:2])
        yield model


@pytest.mark.parametrize("cell", RECURRENT)
def test_they_forecast_what_the_networks_they_are_forecast_and_compile_nothing(
    panel, cell, monkeypatch
):
    models = list(members(panel, cell))
    cutoffs = make_cutoffs(panel, panel.sessions[-50])
    expected = Ensemble(models).forecast(panel, cutoffs, (1, 4, 7))
    chosen = SETTINGS.model_copy(update={"cell": (cell,)})
    loaded = LoadedNetworks([m.network_ for m in models], chosen, models[0].market_)
    monkeypatch.setattr("forecast.layers.fused._program", None)
    found = loaded.forecast(panel, cutoffs, (1, 4, 7))
    assert loaded.name == cell
    assert np.isnan(expected).any()
    np.testing.assert_allclose(found, expected, atol=1e-5, rtol=1e-5)


def test_prices_without_the_features_they_were_trained_on_are_told(panel):
    loaded = LoadedNetworks([m.network_ for m in members(panel, "lstm")], SETTINGS)
    closes = panel.closes()
    with pytest.raises(InputError, match="read 13 features, and these prices give 12: give highs"):
        loaded.forecast(closes, make_cutoffs(closes, panel.sessions[-5]), (1,))
