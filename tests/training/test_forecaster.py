import gc
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from forecast.errors import InputError
from forecast.evaluation.backtest import make_cutoffs, walk_forward
from forecast.evaluation.scores import scores, summary
from forecast.models.base import LEVELS
from forecast.models.baselines.ewma import EwmaT
from forecast.models.network import RECURRENT, build_network
from forecast.settings import Settings
from forecast.training import Ensemble, NeuralForecaster, ProgressReport
from forecast.training.batches import ValidationBatches
from forecast.training.outcome import read_outcome
from forecast.training.preparing import feature_statistics
from forecast.windows import BURN_IN, Windows, build_windows

SETTINGS = Settings(
    lookback=16, horizon=5, units=3, epochs=2, steps_per_epoch=3, batch_size=8, lr=1e-2
)
HORIZONS = (1, 3, 5)
#: Session at which validation begins, and the last one that may be learned from.
BORDER, UNTIL = 400, 499


@pytest.fixture(scope="module")
def panel(make_panel):
    return make_panel(tickers=3, sessions=600, seed=8, holes=10, late=150)


def new_network(panel, cell="gru", seed=0, settings=SETTINGS, report=None):
    return NeuralForecaster(settings, cell, seed, panel.sessions[BORDER].date(), report)


@pytest.fixture(scope="module")
def fitted(panel):
    said = ([], [])
    report = ProgressReport(said[0].append, said[1].append)
    network = new_network(panel, "lstm", report=report).fit(panel, panel.sessions[UNTIL])
    network.said = said
    return network


@pytest.fixture(scope="module")
def untrained(panel):
    """A network of each cell as it is before the first step."""
    windows = build_windows(panel, SETTINGS)
    statistics = feature_statistics(windows, BORDER - 6)
    models = {}
    for cell in RECURRENT:
        models[cell] = new_network(panel, cell)
        models[cell].network_ = build_network(SETTINGS, cell, statistics)
        models[cell].market_ = tuple(panel.tickers)
    return models


@pytest.fixture(scope="module")
def cutoffs(panel):
    return make_cutoffs(panel, panel.sessions[UNTIL + 1], horizon=5)


def test_an_untrained_network_is_the_ewma_t_baseline_within_two_per_cent(panel, untrained, cutoffs):
    models = {"ewma-t": EwmaT().fit(panel, panel.sessions[UNTIL]), **untrained}
    backtest = walk_forward(models, panel, cutoffs, HORIZONS)
    prior = backtest.quantiles["ewma-t"].astype(float)
    sigma = (prior[..., 74] - prior[..., 24])[..., None]
    for cell in ("lstm", "keras-lstm"):
        distance = np.abs(backtest.quantiles[cell] - prior) / sigma
        assert np.median(distance) < 0.02
    means = summary(scores(backtest, panel))
    crps = means.pivot_table(index="h", columns="model", values="crps", observed=True)
    np.testing.assert_allclose(crps.div(crps["ewma-t"], axis=0), 1, atol=0.02)


@hypothesis_settings(max_examples=8, deadline=None)
@given(session=st.integers(100, 590), seed=st.integers(0, 2**16))
def test_changing_any_later_price_changes_no_forecast_at_or_before_a_cutoff(
    panel, change_after, untrained, fitted, session, seed
):
    changed = change_after(panel, session, seed)
    cutoffs = make_cutoffs(panel, panel.sessions[session - 60], panel.sessions[session])
    for model in (fitted, untrained["lstm"], untrained["gru"]):
        before, after = (model.forecast(each, cutoffs, HORIZONS) for each in (panel, changed))
        np.testing.assert_array_equal(before, after)


def test_a_forecast_is_ordered_float32_and_does_not_depend_on_the_other_origins(
    panel, fitted, cutoffs
):
    quantiles = fitted.forecast(panel, cutoffs, HORIZONS)
    assert quantiles.shape == (len(cutoffs), 3, 99)
    assert quantiles.dtype == np.float32
    assert np.isfinite(quantiles).all()
    assert (np.diff(quantiles, axis=2) > 0).all()
    for row in (0, 41, 200):
        alone = fitted.forecast(panel, cutoffs.iloc[[row]], (5, 1), LEVELS[[4, 94]])
        np.testing.assert_allclose(alone[0], quantiles[row][[2, 0]][:, [4, 94]], rtol=1e-5)


def test_a_forecast_does_not_depend_on_tickers_the_network_was_not_trained_on(panel, untrained):
    few = untrained["gru"]
    model = NeuralForecaster(few.settings, few.cell, few.seed, few.validation_start)
    model.network_, model.market_ = few.network_, tuple(panel.tickers[:2])
    cutoffs = make_cutoffs(panel.select(tickers=panel.tickers[:2]), panel.sessions[550])
    np.testing.assert_allclose(
        model.forecast(panel, cutoffs, HORIZONS),
        model.forecast(panel.select(tickers=panel.tickers[:2]), cutoffs, HORIZONS),
        rtol=1e-5,
    )


def test_an_origin_with_too_little_history_is_nan_and_the_next_one_is_not(panel, untrained):
    late, first = panel.tickers[-1], 150 + BURN_IN + SETTINGS.warmup
    days = panel.sessions[[100, first - 1, first]]
    cutoffs = pd.DataFrame({"unique_id": late, "cutoff": days})
    missing = np.isnan(untrained["gru"].forecast(panel, cutoffs, HORIZONS))
    np.testing.assert_array_equal(missing.all(axis=(1, 2)), [True, True, False])
    assert not missing[2].any()


def test_the_same_seed_gives_the_same_weights_bit_for_bit_whatever_happens_after_the_end(
    panel, change_after, fitted
):
    changed = change_after(panel, UNTIL, 3)
    again = new_network(panel, "lstm").fit(changed, panel.sessions[UNTIL])
    for a, b in zip(fitted.network_.get_weights(), again.network_.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    history = ["epoch", "loss", "val_loss"]
    pd.testing.assert_frame_equal(fitted.history_[history], again.history_[history])
    pd.testing.assert_frame_equal(fitted.telemetry_, again.telemetry_)


def test_weights_come_from_training_prices_alone_as_far_as_validation_does_not_choose(
    panel, change_after
):
    every_window = {"epochs": 1, "batch_size": 512}  # more are drawn than there are
    last = SETTINGS.model_copy(update=every_window | {"telemetry": "off"})
    networks = [
        new_network(panel, "simple-rnn", settings=last).fit(each, panel.sessions[UNTIL])
        for each in (panel, change_after(panel, BORDER - 1, 4))
    ]
    for a, b in zip(*(each.network_.get_weights() for each in networks), strict=True):
        np.testing.assert_array_equal(a, b)
    assert networks[0].history_["val_loss"][0] != networks[1].history_["val_loss"][0]


def test_what_fit_promises_is_there(fitted):
    assert list(fitted.history_["epoch"]) == [1, 2]
    assert np.isfinite(fitted.history_[["loss", "val_loss", "seconds"]]).all(axis=None)
    assert len(fitted.first_losses_) == 2
    assert fitted.fit_seconds_ > 0 < fitted.step_ms_
    assert fitted.left_out_ == {}
    steps, lines = fitted.said
    assert len(steps) == 6
    assert len(lines) == 2
    for word in ("loss", "validation CRPS"):
        assert word in steps[-1]
        assert word in lines[-1]
    assert "‖gradient‖" in lines[0]  # of a sampled step, and the next is far off


def test_a_training_leaves_no_windows_in_memory(panel):
    def windows():
        gc.collect()
        return {id(each) for each in gc.get_objects() if isinstance(each, Windows)}

    before = windows()
    settings = SETTINGS.model_copy(update={"epochs": 1, "telemetry": "off"})
    network = new_network(panel, settings=settings).fit(panel, panel.sessions[UNTIL])
    assert windows() <= before
    assert len(network.history_) == 1


def test_the_losses_of_the_first_two_steps_are_those_of_the_steps_not_running_means(fitted):
    first = fitted.history_["loss"][0] * 3  # the mean of three steps of equal size
    third = first - sum(fitted.first_losses_)
    assert all(0.3 < loss < 1 for loss in (*fitted.first_losses_, third))
    assert fitted.first_losses_[0] != fitted.first_losses_[1]


def test_the_probe_has_a_gradient_at_its_last_step_however_short_validation_is(panel):
    network = NeuralForecaster(SETTINGS, "simple-rnn", 0, panel.sessions[UNTIL - 10].date())
    network.fit(panel, panel.sessions[UNTIL])
    norms = network.telemetry_.query("quantity == 'state_gradient_norm'")
    assert len(norms) == 16 * 3  # lags × before training, the first epoch, the weights kept
    assert (norms.loc[norms["lag_sessions"] == 0, "value"] > 0).all()


def test_training_stops_when_validation_no_longer_improves_and_keeps_the_best_weights(panel):
    wild = {"lr": 1.0, "clip_norm": 100.0, "epochs": 40, "patience": 1, "telemetry": "off"}
    chosen = SETTINGS.model_copy(update=wild)
    network = new_network(panel, "simple-rnn", settings=chosen).fit(panel, panel.sessions[UNTIL])
    losses = network.history_["val_loss"]
    assert len(losses) == losses.argmin() + 2 < 40
    windows = build_windows(panel.select(end=panel.sessions[UNTIL]), chosen, network.market_)
    held_out = ValidationBatches(windows, (BORDER, UNTIL - SETTINGS.horizon), 256)
    assert network.network_.evaluate(held_out, verbose=0) == pytest.approx(losses.min(), rel=1e-5)


def test_a_network_comes_back_from_its_file(panel, fitted, cutoffs, tmp_path):
    fitted.save(tmp_path / "network.keras")
    loaded = new_network(panel, "lstm").load(tmp_path / "network.keras", panel.tickers)
    np.testing.assert_array_equal(
        loaded.forecast(panel, cutoffs, HORIZONS), fitted.forecast(panel, cutoffs, HORIZONS)
    )


def test_an_ensemble_forecasts_the_mean_of_its_members_quantiles(panel, untrained, cutoffs):
    members = list(untrained.values())
    found = Ensemble(members).forecast(panel, cutoffs, HORIZONS)
    expected = np.mean([m.forecast(panel, cutoffs, HORIZONS) for m in members], axis=0)
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert found.dtype == np.float32
    assert (np.diff(found, axis=2) > 0).all()
    assert Ensemble(members).name == members[0].name


def test_statistics_are_those_of_training_sessions_alone(panel, change_after):
    windows = build_windows(panel, SETTINGS)
    mean, variance, count = feature_statistics(windows, 300)
    rows = np.concatenate([windows.features[u, a:301] for u, a in enumerate(windows.first)])
    np.testing.assert_allclose(mean, rows.mean(axis=0, dtype=float), rtol=1e-6)
    np.testing.assert_allclose(variance, rows.var(axis=0, dtype=float), rtol=1e-6)
    assert count == len(rows)
    other = feature_statistics(build_windows(change_after(panel, 300, 0), SETTINGS), 300)
    np.testing.assert_array_equal(other.mean, mean)


@pytest.mark.parametrize(("border", "until"), [(20, 499), (400, 404)])
def test_nothing_to_train_or_to_validate_on_is_told(panel, border, until):
    network = NeuralForecaster(SETTINGS, "gru", 0, panel.sessions[border].date())
    with pytest.raises(InputError, match=r"nothing to train or validate on: .* must fit"):
        network.fit(panel, panel.sessions[until])


def test_a_series_below_zero_is_learned_and_forecast_as_differences(panel):
    middle = panel.frame["adj_close"].mean().mean()
    frame = panel.frame[["adj_close"]] - middle
    linear = replace(panel, frame=frame, scale="linear")
    quiet = SETTINGS.model_copy(update={"telemetry": "off"})
    network = new_network(linear, "simple-rnn", settings=quiet).fit(linear, panel.sessions[UNTIL])
    cutoffs = make_cutoffs(linear, panel.sessions[UNTIL + 1])
    found = network.forecast(linear, cutoffs, HORIZONS)
    assert np.isfinite(found).all()
    assert 0.5 < np.abs(found).mean() < middle


def test_parameters_follow_scikit_learn(panel):
    from sklearn.base import clone

    network = new_network(panel, "gru", seed=4)
    twin = clone(network)
    assert twin.get_params() == network.get_params()
    assert twin.name == "gru"
    assert not hasattr(twin, "network_")


def test_an_automatic_learning_rate_is_the_middle_of_what_a_range_test_suggests(panel, tmp_path):
    settings = SETTINGS.model_copy(update={"lr": "auto", "epochs": 1, "telemetry": "off"})
    network = new_network(panel, "simple-rnn", settings=settings)
    network.checkpoint = tmp_path
    network.fit(panel, panel.sessions[UNTIL])
    low, high = network.range_test_.suggested
    assert low < network.lr_ < high
    assert network.lr_ == pytest.approx(np.sqrt(low * high), rel=1e-6)
    again = new_network(panel, "simple-rnn", settings=settings)
    again.take_over(read_outcome(tmp_path, print), tmp_path, panel.tickers)
    assert again.lr_ == network.lr_
    assert again.range_test_.suggested == (low, high)
    assert again.range_test_.frame.equals(network.range_test_.frame)


def test_a_learning_rate_that_is_given_is_the_one_used(fitted):
    assert fitted.lr_ == pytest.approx(SETTINGS.lr)
    assert not hasattr(fitted, "range_test_")


def test_forecasts_in_parts_are_those_made_at_once(fitted, panel):
    cutoffs = make_cutoffs(panel, panel.sessions[520])
    whole = fitted.forecast(panel, cutoffs, HORIZONS)
    found = np.full_like(whole, np.inf)
    sizes = []
    for rows, quantiles in fitted.forecast_parts(panel, cutoffs, HORIZONS, rows=50):
        found[rows] = quantiles
        sizes.append(len(rows))
    assert max(sizes) == 50
    np.testing.assert_allclose(found, whole, rtol=1e-4, atol=1e-7)
