import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from scipy import stats

from forecast.layers.quantile_function import PRIOR_DF, at_horizons, quantiles
from forecast.models.base import LEVELS
from forecast.models.network import RECURRENT, FeatureStatistics, build_network, default_units
from forecast.settings import Settings

F = 5
SETTINGS = Settings(lookback=16, horizon=5, units=3)
ORIGINS, K = SETTINGS.lookback - SETTINGS.warmup, len(SETTINGS.learned_horizons)
STATISTICS = FeatureStatistics(np.linspace(-1, 1, F), np.linspace(0.5, 2, F), 1000)


def batch(windows=4, seed=0):
    """One training batch of the shapes the network takes."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(windows, SETTINGS.lookback, F)).astype(np.float32)
    y = rng.standard_t(5, size=(windows, ORIGINS, K)).astype(np.float32)
    return x, y, (rng.random(y.shape) < 0.9).astype(np.float32)


def test_our_lstm_and_keras_start_from_equal_weights_and_stay_equal_over_a_step():
    ours, keras_ = (build_network(SETTINGS, c, STATISTICS, 7) for c in ("lstm", "keras-lstm"))
    assert ours.count_params() == keras_.count_params()
    for a, b in zip(ours.get_weights(), keras_.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    x, y, weight = batch()
    for _ in range(3):
        before = [network.predict_on_batch(x) for network in (ours, keras_)]
        np.testing.assert_allclose(*before, rtol=1e-5, atol=1e-6)
        losses = [float(n.train_on_batch(x, y, weight)) for n in (ours, keras_)]
        assert losses[0] == pytest.approx(losses[1], rel=1e-6)


@pytest.mark.parametrize("cell", RECURRENT)
def test_a_network_gives_parameters_for_every_origin_and_learned_horizon(cell):
    network = build_network(SETTINGS, cell, STATISTICS)
    assert network.predict_on_batch(batch()[0]).shape == (4, ORIGINS, K, 4)
    assert isinstance(network.get_layer("recurrent"), RECURRENT[cell])


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_a_trained_network_comes_back_from_its_file(cell, tmp_path):
    network = build_network(SETTINGS, cell, STATISTICS, 1)
    x, y, weight = batch()
    network.train_on_batch(x, y, weight)
    network.save(tmp_path / "network.keras")
    loaded = keras.saving.load_model(tmp_path / "network.keras", safe_mode=True)
    assert loaded.to_json() == network.to_json()
    assert loaded.optimizer.get_config() == network.optimizer.get_config()
    np.testing.assert_array_equal(loaded.predict_on_batch(x), network.predict_on_batch(x))
    after = [
        float(each.evaluate(x, y, sample_weight=weight, verbose=0)) for each in (loaded, network)
    ]
    assert after[0] == after[1]


@pytest.mark.parametrize("cell", RECURRENT)
def test_a_seed_gives_the_same_network_again_and_another_seed_another(cell):
    one, same, other = (build_network(SETTINGS, cell, STATISTICS, seed) for seed in (3, 3, 4))
    x = batch()[0]
    np.testing.assert_array_equal(one.predict_on_batch(x), same.predict_on_batch(x))
    kernels = [network.get_layer("recurrent").get_weights()[0] for network in (one, same, other)]
    np.testing.assert_array_equal(kernels[0], kernels[1])
    assert (kernels[0] != kernels[2]).all()


@pytest.mark.parametrize(
    ("cell", "share"), [("lstm", 0.02), ("keras-lstm", 0.02), ("gru", 0.03), ("simple-rnn", 0.05)]
)
def test_an_untrained_network_forecasts_the_student_t_that_scales_its_target(cell, share):
    network = build_network(SETTINGS, cell, STATISTICS)
    parameters = network.predict_on_batch(batch(64)[0]).reshape(-1, K, 4)
    every = tuple(range(1, SETTINGS.horizon + 1))
    found = quantiles(at_horizons(parameters, SETTINGS.learned_horizons, every), LEVELS)
    prior = stats.t.ppf(LEVELS, PRIOR_DF) / stats.t.std(PRIOR_DF)
    distance = np.abs(found - prior).mean(axis=(0, 1))
    assert distance.mean() < share * np.abs(prior).mean()
    assert (distance[[0, 4, 94, 98]] < share * np.abs(prior[[0, 4, 94, 98]])).all()


@pytest.fixture(scope="module")
def awake():
    """Networks whose weights are large enough for every input to matter."""
    networks = [build_network(SETTINGS, cell, STATISTICS) for cell in RECURRENT]
    for network in networks:
        rng = np.random.default_rng(0)
        network.get_layer("head").set_weights(
            [rng.normal(size=w.shape) for w in network.get_layer("head").get_weights()]
        )
    return networks


@hypothesis_settings(max_examples=20, deadline=None)
@given(origin=st.integers(0, ORIGINS - 1), seed=st.integers(0, 2**16))
def test_an_input_after_an_origin_changes_nothing_at_it(awake, origin, seed):
    x = batch()[0]
    now = SETTINGS.warmup + origin  # the origin's own session is known to it
    other = x.copy()
    other[:, now + 1 :] = np.random.default_rng(seed).normal(0, 9, other[:, now + 1 :].shape)
    for network in awake:
        before, after = network.predict_on_batch(x), network.predict_on_batch(other)
        np.testing.assert_array_equal(before[:, : origin + 1], after[:, : origin + 1])
        assert origin == ORIGINS - 1 or (before[:, origin + 1 :] != after[:, origin + 1 :]).any()


def test_every_origin_sees_its_own_session_and_the_first_of_the_window(awake):
    x = batch()[0]
    for network in awake:
        before = network.predict_on_batch(x)
        for session, first_origin in ((0, 0), (SETTINGS.warmup, 0), (SETTINGS.warmup + 4, 4)):
            other = x.copy()
            other[:, session] += 1
            assert (
                network.predict_on_batch(other)[:, first_origin] != before[:, first_origin]
            ).any()


def test_features_are_normalised_by_the_statistics_that_travel_in_the_model():
    network = build_network(SETTINGS, "gru", STATISTICS)
    x = batch()[0]
    found = keras.ops.convert_to_numpy(network.get_layer("normalization")(x))
    expected = (x - STATISTICS.mean) / np.sqrt(STATISTICS.variance)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_units_follow_the_settings_and_else_the_amount_of_training_data():
    chosen = build_network(SETTINGS, "lstm", STATISTICS).get_layer("recurrent").units
    assert chosen == SETTINGS.units
    free = SETTINGS.model_copy(update={"units": None})
    small, large = STATISTICS, STATISTICS._replace(sessions=10**6)
    units = [build_network(free, "lstm", s).get_layer("recurrent").units for s in (small, large)]
    assert units == [default_units(1000), default_units(10**6)]
    assert units[0] < units[1]


@pytest.mark.parametrize("cell", ["lstm", "keras-lstm"])
@pytest.mark.parametrize("bias", [-2.0, 3.5])
def test_forget_gates_start_at_the_bias_asked_for(cell, bias):
    network = build_network(SETTINGS.model_copy(update={"forget_bias": bias}), cell, STATISTICS)
    started = network.get_layer("recurrent").get_weights()[2]
    np.testing.assert_array_equal(started, np.repeat([0, bias, 0, 0], SETTINGS.units))


def test_chrono_gates_start_with_memories_up_to_the_lookback():
    settings = SETTINGS.model_copy(update={"forget_bias": "chrono", "units": 50})
    started = build_network(settings, "lstm", STATISTICS).get_layer("recurrent").get_weights()[2]
    memories = np.exp(started[50:100])
    assert 1 <= memories.min() < 3
    assert 12 < memories.max() <= SETTINGS.lookback - 1
    np.testing.assert_array_equal(started[:50], -started[50:100])
