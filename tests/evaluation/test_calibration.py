import numpy as np
import pandas as pd
import pytest
from scipy import stats

from forecast.evaluation.backtest import Backtest
from forecast.evaluation.calibration import coverage_table, pit_histogram, reliability
from forecast.evaluation.scores import scores
from forecast.models.levels import LEVELS


@pytest.fixture(scope="module")
def panel(make_panel):
    return make_panel(tickers=4, sessions=600, seed=1)


@pytest.fixture(scope="module")
def backtest(panel):
    """Outcomes drawn from N(0, 0.01²): one calibrated forecast, one with half the spread."""
    ticker, session = np.divmod(np.arange(2000), 500)
    cutoffs = pd.DataFrame(
        {"unique_id": np.array(panel.tickers)[ticker], "cutoff": panel.sessions[session]}
    )
    actual = np.random.default_rng(0).normal(0, 0.01, (2000, 1))
    right = np.tile(stats.norm.ppf(LEVELS, 0, 0.01), (2000, 1, 1)).astype(np.float32)
    return Backtest(cutoffs, (1,), LEVELS, actual, {"right": right, "narrow": right / 2})


def test_reliability_of_a_calibrated_forecast_is_the_diagonal(backtest):
    table = reliability(backtest).set_index("model")
    assert np.abs(table.loc["right", "observed"] - LEVELS).max() < 0.03
    expected = stats.norm.cdf(stats.norm.ppf(LEVELS) / 2)
    assert np.abs(table.loc["narrow", "observed"] - expected).max() < 0.03
    assert (table["n"] == 2000).all()


def test_reliability_counts_known_outcomes_only(backtest):
    actual = backtest.actual.copy()
    actual[:1500] = np.nan
    quantiles = backtest.quantiles | {"none": backtest.quantiles["right"] * np.nan}
    table = reliability(Backtest(backtest.cutoffs, (1,), LEVELS, actual, quantiles))
    assert (table.loc[table["model"] == "right", "n"] == 500).all()
    row = table[(table["model"] == "right") & (table["level"] == 0.3)].iloc[0]
    below = actual[1500:, 0] <= backtest.quantiles["right"][1500:, 0, 29]
    assert row["observed"] == pytest.approx(below.mean())
    assert table.loc[table["model"] == "none", "observed"].isna().all()


def test_the_pit_histogram_is_flat_for_the_calibrated_and_a_bowl_for_the_narrow(backtest, panel):
    bars = pit_histogram(scores(backtest, panel), bins=10)
    right = bars[bars["model"] == "right"]["density"]
    narrow = bars[bars["model"] == "narrow"]["density"].to_numpy()
    assert right.mean() == pytest.approx(1)
    assert right.between(0.75, 1.25).all()
    assert narrow[[0, -1]].min() > 1.8
    assert narrow[3:7].max() < 0.75


def test_the_coverage_table_says_which_band_holds(backtest, panel):
    table = coverage_table(scores(backtest, panel)).set_index(["model", "band"])
    for band in (50, 80, 90, 98):
        assert table.loc[("right", band), "coverage"] == pytest.approx(band / 100, abs=0.03)
        assert table.loc[("narrow", band), "coverage"] < band / 100 - 0.08
        width = 0.02 * stats.norm.ppf(0.5 + band / 200)
        assert table.loc[("right", band), "width"] == pytest.approx(width, rel=1e-5)
