"""Series that break careless code: every baseline and every score must get through them."""

from dataclasses import replace

import numpy as np
import pytest

from forecast.evaluation.backtest import forecast_frame, make_cutoffs, walk_forward
from forecast.evaluation.calibration import reliability
from forecast.evaluation.confidence import confidence_set
from forecast.evaluation.conformal import conformal
from forecast.evaluation.direction import copy_detector, direction_table
from forecast.evaluation.risk import risk_summary, risk_table
from forecast.evaluation.scores import score_table, scores, summary
from forecast.evaluation.significance import skill_table, ticker_table
from forecast.models.baselines import BASELINES

SMALL = {"garch-t": {"paths": 200}, "gjr": {"paths": 200}, "gbm-quantiles": {"trees": 5}}
START = 520


def one_ticker(panel):
    return panel.select(tickers=["S00"])


def flat_stretch(panel):
    panel.frame.iloc[540:600, column(panel, "S01")] = 50.0
    return panel


def always_flat(panel):
    panel.frame.iloc[:, column(panel, "S01")] = 50.0
    return panel


def listed_late_and_delisted_early(panel):
    panel.frame.iloc[: START + 20, column(panel, "S01")] = np.nan
    panel.frame.iloc[START + 60 :, column(panel, "S02")] = np.nan
    return panel


def few_dates(panel):
    return panel.select(end=panel.sessions[START + 30])


def column(panel, ticker):
    return np.flatnonzero(panel.frame.columns.get_level_values("unique_id") == ticker)


@pytest.mark.parametrize(
    "make_awkward",
    [one_ticker, flat_stretch, always_flat, listed_late_and_delisted_early, few_dates],
)
def test_everything_gets_through(make_awkward, make_panel):
    fresh = make_panel(tickers=3, sessions=700, seed=0)
    panel = make_awkward(replace(fresh, frame=fresh.frame.copy()))
    until = panel.sessions[START - 1]
    models = {
        name: make().set_params(**SMALL.get(name, {})).fit(panel, until)
        for name, make in BASELINES.items()
    }
    cutoffs = make_cutoffs(panel, panel.sessions[START], horizon=5)
    backtest = walk_forward(models, panel, cutoffs, (1, 5))
    table = scores(backtest, panel, until)
    means = summary(table)
    assert len(means) == 2 * len(BASELINES)
    assert (means["origins"] > 0).all()
    assert np.isfinite(means["crps"]).all()
    for skill in (skill_table, ticker_table):
        rows = skill(table, ["gjr"], ["ewma-t"])
        assert rows["verdict"].isin(["better", "not distinguishable", "worse"]).all()
    assert reliability(backtest)["observed"].between(0, 1).all()
    groups = score_table(table, panel)
    assert set(groups["by"]) == {"all", "ticker", "year", "regime"}
    assert np.isfinite(groups["crps"]).all()
    assert set(copy_detector(backtest, panel)["verdict"]) <= {
        "today's price",
        "more than today's price",
    }
    assert direction_table(table)["hits"].between(0, 1).all()
    assert len(risk_summary(risk_table(table))) <= 2 * len(means)
    assert confidence_set(table)["p_value"].between(0, 1).all()
    assert len(forecast_frame(backtest, panel)) == 2 * len(cutoffs)
    bands = conformal(backtest, panel).quantiles
    assert all(np.isfinite(bands[f"{m}+conformal"][:, 0]).any() for m in BASELINES)
