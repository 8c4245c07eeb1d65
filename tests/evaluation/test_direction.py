from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from forecast.evaluation.backtest import Backtest, make_cutoffs
from forecast.evaluation.direction import copy_detector, direction_table, panel_slope
from forecast.evaluation.scores import scores
from forecast.models.levels import LEVELS


def pesaran_timmermann_1992(up, called):
    """The classic statistic, written out; for independent observations."""
    n, hits = len(up), np.mean(up == called)
    a, b = up.mean(), called.mean()
    chance = a * b + (1 - a) * (1 - b)
    var_hits = chance * (1 - chance) / n
    var_chance = (
        (2 * a - 1) ** 2 * b * (1 - b) / n
        + (2 * b - 1) ** 2 * a * (1 - a) / n
        + 4 * a * b * (1 - a) * (1 - b) / n**2
    )
    return stats.norm.sf((hits - chance) / np.sqrt(var_hits - var_chance))


def with_medians(panel, predict, h=1, first=100):
    """A backtest whose median is `predict(actual, rng)`, normal around it."""
    cutoffs = make_cutoffs(panel, panel.sessions[first], horizon=h)
    session, ticker = panel.locate(cutoffs)
    actual = (panel.level[session + h, ticker] - panel.level[session, ticker])[:, None]
    median = predict(actual, np.random.default_rng(0))
    quantiles = median[:, :, None] + stats.norm.ppf(LEVELS, 0, 0.02)
    return Backtest(cutoffs, (h,), LEVELS, actual, {"m": quantiles.astype(np.float32)})


@pytest.fixture(scope="module")
def panel(make_panel):
    return make_panel(tickers=1, sessions=1500, seed=1)


@pytest.mark.parametrize("edge", [0.0, 0.0008])
def test_direction_agrees_with_the_classic_pesaran_timmermann_test(panel, edge):
    backtest = with_medians(
        panel, lambda y, rng: edge * np.sign(y) + rng.normal(0.002, 0.01, y.shape)
    )
    row = direction_table(scores(backtest, panel)).iloc[0]
    up = backtest.actual[:, 0] > 0
    called = backtest.at("m", 0.5)[:, 0] > 0
    assert row["hits"] == pytest.approx(np.mean(up == called))
    assert row["up_called"] == pytest.approx(called.mean())
    assert row["up_happened"] == pytest.approx(up.mean())
    assert row["p_value"] == pytest.approx(pesaran_timmermann_1992(up, called), abs=0.03)


def test_always_calling_up_is_no_skill(panel):
    backtest = with_medians(panel, lambda y, rng: np.full(y.shape, 0.001))
    row = direction_table(scores(backtest, panel)).iloc[0]
    assert row["up_called"] == 1
    assert np.isnan(row["p_value"])


def test_a_model_without_a_direction_has_no_row(panel):
    backtest = with_medians(panel, lambda y, rng: np.zeros(y.shape))
    assert direction_table(scores(backtest, panel)).empty


def test_the_panel_slope_equals_driscoll_and_kraay_written_out():
    rng = np.random.default_rng(3)
    date = np.repeat(np.arange(80), 5)
    x = rng.normal(size=400) + np.repeat(rng.normal(size=80), 5)
    y = 0.1 * x + np.repeat(rng.normal(size=80), 5)
    lags = 4
    design = np.column_stack([np.ones(400), x])
    inverse = np.linalg.inv(design.T @ design)
    coefficients = inverse @ design.T @ y
    moments = design * (y - design @ coefficients)[:, None]
    by_date = np.array([moments[date == t].sum(axis=0) for t in range(80)])
    middle = by_date.T @ by_date
    for lag in range(1, lags + 1):
        cross = by_date[lag:].T @ by_date[:-lag]
        middle += (1 - lag / (lags + 1)) * (cross + cross.T)
    error = np.sqrt((inverse @ middle @ inverse)[1, 1])
    got = panel_slope(y, x, date, lags)
    assert got.slope == pytest.approx(coefficients[1])
    assert got.p_value == pytest.approx(stats.norm.sf(coefficients[1] / error), rel=0.05)
    shuffled = rng.permutation(400)
    again = panel_slope(y[shuffled], x[shuffled], date[shuffled], lags)
    assert again.p_value == pytest.approx(got.p_value)


def test_overlapping_days_of_many_tickers_do_not_make_luck_significant():
    rng = np.random.default_rng(4)
    found = []
    for _ in range(150):
        market = rng.normal(size=(304, 1)) + 0.5 * rng.normal(size=(304, 8))
        y = np.array([market[t : t + 5].sum(axis=0) for t in range(300)])  # 5 sessions ahead
        x = np.cumsum(rng.normal(size=(300, 1)), axis=0) * 0.1 + rng.normal(size=(300, 8))
        date = np.repeat(np.arange(300), 8)
        test = panel_slope((y > 0).ravel() * 1.0, (x > 0).ravel() * 1.0, date, 7)
        found.append(test.p_value < 0.05)
    assert np.mean(found) < 0.12


def test_too_few_dates_give_no_p_value():
    few = panel_slope(np.arange(20.0), np.arange(20.0) % 3, np.arange(20), 1)
    assert np.isnan(few.p_value)


def test_yesterdays_price_is_called_today_s_price(panel):
    backtest = with_medians(panel, lambda y, rng: rng.normal(0, 0.0005, y.shape))
    row = copy_detector(backtest, panel).iloc[0]
    assert row["corr_today"] > row["corr_future"]
    assert row["verdict"] == "today's price"


def test_a_copy_is_looked_for_ticker_by_ticker_in_whatever_order_they_come(make_panel):
    panel = make_panel(tickers=3, sessions=200, seed=5)
    backtest = with_medians(panel, lambda y, rng: 0.2 * y + rng.normal(0, 0.01, y.shape))
    row = copy_detector(backtest, panel).iloc[0]
    now = panel.level[panel.locate(backtest.cutoffs)]
    prices = pd.DataFrame({"today": now, "forecast": now + backtest.at("m", 0.5)[:, 0]})
    by_ticker = np.exp(prices).groupby(backtest.cutoffs["unique_id"].astype(str))
    each = [of["today"].corr(of["forecast"]) for _, of in by_ticker]
    assert row["corr_today"] == pytest.approx(np.mean(each), rel=1e-9)
    mixed = np.random.default_rng(0).permutation(len(now))
    shuffled = replace(
        backtest,
        cutoffs=backtest.cutoffs.iloc[mixed].reset_index(drop=True),
        actual=backtest.actual[mixed],
        quantiles={"m": backtest.quantiles["m"][mixed]},
    )
    again = copy_detector(shuffled, panel).iloc[0]
    assert again["corr_future"] == pytest.approx(row["corr_future"], rel=1e-9)


def test_a_forecast_that_knows_something_is_more_than_today_s_price(panel):
    backtest = with_medians(panel, lambda y, rng: 0.2 * y + rng.normal(0, 0.002, y.shape))
    row = copy_detector(backtest, panel).iloc[0]
    assert row["verdict"] == "more than today's price"
    actual, median = backtest.actual[:, 0], backtest.at("m", 0.5)[:, 0]
    assert row["corr_change"] == pytest.approx(np.corrcoef(actual, median)[0, 1])
    price = panel.field("adj_close")["S00"]
    now = price.loc[backtest.cutoffs["cutoff"]].to_numpy()
    forecast = pd.Series(now * np.exp(median.astype(float)))
    assert row["corr_today"] == pytest.approx(forecast.corr(pd.Series(now)))
    assert row["corr_future"] == pytest.approx(forecast.corr(pd.Series(now * np.exp(actual))))
