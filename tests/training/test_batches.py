import keras
import numpy as np
import pytest

from forecast.layers.quantiles import QuantileCRPS, QuantileHead
from forecast.settings import WindowSettings
from forecast.training.batches import TrainingBatches, ValidationBatches, prior_crps
from forecast.windows import build_windows, make_splits

SETTINGS = WindowSettings(lookback=24, horizon=5)


@pytest.fixture(scope="module")
def panel(make_panel):
    return make_panel(tickers=3, sessions=500, seed=6, holes=15, late=100)


@pytest.fixture(scope="module")
def splits(panel):
    return make_splits(panel, SETTINGS)


@pytest.fixture(scope="module")
def windows(panel):
    return build_windows(panel, SETTINGS)


def training(windows, splits, batch_size=8, steps=4, seed=0):
    return TrainingBatches(windows, splits.train, batch_size, steps, seed)


def one_epoch(batches, epoch=0):
    """Everything an epoch gives, stacked; validation has one alone."""
    count = getattr(batches, "steps", None) or len(batches)
    each = [batches[epoch * count + k] for k in range(count)]
    return [np.concatenate(part) for part in zip(*each, strict=True)]


def test_the_draw_depends_on_seed_and_epoch_alone(windows, splits):
    one, same, other = (training(windows, splits, seed=seed) for seed in (3, 3, 4))
    first = one_epoch(one)
    keras.utils.set_random_seed(9)  # whatever a user does with the global generators
    for a, b in zip(first, one_epoch(same), strict=True):
        np.testing.assert_array_equal(a, b)
    assert (one_epoch(other)[0] != first[0]).any()
    second = one_epoch(one, 1)
    assert (second[0] != first[0]).any()
    one_epoch(same, 5)  # what was looked at before makes no difference
    np.testing.assert_array_equal(one_epoch(same, 1)[0], second[0])
    same.epoch = 1  # a training that goes on after an epoch
    np.testing.assert_array_equal(one_epoch(same)[0], second[0])


def test_a_model_in_fit_sees_the_draws_of_each_epoch_once_and_in_order(windows, splits):
    seen = []

    class Recorder(keras.Model):
        def train_step(self, data):
            seen.append(data[0].numpy())
            return {"loss": 0.0}

    model = Recorder()
    model.compile("sgd", run_eagerly=True)
    batches = training(windows, splits)
    model.fit(batches, epochs=3, steps_per_epoch=batches.steps, shuffle=False, verbose=0)
    expected = np.concatenate([one_epoch(batches, epoch)[0] for epoch in range(3)])
    assert len(seen) == 12
    np.testing.assert_array_equal(np.concatenate(seen), expected)


def test_every_training_target_ends_before_validation_begins(windows, splits):
    batches = training(windows, splits, batch_size=64, steps=50)
    drawn = batches.drawn(0).reshape(-1, 2)
    weight = one_epoch(batches)[2]  # (B, O, K)
    origin = drawn[:, 1, None] + np.arange(SETTINGS.warmup, SETTINGS.lookback)
    end = origin[..., None] + np.array(SETTINGS.learned_horizons)
    counted = end[weight > 0]
    assert counted.max() == splits.validation[0] - 1  # to the last session, and none beyond
    assert (drawn[:, 1] + SETTINGS.lookback - 1 <= splits.train[1]).all()


def test_changing_every_price_from_validation_on_changes_no_training_batch(
    panel, change_after, windows, splits
):
    changed = build_windows(change_after(panel, splits.validation[0] - 1, 0), SETTINGS)
    before, after = (
        one_epoch(training(each, splits, batch_size=64, steps=20)) for each in (windows, changed)
    )
    for a, b in zip(before, after, strict=True):
        np.testing.assert_array_equal(a, b)
    spoiled = build_windows(change_after(panel, splits.validation[0] - 2, 0), SETTINGS)
    assert (one_epoch(training(spoiled, splits, 64, 20))[1] != before[1]).any()


def test_more_windows_than_there_are_can_be_drawn(windows, splits):
    few = (splits.train[0], 160)
    batches = TrainingBatches(windows, few, batch_size=128, steps=4, seed=0)
    assert len(batches.pool) < 512
    assert one_epoch(batches)[0].shape[0] == 512


def test_validation_holds_every_known_outcome_of_its_origins_once(panel, windows, splits):
    batches = ValidationBatches(windows, splits.validation, batch_size=7)
    _, y, weight = one_epoch(batches)
    assert_each_outcome_once(panel, windows, splits, y, weight)


@pytest.mark.parametrize("late", [290, 331, 338, 345, 352, 360])
def test_a_ticker_listed_during_validation_is_not_counted_twice(make_panel, late):
    panel = make_panel(tickers=3, sessions=500, seed=6, late=late)
    splits, windows = make_splits(panel, SETTINGS), build_windows(panel, SETTINGS)
    assert splits.validation[0] - 40 < late < splits.validation[1]
    batches = ValidationBatches(windows, splits.validation, batch_size=7)
    _, y, weight = one_epoch(batches)
    assert_each_outcome_once(panel, windows, splits, y, weight)


def assert_each_outcome_once(panel, windows, splits, y, weight):
    """The targets that count are those written out from the prices, each one once."""
    first, last = splits.validation
    expected = []
    for u in range(3):
        for k, h in enumerate(SETTINGS.learned_horizons):
            now, later = panel.level[first : last + 1, u], panel.level[first + h : last + 1 + h, u]
            scale = windows.volatility[u, first : last + 1] * np.sqrt(h)
            known = (later - now) / scale
            known[: max(windows.first[u] + SETTINGS.warmup - first, 0)] = np.nan
            expected += [(k, value) for value in known if np.isfinite(value)]
    k = np.broadcast_to(np.arange(y.shape[-1]), y.shape)
    found = sorted(zip(k[weight > 0], y[weight > 0], strict=True))
    np.testing.assert_allclose(found, sorted(expected), rtol=1e-5, atol=1e-6)


def test_validation_comes_in_the_same_order_after_every_epoch(windows, splits):
    batches = ValidationBatches(windows, splits.validation, batch_size=7)
    before = one_epoch(batches)
    batches.on_epoch_end()
    for a, b in zip(before, one_epoch(batches), strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_crps_of_the_prior_is_what_a_head_of_zeros_gets_from_keras(windows, splits):
    batches = ValidationBatches(windows, splits.validation, batch_size=10**6)
    x = keras.Input((SETTINGS.lookback, len(windows.feature_names)))
    z = keras.layers.Cropping1D((SETTINGS.warmup, 0))(x)
    model = keras.Model(x, QuantileHead(SETTINGS.learned_horizons)(z))
    model.set_weights([np.zeros_like(w) for w in model.get_weights()])
    model.compile(loss=QuantileCRPS())
    expected = float(model.evaluate(batches, verbose=0))
    assert prior_crps(batches) == pytest.approx(expected, rel=1e-5)
    small = ValidationBatches(windows, splits.validation, batch_size=3)
    assert prior_crps(small) == pytest.approx(expected, rel=1e-5)
