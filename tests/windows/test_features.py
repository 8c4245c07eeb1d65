from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from forecast.prices import Panel
from forecast.windows.features import (
    BURN_IN,
    DECAY,
    FAST,
    FLOOR,
    causal_features,
    ewma_volatility,
    log_returns,
)


@pytest.fixture(scope="module")
def panel(make_panel):
    return make_panel(tickers=3, sessions=160, seed=4, holes=9, late=70)


def feature(panel, name):
    found = causal_features(panel)
    return found.values[..., found.names.index(name)]  # (U, S)


def slow_volatility(log_return, decay):
    """The sum over the past, for every session, written out."""
    volatility = np.full(len(log_return), np.nan)
    for now in range(len(log_return)):
        past = log_return[: now + 1]
        past = past[np.isfinite(past)][::-1]
        if past.size:
            weight = decay ** np.arange(past.size)
            volatility[now] = np.sqrt((weight * past**2).sum() / weight.sum())
    return volatility


@settings(max_examples=25, deadline=None)
@given(session=st.integers(0, 158), seed=st.integers(0, 2**16))
def test_changing_any_later_price_changes_no_feature_and_no_volatility(
    panel, change_after, session, seed
):
    before, after = causal_features(panel), causal_features(change_after(panel, session, seed))
    until = slice(session + 1)
    np.testing.assert_array_equal(before.values[:, until], after.values[:, until])
    np.testing.assert_array_equal(before.volatility[:, until], after.volatility[:, until])


def test_cutting_the_panel_off_changes_nothing_before_the_cut(panel):
    whole, cut = causal_features(panel), causal_features(panel.select(end=panel.sessions[120]))
    np.testing.assert_array_equal(whole.values[:, :121], cut.values)
    np.testing.assert_array_equal(whole.volatility[:, :121], cut.volatility)


def test_a_price_of_today_changes_features_of_today(panel, change_after):
    before, after = causal_features(panel), causal_features(change_after(panel, 100, 0))
    assert (before.values[:, 101] != after.values[:, 101]).any(axis=1).all()


def test_volatility_equals_the_written_out_sum_over_returns_that_exist(panel):
    returns = log_returns(panel)
    found = ewma_volatility(returns)
    for ticker in panel.tickers:
        expected = slow_volatility(returns[ticker].to_numpy(), DECAY)
        np.testing.assert_allclose(found[ticker], expected, rtol=1e-9)


def test_a_return_after_a_hole_spans_the_hole(panel):
    for ticker in panel.tickers:
        price = panel.field("adj_close")[ticker]
        observed = price.dropna()
        expected = np.log(observed / observed.shift(1)).reindex(price.index)
        np.testing.assert_allclose(log_returns(panel)[ticker], expected, rtol=1e-9, atol=1e-15)


@settings(max_examples=40, deadline=None)
@given(
    price=hnp.arrays(float, st.integers(2, 60), elements=st.floats(1e-3, 1e6)),
    data=st.data(),
)
def test_returns_summed_up_and_turned_back_are_the_prices(price, data):
    holes = data.draw(hnp.arrays(bool, len(price) - 1))
    price[1:][holes] = np.nan
    columns = pd.MultiIndex.from_tuples([("adj_close", "A")], names=["field", "unique_id"])
    days = pd.date_range("2020-01-01", periods=len(price), name="ds")
    panel = Panel(pd.DataFrame(price[:, None], days, columns), "made up", "0", "24/7")
    summed = np.log(price[0]) + log_returns(panel)["A"].fillna(0).cumsum()
    observed = np.isfinite(price)
    np.testing.assert_allclose(panel.value(summed.to_numpy())[observed], price[observed], rtol=1e-9)


def test_a_shock_is_the_return_in_units_of_the_volatility_known_the_day_before(panel):
    for u, ticker in enumerate(panel.tickers):
        returns = log_returns(panel)[ticker].to_numpy()
        sigma = np.append(np.nan, slow_volatility(returns, DECAY)[:-1])
        expected = np.nan_to_num(np.arcsinh(returns / sigma), posinf=0, neginf=0)
        np.testing.assert_allclose(feature(panel, "shock")[u], expected, rtol=1e-5, atol=1e-6)


def test_the_range_is_parkinsons_volatility_over_that_of_the_closes(panel):
    for u, ticker in enumerate(panel.tickers):
        span = np.log(panel.field("high")[ticker] / panel.field("low")[ticker]).to_numpy()
        parkinson = slow_volatility(span, FAST) / np.sqrt(4 * np.log(2))
        sigma = slow_volatility(log_returns(panel)[ticker].to_numpy(), DECAY)
        expected = np.nan_to_num(np.log(parkinson / sigma))
        np.testing.assert_allclose(feature(panel, "range")[u], expected, rtol=1e-4, atol=1e-5)


def test_without_highs_and_lows_the_range_is_left_out_and_the_rest_stays(panel):
    closes = panel.frame.loc[:, panel.frame.columns.isin(["adj_close"], level="field")]
    without, whole = causal_features(replace(panel, frame=closes)), causal_features(panel)
    assert set(whole.names) - set(without.names) == {"range"}
    kept = [whole.names.index(name) for name in without.names]
    np.testing.assert_array_equal(without.values, whole.values[..., kept])


def test_features_do_not_depend_on_the_currency(panel):
    dollars, cents = (
        causal_features(panel),
        causal_features(replace(panel, frame=panel.frame * 100)),
    )
    usual = slice(BURN_IN, None)
    np.testing.assert_allclose(
        dollars.values[:, usual], cents.values[:, usual], rtol=1e-4, atol=1e-5
    )


def test_a_session_without_news_has_the_value_zero(panel):
    silent = log_returns(panel).isna().to_numpy().T
    assert silent.any(axis=1).all()
    assert (feature(panel, "shock")[silent] == 0).all()


def test_flat_prices_give_finite_features_and_a_volatility_above_zero(panel):
    frame = panel.frame.copy()
    frame.iloc[40:] = frame.iloc[39].to_numpy()
    flat = causal_features(replace(panel, frame=frame))
    assert np.isfinite(flat.values).all()
    assert np.abs(flat.values).max() < 20
    seen = np.isfinite(flat.volatility)
    assert seen[:2, 1:].all()
    assert (flat.volatility[seen] >= FLOOR).all()


def test_the_market_is_the_mean_of_the_tickers_named_whatever_else_is_in_the_panel(panel):
    first, second, _ = panel.tickers
    named = causal_features(panel, market=[first, second, "GONE"])
    alone = causal_features(panel.select(tickers=[first, second]))
    np.testing.assert_array_equal(named.values[:2], alone.values)
    market = log_returns(panel)[[first, second]].mean(axis=1).to_numpy()
    sigma = np.append(np.nan, slow_volatility(market, DECAY)[:-1])
    found = named.values[..., named.names.index("market_shock")]
    expected = np.nan_to_num(np.arcsinh(market / sigma), posinf=0)
    np.testing.assert_allclose(found, np.tile(expected, (3, 1)), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(
        causal_features(panel, market=["GONE"]).values, causal_features(panel).values
    )


def test_on_a_linear_scale_a_return_is_a_difference_and_values_below_zero_are_fine(panel):
    middle = panel.field("adj_close").mean().mean()
    linear = replace(panel, frame=panel.frame - middle, scale="linear")
    assert (linear.field("low") < 0).any(axis=None)
    assert (linear.field("high") > 0).any(axis=None)
    price = linear.field("adj_close").ffill()
    expected = price.diff().where(linear.field("adj_close").notna())
    np.testing.assert_allclose(log_returns(linear), expected, rtol=1e-9)
    found = causal_features(linear)
    assert np.isfinite(found.values).all()
    assert "range" not in found.names  # it is the log of a ratio


def test_many_tickers_are_made_in_blocks_with_the_market_of_all(make_panel, monkeypatch):
    panel = make_panel(tickers=7, sessions=300, seed=5, holes=5, late=90)
    whole = causal_features(panel, market=panel.tickers[1:6])
    monkeypatch.setattr("forecast.windows.features.BLOCK", 3)
    blocks = causal_features(panel, market=panel.tickers[1:6])
    np.testing.assert_allclose(blocks.values, whole.values, rtol=1e-6, atol=1e-6)
    np.testing.assert_array_equal(blocks.volatility, whole.volatility)


def test_the_dispersion_is_the_spread_of_the_shocks_that_there_are(panel):
    shock = pd.DataFrame(feature(panel, "shock").T)
    listed = np.isfinite(panel.level) & (np.arange(len(panel.sessions)) > 1)[:, None]
    whole = listed.all(axis=1) & np.isfinite(log_returns(panel)).all(axis=1)
    found = feature(panel, "dispersion")[0]
    later = np.flatnonzero(whole)[2:]
    np.testing.assert_allclose(found[later], shock.std(axis=1).to_numpy()[later], rtol=1e-5)
