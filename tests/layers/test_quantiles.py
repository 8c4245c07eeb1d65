import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from keras import ops
from scipy import stats

from forecast.layers.quantile_function import (
    PARAMETERS,
    PRIOR_DF,
    at_horizons,
    quantiles,
    student_t5,
)
from forecast.layers.quantiles import BOUNDS, TRAINING_LEVELS, QuantileCRPS, QuantileHead
from forecast.models.levels import LEVELS

LEARNED = (1, 2, 5, 20)


def random_parameters(shape, seed=0):
    """Parameters (*shape, 4) spread over everything the head can give."""
    rng = np.random.default_rng(seed)
    bounded = [rng.uniform(-b, b, shape) for b in BOUNDS]
    return np.stack([rng.normal(0, 1, shape), *bounded], axis=-1).astype(np.float32)


def plain_crps(y, parameters, levels):
    """Twice the mean pinball loss, one target and one level after the other."""
    loss = np.zeros(y.shape)
    for place in np.ndindex(y.shape):
        curve = quantiles(parameters[place].astype(float), np.asarray(levels))
        for level, quantile in zip(levels, curve, strict=True):
            error = y[place] - quantile
            loss[place] += 2 * (level * error if error >= 0 else (level - 1) * error) / len(levels)
    return loss


@settings(max_examples=100)
@given(
    location=st.floats(-50, 50),
    bounded=hnp.arrays(float, 3, elements=st.floats(-1, 1)),
)
def test_quantiles_never_cross(location, bounded):
    parameters = np.array([location, *(bounded * BOUNDS)])
    levels = np.linspace(0.001, 0.999, 400)
    assert (np.diff(quantiles(parameters, levels)) > 0).all()


@settings(max_examples=50, deadline=None)
@given(
    raw=hnp.arrays(np.float32, (1, 3), elements=st.floats(-1e6, 1e6, width=32)),
    seed=st.integers(0, 99),
)
def test_quantiles_of_the_head_never_cross_whatever_comes_in(raw, seed):
    head = QuantileHead(LEARNED, seed=seed)
    parameters = ops.convert_to_numpy(head(raw[None]))
    assert np.isfinite(parameters).all()
    limits = np.array(BOUNDS, np.float32)
    assert (np.abs(parameters[..., 1:]) <= limits).all()
    assert (np.diff(quantiles(parameters.astype(float), LEVELS), axis=-1) > 0).all()


def test_the_prior_is_a_student_t_of_unit_variance():
    expected = stats.t.ppf(LEVELS, PRIOR_DF) / stats.t.std(PRIOR_DF)
    np.testing.assert_allclose(quantiles(np.zeros(4), LEVELS), expected, rtol=1e-12, atol=1e-15)


def test_a_head_without_weights_gives_the_prior():
    head = QuantileHead(LEARNED)
    head.build((None, None, 3))
    head.set_weights([np.zeros_like(w) for w in head.get_weights()])
    parameters = ops.convert_to_numpy(head(np.ones((2, 7, 3), np.float32)))
    assert parameters.shape == (2, 7, len(LEARNED), len(PARAMETERS))
    np.testing.assert_array_equal(parameters, 0)


def test_location_moves_scale_widens_skew_leans_and_tail_fattens():
    at = {name: k for k, name in enumerate(PARAMETERS)}

    def curve(**more):
        parameters = np.zeros(4)
        for name, value in more.items():
            parameters[at[name]] = value
        return quantiles(parameters, np.array([0.01, 0.25, 0.5, 0.75, 0.99]))

    prior = curve()
    np.testing.assert_allclose(curve(location=0.3), prior + 0.3)
    np.testing.assert_allclose(curve(log_scale=np.log(2)), 2 * prior)
    leaning = curve(skew=0.4)
    assert leaning[2] == pytest.approx(0)  # the median stays
    assert leaning[4] > -leaning[0] > 0
    fat = curve(log_tail=0.3)
    assert fat[4] / fat[3] > prior[4] / prior[3]


def test_parameters_at_learned_horizons_are_those_learned():
    parameters = random_parameters((6, len(LEARNED)))
    np.testing.assert_array_equal(at_horizons(parameters, LEARNED, LEARNED), parameters)
    swapped = at_horizons(parameters, LEARNED, (20, 1))
    np.testing.assert_array_equal(swapped, parameters[:, [3, 0]])


def test_parameters_between_horizons_are_linear_in_the_log_of_the_horizon():
    parameters = random_parameters((6, len(LEARNED)))
    horizons = tuple(range(1, 21))
    found = at_horizons(parameters, LEARNED, horizons)
    for n, k in np.ndindex(6, 4):
        expected = np.interp(np.log(horizons), np.log(LEARNED), parameters[n, :, k])
        np.testing.assert_allclose(found[n, :, k], expected, rtol=1e-6, atol=1e-7)
    halfway = at_horizons(parameters, (1, 4, 9, 16), (2,))[:, 0]
    np.testing.assert_allclose(halfway, parameters[:, :2].mean(axis=1), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("horizons", [(21,), (1, 40), (0,)])
def test_a_horizon_outside_those_learned_is_refused(horizons):
    with pytest.raises(ValueError, match=r"reach outside the learned \(1, 2, 5, 20\)"):
        at_horizons(random_parameters((1, 4)), LEARNED, horizons)


@pytest.mark.parametrize("levels", [TRAINING_LEVELS, tuple(LEVELS.tolist()), (0.5,)])
def test_the_loss_equals_a_plain_loop_over_pinball_losses(levels):
    rng = np.random.default_rng(0)
    y = rng.standard_t(3, (2, 3, 4)).astype(np.float32)
    parameters = random_parameters((2, 3, 4))
    found = ops.convert_to_numpy(QuantileCRPS(levels).call(y, parameters))
    np.testing.assert_allclose(found, plain_crps(y, parameters, levels), rtol=2e-5, atol=1e-6)


def test_the_loss_over_99_levels_is_close_to_the_integral_that_defines_the_crps():
    y, sigma = 0.7, 1.3
    fine = np.linspace(-60, 60, 400_001)
    cdf = stats.t.cdf(fine / sigma * stats.t.std(PRIOR_DF), PRIOR_DF)
    integral = np.trapezoid((cdf - (fine >= y)) ** 2, fine)
    parameters = np.array([[0, np.log(sigma), 0, 0]], np.float32)
    found = QuantileCRPS(tuple(LEVELS.tolist())).call(np.array([y], np.float32), parameters)
    assert float(found[0]) == pytest.approx(integral, rel=0.01)


def test_targets_of_weight_zero_do_not_count():
    rng = np.random.default_rng(1)
    y, parameters = rng.normal(size=(2, 5, 4)).astype(np.float32), random_parameters((2, 5, 4))
    weight = (rng.random((2, 5, 4)) < 0.5).astype(np.float32)
    found = float(QuantileCRPS()(y, parameters, sample_weight=weight))
    expected = plain_crps(y, parameters, TRAINING_LEVELS)[weight == 1].mean()
    assert found == pytest.approx(expected, rel=1e-5)
    spoiled = np.where(weight == 1, y, 1e6).astype(np.float32)
    assert float(QuantileCRPS()(spoiled, parameters, sample_weight=weight)) == found


def test_a_batch_without_any_target_costs_nothing_and_moves_nothing():
    y, parameters = np.ones((1, 2, 4), np.float32), keras.Variable(random_parameters((1, 2, 4)))
    loss, gradient = loss_and_gradient(parameters, y, np.zeros((1, 2, 4), np.float32))
    assert loss == 0
    np.testing.assert_array_equal(gradient, 0)


def test_the_gradient_of_the_loss_equals_finite_differences():
    rng = np.random.default_rng(2)
    y, start = rng.normal(size=(1, 2, 4)).astype(np.float32), random_parameters((1, 2, 4), 2)
    weight = np.ones_like(y)
    weight[0, 0, 1] = 0
    _, gradient = loss_and_gradient(keras.Variable(start), y, weight)

    def exact(parameters):
        return plain_crps(y, parameters, TRAINING_LEVELS)[weight == 1].mean()

    for place in np.ndindex(start.shape):
        step = np.zeros(start.shape)
        step[place] = 1e-5
        expected = (exact(start + step) - exact(start - step)) / 2e-5
        assert gradient[place] == pytest.approx(expected, rel=2e-3, abs=2e-5)


def loss_and_gradient(parameters, y, weight):
    import tensorflow as tf

    with tf.GradientTape() as tape:
        loss = QuantileCRPS()(y, parameters.value, sample_weight=weight)
    return float(loss), tape.gradient(loss, parameters.value).numpy()


def test_head_and_loss_come_back_from_a_keras_file(tmp_path):
    x = keras.Input((6, 3))
    model = keras.Model(x, QuantileHead(LEARNED, seed=5, name="head")(x))
    model.compile("adam", QuantileCRPS((0.25, 0.5, 0.75)))
    inputs = np.random.default_rng(0).normal(size=(2, 6, 3)).astype(np.float32)
    model.train_on_batch(inputs, np.ones((2, 6, len(LEARNED)), np.float32))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    before, after = (ops.convert_to_numpy(each(inputs)) for each in (model, loaded))
    np.testing.assert_array_equal(before, after)
    head = loaded.get_layer("head")
    assert head.get_config() == model.get_layer("head").get_config()
    assert tuple(head.horizons) == LEARNED
    assert loaded.loss.levels == (0.25, 0.5, 0.75)
    assert loaded.loss.get_config() == model.loss.get_config()


def test_a_seed_gives_the_same_head_again_and_another_seed_another():
    kernels = []
    for seed in (1, 1, 2):
        head = QuantileHead(LEARNED, seed=seed)
        head.build((None, None, 3))
        kernels.append(head.get_weights()[0])
    np.testing.assert_array_equal(kernels[0], kernels[1])
    assert (kernels[0] != kernels[2]).all()


@given(st.floats(1e-6, 1 - 1e-6))
def test_the_quantiles_of_the_prior_are_those_of_scipy(level):
    assert student_t5(np.array([level]))[0] == pytest.approx(stats.t.ppf(level, PRIOR_DF), abs=1e-9)
