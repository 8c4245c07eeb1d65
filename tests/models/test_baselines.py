from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.base import clone

from forecast.errors import InputError
from forecast.evaluation.backtest import make_cutoffs
from forecast.models.base import LEVELS
from forecast.models.baselines import BASELINES
from forecast.models.baselines.drift import Drift
from forecast.models.baselines.ewma import EwmaT
from forecast.models.baselines.history import History

HORIZONS = (1, 5, 20)
#: Smaller than the defaults, so that every property is tested in seconds.
SMALL = {"garch-t": {"paths": 400}, "gjr": {"paths": 400}, "gbm-quantiles": {"trees": 8}}


@pytest.fixture(scope="module")
def panel(make_panel):
    return make_panel(tickers=3, sessions=700, seed=3, holes=12, late=430)


@pytest.fixture(scope="module")
def until(panel):
    return panel.sessions[599]


@pytest.fixture(scope="module")
def fitted(panel, until):
    return {
        name: make().set_params(**SMALL.get(name, {})).fit(panel, until)
        for name, make in BASELINES.items()
    }


def noisy_after(panel, cutoff, seed):
    """Every price after `cutoff` replaced by another one."""
    frame = panel.frame.copy()
    later = frame.index > cutoff
    factor = np.exp(np.random.default_rng(seed).normal(0, 0.3, (later.sum(), frame.shape[1])))
    frame.loc[later] = frame.loc[later] * factor
    return replace(panel, frame=frame)


@pytest.mark.parametrize("name", BASELINES)
@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_changing_future_prices_changes_no_forecast_at_or_before_the_cutoff(
    name, panel, until, fitted, data
):
    cutoff = panel.sessions[data.draw(st.integers(600, 690))]
    other = noisy_after(panel, cutoff, data.draw(st.integers(0, 2**16)))
    cutoffs = make_cutoffs(panel, until, cutoff)
    before = fitted[name].forecast(panel, cutoffs, HORIZONS)
    after = fitted[name].forecast(other, cutoffs, HORIZONS)
    np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize("name", BASELINES)
def test_changing_prices_after_the_training_end_changes_no_fitted_model(name, panel, until, fitted):
    refitted = clone(fitted[name]).fit(noisy_after(panel, until, 1), until)
    cutoffs = make_cutoffs(panel, panel.sessions[590], panel.sessions[640])
    np.testing.assert_array_equal(
        fitted[name].forecast(panel, cutoffs, HORIZONS),
        refitted.forecast(panel, cutoffs, HORIZONS),
    )


@pytest.mark.parametrize("name", BASELINES)
def test_a_forecast_is_ordered_float32_and_does_not_depend_on_the_other_origins(
    name, panel, until, fitted
):
    cutoffs = make_cutoffs(panel, until)
    quantiles = fitted[name].forecast(panel, cutoffs, HORIZONS)
    assert fitted[name].name == name
    assert quantiles.shape == (len(cutoffs), 3, 99)
    assert quantiles.dtype == np.float32
    assert np.isfinite(quantiles).all()
    assert (np.diff(quantiles, axis=2) >= 0).all()
    alone = fitted[name].forecast(panel, cutoffs.iloc[[7]], (20, 1), LEVELS[[4, 94]])
    np.testing.assert_allclose(alone[0], quantiles[7][[2, 0]][:, [4, 94]], rtol=1e-6)


@pytest.mark.parametrize("name", BASELINES)
def test_an_origin_without_history_is_nan(name, panel, until, fitted):
    late = panel.tickers[-1]
    first = pd.DataFrame({"unique_id": [late], "cutoff": [panel.sessions[431]]})
    assert np.isnan(fitted[name].forecast(panel, first, HORIZONS)).all() or name == "drift"


@pytest.mark.parametrize("name", BASELINES)
def test_an_unknown_origin_is_an_input_error(name, panel, fitted):
    wrong = pd.DataFrame({"unique_id": ["XX"], "cutoff": [panel.sessions[650]]})
    with pytest.raises(InputError, match=r"XX at .* is not in the panel"):
        fitted[name].forecast(panel, wrong, HORIZONS)


@pytest.mark.parametrize("sessions", [120, 250])
def test_history_equals_nanquantile_of_the_returns_that_ended_before_the_cutoff(panel, sessions):
    cutoffs = make_cutoffs(panel, panel.sessions[505]).iloc[::37]
    quantiles = History(sessions).fit(panel, panel.sessions[500]).forecast(panel, cutoffs, HORIZONS)
    level = panel.level
    for row, (ticker, cutoff) in enumerate(cutoffs.itertuples(index=False)):
        u, now = panel.tickers.index(ticker), panel.sessions.get_loc(cutoff)
        for k, h in enumerate(HORIZONS):
            ends = range(max(now - sessions + 1, h), now + 1)
            past = [level[t, u] - level[t - h, u] for t in ends]
            enough = np.isfinite(past).sum() >= 60
            expected = np.nanquantile(past, LEVELS) if enough else np.full(99, np.nan)
            np.testing.assert_allclose(quantiles[row, k], expected, rtol=1e-5, atol=1e-9)


def test_drift_equals_scipys_normal_with_scaled_mean_and_deviation(make_panel):
    panel = make_panel(tickers=2, sessions=300, seed=5)
    until = panel.sessions[249]
    cutoffs = make_cutoffs(panel, panel.sessions[260])
    quantiles = Drift().fit(panel, until).forecast(panel, cutoffs, HORIZONS)
    past = np.diff(panel.level[:250], axis=0)
    for u, ticker in enumerate(panel.tickers):
        for k, h in enumerate(HORIZONS):
            mean, std = h * past[:, u].mean(), np.sqrt(h) * past[:, u].std(ddof=1)
            expected = stats.norm.ppf(LEVELS, mean, std)
            rows = (cutoffs["unique_id"] == ticker).to_numpy()
            np.testing.assert_allclose(
                quantiles[rows, k], np.tile(expected, (rows.sum(), 1)), rtol=2e-6, atol=1e-8
            )


def test_drift_gives_a_ticker_without_training_data_the_mean_of_the_others(make_panel):
    panel = make_panel(tickers=3, sessions=300, seed=5, late=230)
    model = Drift().fit(panel, panel.sessions[249])
    cutoff = pd.DataFrame({"unique_id": panel.tickers, "cutoff": panel.sessions[260]})
    median = model.forecast(panel, cutoff, (1,))[:, 0, 49]
    assert median[2] == pytest.approx(median[:2].mean(), rel=1e-5)


def test_ewma_t_equals_a_plain_loop_that_skips_holes(panel, until):
    cutoffs = make_cutoffs(panel, until).iloc[::29]
    quantiles = EwmaT().fit(panel, until).forecast(panel, cutoffs, HORIZONS)
    unit = stats.t.ppf(LEVELS, 5) / stats.t.std(5)
    for row, (ticker, cutoff) in enumerate(cutoffs.itertuples(index=False)):
        price = panel.field("adj_close")[ticker].loc[:cutoff].dropna()
        total = weight = 0.0
        for r in np.diff(np.log(price)):
            total, weight = 0.94 * total + r**2, 0.94 * weight + 1
        for k, h in enumerate(HORIZONS):
            expected = np.sqrt(total / weight * h) * unit
            np.testing.assert_allclose(quantiles[row, k], expected, rtol=1e-5, atol=1e-8)
