import sys

import numpy as np
import onnxruntime
import pandas as pd
import pytest
import tensorflow as tf

from forecast.errors import InputError
from forecast.models.network import build_network
from forecast.settings import Settings
from forecast.training import Ensemble, NeuralForecaster
from forecast.training.exporting import export
from forecast.training.preparing import feature_statistics
from forecast.windows import build_windows

SETTINGS = Settings(lookback=16, horizon=7, units=3)
HORIZONS = tuple(range(1, 8))


@pytest.fixture(scope="module")
def panel(make_panel):
    return make_panel(tickers=2, sessions=300, seed=3)


@pytest.fixture(scope="module")
def windows(panel):
    return build_windows(panel, SETTINGS)


@pytest.fixture(scope="module")
def network(panel, windows):
    """Return a function that makes a network whose weights are far from their start."""

    def make(seed=0):
        model = NeuralForecaster(SETTINGS, "lstm", seed)
        statistics = feature_statistics(windows, 200)
        model.network_ = build_network(SETTINGS, "lstm", statistics, seed)
        rng = np.random.default_rng(seed)
        for weight in model.network_.trainable_weights:
            weight.assign(rng.normal(0, 0.4, weight.shape))
        model.market_ = tuple(panel.tickers)
        return model

    return make


@pytest.fixture(scope="module")
def ended(panel, windows):
    """Cutoffs at which the forecaster's own windows end, and what an exported network is fed."""
    warmup, stride = SETTINGS.warmup, SETTINGS.lookback - SETTINGS.warmup
    session = np.arange(warmup + 2 * stride - 1 + 24, 290, stride) // stride * stride + warmup - 1
    ticker = np.arange(len(session)) % 2
    starts = np.column_stack([ticker, session - SETTINGS.lookback + 1])
    cutoffs = {
        "unique_id": np.array(panel.tickers)[ticker],
        "cutoff": panel.sessions[session],
    }
    fed = {
        "features": windows.inputs(starts),
        "volatility": windows.volatility[ticker, session].astype(np.float32),
    }
    return pd.DataFrame(cutoffs), fed


def test_onnx_runtime_gives_the_quantiles_of_the_forecaster(panel, network, ended, tmp_path):
    model, (cutoffs, fed) = Ensemble([network(1), network(2)]), ended
    export(model, tmp_path / "lstm.onnx", "onnx")
    (given,) = onnxruntime.InferenceSession(tmp_path / "lstm.onnx").run(["quantiles"], fed)
    expected = model.forecast(panel, cutoffs, HORIZONS)
    assert given.shape == expected.shape == (len(cutoffs), 7, 99)
    assert np.ptp(expected[:, -1, 50]) > 0.01  # the weights say something
    np.testing.assert_allclose(given, expected, atol=1e-5, rtol=1e-5)


def test_a_saved_model_gives_the_quantiles_of_the_forecaster(panel, network, ended, tmp_path):
    model, (cutoffs, fed) = network(), ended
    export(model, tmp_path / "lstm", "savedmodel", np.array([0.05, 0.5, 0.95]))
    loaded = tf.saved_model.load(tmp_path / "lstm")
    serve = loaded.signatures["serving_default"]
    given = serve(**{name: tf.constant(value) for name, value in fed.items()})["quantiles"]
    expected = model.forecast(panel, cutoffs, HORIZONS, np.array([0.05, 0.5, 0.95]))
    np.testing.assert_allclose(given, expected, atol=1e-5, rtol=1e-5)
    functions = serve.graph.as_graph_def().library.function
    assert not any("_XlaMustCompile" in function.attr for function in functions)


def test_without_the_packages_for_onnx_one_is_told_which_to_install(network, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(InputError, match=r"pip install 'forecast\[onnx\]'"):
        export(network(), tmp_path / "lstm.onnx", "onnx")
