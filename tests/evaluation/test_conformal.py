from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import stats

from forecast.evaluation.backtest import make_cutoffs, walk_forward
from forecast.evaluation.conformal import _density, conformal, track
from forecast.evaluation.scores import scores, summary
from forecast.models.base import LEVELS
from forecast.models.baselines.ewma import EwmaT
from forecast.windows.features import ewma_volatility, log_returns

HORIZONS = (1, 5)


@pytest.fixture(scope="module")
def panel(make_panel):
    return make_panel(tickers=4, sessions=1500, seed=5, holes=6)


@pytest.fixture(scope="module")
def backtest(panel):
    """EWMA-t, and the same with bands of half the width and a median too high."""
    cutoffs = make_cutoffs(panel, panel.sessions[100])
    right = walk_forward({"right": EwmaT()}, panel, cutoffs, HORIZONS)
    wrong = right.quantiles["right"] / 2 + 0.005
    return replace(right, quantiles=right.quantiles | {"wrong": wrong})


def test_bands_that_are_too_narrow_come_to_cover_what_they_say(backtest, panel):
    before = scores(backtest, panel)
    after = scores(conformal(backtest, panel, rate=0.005), panel)

    def coverage(table):
        late = table[table["cutoff"] > panel.sessions[700]]
        return summary(late).set_index(["model", "h"])[["coverage_50", "coverage_90"]]

    assert (coverage(before).loc["wrong", "coverage_90"] < 0.7).all()
    got = coverage(after)
    assert got["coverage_90"].between(0.88, 0.92).all()
    assert got["coverage_50"].between(0.46, 0.54).all()


def test_a_calibrated_forecast_is_left_nearly_as_it_was(backtest, panel):
    before = summary(scores(backtest, panel)).set_index(["model", "h"])["crps"]["right"]
    after = summary(scores(conformal(backtest, panel), panel)).set_index(["model", "h"])["crps"]
    np.testing.assert_allclose(after["right+conformal"], before, rtol=0.01)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(now=st.integers(110, 1490), k=st.integers(0, 1), seed=st.integers(0, 99))
def test_outcomes_after_a_cutoff_change_no_band_at_or_before_it(backtest, panel, now, k, seed):
    h = HORIZONS[k]
    session, _ = panel.locate(backtest.cutoffs)
    unknown = session + h > now
    actual = backtest.actual.copy()
    actual[unknown, k] += np.random.default_rng(seed).normal(0, 1, unknown.sum())
    before = conformal(backtest, panel).quantiles
    after = conformal(replace(backtest, actual=actual), panel).quantiles
    past = session <= now
    for model in before:
        np.testing.assert_array_equal(before[model][past, k], after[model][past, k])
    later = session > now + h
    assert (before["right+conformal"][later, k] != after["right+conformal"][later, k]).any() or (
        not later.any()
    )


def test_the_tracked_shift_equals_a_plain_loop_over_all_past_errors():
    rng = np.random.default_rng(0)
    session = np.repeat(np.arange(0, 60, 2), 3)  # every second session, three tickers
    quantiles = np.tile(np.array([-1.0, 0.0, 1.0]), (90, 1)) + rng.normal(0, 0.1, (90, 1))
    actual = np.where(rng.random(90) < 0.1, np.nan, rng.normal(0.3, 2, 90))
    levels, step, h = np.array([0.1, 0.5, 0.9]), np.array([0.2, 0.1, 0.2]), 5
    got = track(quantiles, actual, session, h, levels, step)
    bands = {}
    for now in range(0, 60, 2):
        shift = np.zeros(3)
        for then in range(0, now - h + 1, 2):
            rows = [n for n in range(90) if session[n] == then and np.isfinite(actual[n])]
            for q in range(3):
                under = [actual[n] <= bands[n][q] for n in rows]
                if under:
                    shift[q] += step[q] * (levels[q] - np.mean(under))
        for n in np.flatnonzero(session == now):
            bands[n] = sorted(quantiles[n] + shift)
    np.testing.assert_allclose(got, np.array([bands[n] for n in range(90)]), rtol=1e-12)


def test_errors_that_overlap_move_a_far_horizon_more_slowly(panel):
    cutoffs = make_cutoffs(panel, panel.sessions[100], panel.sessions[140])
    far = walk_forward({"low": EwmaT()}, panel, cutoffs, (4, 16))
    far.quantiles["low"] -= 10  # every outcome is above every quantile
    moved = conformal(far, panel, rate=0.01).quantiles["low+conformal"] - far.quantiles["low"]
    session, ticker = panel.locate(cutoffs)
    sigma = ewma_volatility(log_returns(panel)).to_numpy()[session, ticker]
    for k, h in enumerate((4, 16)):
        known = np.maximum(session - 100 - h + 1, 0)  # dates whose outcome is known
        shift = known[:, None] * LEVELS * 0.01 / _density(LEVELS) / np.sqrt(h)
        assert shift.max() > 0
        np.testing.assert_allclose(moved[:, k] / (sigma * np.sqrt(h))[:, None], shift, atol=1e-3)


def test_origins_without_a_forecast_stay_without(backtest, panel):
    holed = backtest.quantiles["right"].copy()
    holed[::7] = np.nan
    adjusted = conformal(replace(backtest, quantiles={"m": holed}), panel).quantiles["m+conformal"]
    np.testing.assert_array_equal(np.isnan(adjusted), np.isnan(holed))
    kept = adjusted[~np.isnan(holed).any(axis=2)]
    assert (np.diff(kept, axis=-1) >= 0).all()


def test_the_density_equals_scipy():
    unit = stats.t(5, scale=np.sqrt(3 / 5))
    np.testing.assert_allclose(_density(LEVELS), unit.pdf(unit.ppf(LEVELS)), rtol=1e-9)
