import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from utilsforecast.evaluation import evaluate
from utilsforecast.losses import coverage, mae

from forecast.errors import InputError
from forecast.evaluation.backtest import (
    forecast_frame,
    make_cutoffs,
    quantile_frame,
    walk_forward,
)
from forecast.evaluation.scores import scores
from forecast.models.baselines import BASELINES
from forecast.prices import next_sessions

HORIZONS = (1, 5, 20)


@pytest.fixture(scope="module")
def panel(make_panel):
    return make_panel(tickers=3, sessions=500, seed=2, holes=6)


@pytest.fixture(scope="module")
def backtest(panel):
    models = {
        name: BASELINES[name]().fit(panel, panel.sessions[299])
        for name in ("history-250", "ewma-t")
    }
    return walk_forward(models, panel, make_cutoffs(panel, panel.sessions[300]), HORIZONS)


def test_every_observed_session_of_every_ticker_in_the_range_is_an_origin(panel):
    first, last = panel.sessions[300], panel.sessions[410]
    cutoffs = make_cutoffs(panel, first, last)
    price = panel.field("adj_close").loc[first:last]
    expected = {(t, day) for t in panel.tickers for day in price.index[price[t].notna()]}
    assert set(cutoffs.itertuples(index=False, name=None)) == expected
    assert len(cutoffs) == len(expected)
    assert price.isna().any(axis=None)  # there are holes in the range


def test_origins_whose_longest_horizon_ends_after_the_panel_are_left_out(panel):
    assert (
        make_cutoffs(panel, panel.sessions[300], horizon=20)["cutoff"].max()
        == (panel.sessions[-21])
    )
    assert make_cutoffs(panel, panel.sessions[300])["cutoff"].max() == panel.sessions[-1]


def test_no_origin_at_all_says_what_the_panel_has(panel):
    with pytest.raises(InputError, match=r"has 20 sessions after it: the prices run from .*--test"):
        make_cutoffs(panel, panel.sessions[490], horizon=20)


def test_actual_is_the_log_return_and_nan_at_holes_and_beyond_the_end(panel, backtest):
    level = pd.DataFrame(panel.level, index=panel.sessions, columns=panel.tickers)
    for row in range(0, len(backtest.cutoffs), 41):
        ticker, cutoff = backtest.cutoffs.iloc[row]
        now = panel.sessions.get_loc(cutoff)
        for k, h in enumerate(HORIZONS):
            later = level[ticker].iloc[now + h] if now + h < len(level) else np.nan
            expected = later - level[ticker].iloc[now]
            np.testing.assert_equal(backtest.actual[row, k], expected)
    assert np.isnan(backtest.actual).any(axis=0).all()


def test_the_forecast_frame_has_prices_at_real_session_dates(panel, backtest):
    frame = forecast_frame(backtest, panel)
    price = panel.field("adj_close")
    known = frame[frame["ds"] <= panel.sessions[-1]]
    expected = [price.loc[ds, t] for t, ds in zip(known["unique_id"], known["ds"], strict=True)]
    np.testing.assert_allclose(known["y"], expected, rtol=1e-12)
    future = frame[frame["cutoff"] == panel.sessions[-1]]
    days = next_sessions("XNYS", panel.sessions[-1], 20)
    assert set(zip(future["h"], future["ds"], strict=True)) == {(h, days[h - 1]) for h in HORIZONS}
    assert future["y"].isna().all()
    assert (frame["ewma-t-lo-98"] < frame["ewma-t-lo-90"]).all()
    assert (frame["ewma-t-lo-50"] < frame["ewma-t"]).all()
    assert (frame["ewma-t"] < frame["ewma-t-hi-50"]).all()


def test_the_quantile_frame_travels_beside_the_forecast_frame(panel, backtest):
    prices, quantiles = forecast_frame(backtest, panel), quantile_frame(backtest)
    assert (prices[["unique_id", "cutoff", "h"]] == quantiles[["unique_id", "cutoff", "h"]]).all(
        axis=None
    )
    now = prices["y"] / np.exp(quantiles["log_return"])
    np.testing.assert_allclose(
        (now * np.exp(quantiles["ewma-t-q-0.05"]))[now.notna()],
        prices["ewma-t-lo-90"][now.notna()],
        rtol=1e-6,
    )


def test_utilsforecast_evaluates_the_forecast_frame_unchanged_and_agrees(panel, backtest):
    frame = forecast_frame(backtest, panel)
    frame = frame[frame["y"].notna()]
    theirs = evaluate(frame, metrics=[mae, coverage], models=backtest.models, level=[90])
    ours = scores(backtest, panel)
    ours = ours[ours["crps"].notna()].assign(unique_id=lambda t: t["unique_id"].astype(str))
    by_origin = ours.groupby(["unique_id", "cutoff", "model"], observed=True)[
        ["abs_error", "covered_90"]
    ].mean()
    assert len(by_origin) == 2 * len(frame[["unique_id", "cutoff"]].drop_duplicates())
    for metric, column in (("mae", "abs_error"), ("coverage_level90", "covered_90")):
        rows = theirs[theirs["metric"] == metric].set_index(["unique_id", "cutoff"])
        for model in backtest.models:
            expected = by_origin.xs(model, level="model")[column].loc[rows.index]
            np.testing.assert_allclose(rows[model], expected, rtol=1e-6, atol=1e-9)


def test_importing_evaluation_loads_no_slow_library():
    modules = "audit backtest calibration conformal direction folds metrics report risk scores"
    imports = ", ".join(
        f"forecast.evaluation.{name}" for name in [*modules.split(), "significance"]
    )
    code = (
        f"import sys, {imports}; "
        "slow = {'tensorflow', 'sklearn', 'statsmodels', 'arch', 'scipy'} & set(sys.modules); "
        "sys.exit(', '.join(slow) or 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
