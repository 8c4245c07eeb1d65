import keras
import numpy as np

from forecast.layers import LSTM
from forecast.telemetry.attribution import integrated_gradients


def test_attributions_add_up_to_the_change_of_the_output():
    model = keras.Sequential([keras.Input((6, 3)), LSTM(5), keras.layers.Dense(1)])
    rng = np.random.default_rng(0)
    x, baseline = rng.normal(size=(4, 6, 3)).astype(np.float32), rng.normal(size=3)
    parts = integrated_gradients(model, x, baseline, lambda y: y[:, 0], steps=200)
    assert parts.shape == x.shape
    start = np.broadcast_to(baseline, x.shape).astype(np.float32)
    change = model.predict_on_batch(x)[:, 0] - model.predict_on_batch(start)[:, 0]
    np.testing.assert_allclose(parts.sum(axis=(1, 2)), change, atol=1e-4)


def test_of_a_linear_output_an_attribution_is_weight_times_distance():
    model = keras.Sequential([keras.Input((2, 3)), keras.layers.Flatten(), keras.layers.Dense(1)])
    x = np.arange(6, dtype=np.float32).reshape(1, 2, 3)
    parts = integrated_gradients(model, x, np.ones(3), lambda y: y[:, 0], steps=3)
    weights = model.get_weights()[0].reshape(2, 3)
    np.testing.assert_allclose(parts[0], weights * (x[0] - 1), rtol=1e-5)
