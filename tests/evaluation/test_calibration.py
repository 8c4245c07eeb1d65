import numpy as np
import pandas as pd
import pytest
from scipy import stats

from forecast.evaluation.backtest import Backtest
from forecast.evaluation.calibration import before_and_after, reliability
from forecast.evaluation.conformal import conformal
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


def test_what_was_observed_after_the_adjustment_stands_beside_what_was_before(backtest, panel):
    adjusted = conformal(backtest.select(["narrow"]), panel)
    both = Backtest(
        backtest.cutoffs, (1,), LEVELS, backtest.actual, backtest.quantiles | adjusted.quantiles
    )
    table = before_and_after(reliability(both))
    assert list(table["model"].unique()) == ["right", "narrow"]
    right, narrow = (table[table["model"] == name] for name in ("right", "narrow"))
    assert right["observed_conformal"].isna().all()
    later = panel.locate(both.cutoffs)[0] > 0  # at the first session there is no volatility yet
    below = (both.actual <= both.quantiles["narrow+conformal"][:, 0])[later]
    np.testing.assert_allclose(narrow["observed_conformal"], below.mean(axis=0))
    before, after = narrow["observed"] - LEVELS, narrow["observed_conformal"] - LEVELS
    assert np.abs(after).mean() < np.abs(before).mean()
