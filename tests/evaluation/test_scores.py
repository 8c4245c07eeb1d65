from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from forecast.evaluation.backtest import Backtest, make_cutoffs, walk_forward
from forecast.evaluation.scores import (
    add_groups,
    common,
    overlap,
    score_table,
    scores,
    spacing,
    summary,
)
from forecast.models.baselines import BASELINES
from forecast.models.levels import LEVELS

HORIZONS = (1, 20)


@pytest.fixture(scope="module")
def panel(make_panel):
    return make_panel(tickers=3, sessions=500, seed=4, holes=5)


@pytest.fixture(scope="module")
def backtest(panel):
    models = {
        name: BASELINES[name]().fit(panel, panel.sessions[299])
        for name in ("history-250", "drift", "ewma-t")
    }
    return walk_forward(models, panel, make_cutoffs(panel, panel.sessions[300]), HORIZONS)


@pytest.fixture(scope="module")
def table(backtest, panel):
    return scores(backtest, panel, panel.sessions[299])


def test_there_is_one_row_per_origin_horizon_and_model(backtest, table):
    assert len(table) == len(backtest.cutoffs) * 2 * 3
    assert not table.duplicated(["unique_id", "cutoff", "h", "model"]).any()


def test_a_row_equals_the_plain_computation(backtest, panel, table):
    for model in backtest.models:
        for k, h in enumerate(HORIZONS):
            rows = table[(table["model"] == model) & (table["h"] == h)]
            for n in range(0, len(rows), 97):
                y, q = backtest.actual[n, k], backtest.quantiles[model][n, k].astype(float)
                loss = [
                    tau * max(y - v, 0) + (1 - tau) * max(v - y, 0)
                    for tau, v in zip(LEVELS, q, strict=True)
                ]
                row = rows.iloc[n]
                if np.isnan(y):
                    assert np.isnan(row["crps"])
                    continue
                assert row["crps"] == pytest.approx(2 * np.mean(loss), rel=1e-9)
                assert row["pinball_95"] == pytest.approx(loss[94], rel=1e-9)
                assert row["width_90"] == pytest.approx(q[94] - q[4], rel=1e-9)
                assert row["covered_90"] == (q[4] <= y <= q[94])
                assert row["below_5"] == (y < q[4])
                ticker, cutoff = backtest.cutoffs.iloc[n]
                price = panel.field("adj_close").loc[cutoff, ticker]
                error = abs(price * np.exp(y) - price * np.exp(q[49]))
                assert row["abs_error"] == pytest.approx(error, rel=1e-9)


def test_the_summary_compares_models_on_the_origins_that_all_of_them_forecast(backtest, panel):
    short = backtest.quantiles["drift"].copy()
    short[:100] = np.nan
    quantiles = backtest.quantiles | {"drift": short, "silent": np.full_like(short, np.nan)}
    holed = Backtest(backtest.cutoffs, HORIZONS, LEVELS, backtest.actual, quantiles)
    table = scores(holed, panel)
    means = summary(table).set_index(["model", "h"])
    known = np.isfinite(backtest.actual)
    known[:100] = False
    assert (means.xs(1, level="h")["origins"] == known[:, 0].sum()).all()
    assert (means.xs(20, level="h")["origins"] == known[:, 1].sum()).all()
    assert "silent" not in means.index.get_level_values("model")
    rows = table[(table["model"] == "ewma-t") & (table["h"] == 20)]["crps"].to_numpy()
    assert means.loc[("ewma-t", 20), "crps"] == pytest.approx(rows[known[:, 1]].mean())
    assert len(common(table)) == 3 * known.sum()


def test_summary_reduces_as_the_names_say(table):
    means = summary(table).set_index(["model", "h"])
    rows = common(table)
    rows = rows[(rows["model"] == "drift") & (rows["h"] == 20)]
    got = means.loc[("drift", 20)]
    assert got["mae"] == pytest.approx(rows["abs_error"].mean())
    assert got["mase"] == pytest.approx(rows["scaled_error"].mean())
    assert got["direction"] == pytest.approx(rows["hit"].mean())
    assert got["coverage_90"] == pytest.approx(rows["covered_90"].mean())
    expected = 1 - rows["squared_error"].sum() / rows["squared_return"].sum()
    assert got["r2_oos"] == pytest.approx(expected)
    assert means.loc[("ewma-t", 20), "r2_oos"] == 0  # its median is zero
    assert np.isnan(means.loc[("ewma-t", 20), "direction"])  # and calls no direction


def test_scores_can_be_summarised_by_ticker_year_and_regime(table, panel):
    grouped = add_groups(common(table), panel)
    whole = score_table(table, panel)
    parts = dict(list(whole.groupby("by")))
    pd.testing.assert_frame_equal(
        parts["all"].drop(columns=["by", "group"]).reset_index(drop=True), summary(table)
    )
    assert len(parts["ticker"]) == 3 * 2 * 3
    assert set(parts["ticker"]["group"]) == set(panel.tickers)
    calm = grouped[(grouped["regime"] == "calm") & (grouped["h"] == 1)]
    row = parts["regime"].set_index(["group", "model", "h"]).loc[("calm", "drift", 1)]
    assert row["crps"] == pytest.approx(calm[calm["model"] == "drift"]["crps"].mean())
    width = parts["regime"].set_index(["model", "h", "group"])["width_90"]["ewma-t"]
    assert width[1, "calm"] < width[1, "normal"] < width[1, "stormy"]
    years = pd.DatetimeIndex(table["cutoff"]).year.astype(str)
    assert set(parts["year"]["group"]) == set(years)
    for part in parts.values():
        assert part["group"].is_monotonic_increasing
        assert (
            part.groupby(["model", "h"])["origins"].sum()
            == parts["all"].set_index(["model", "h"])["origins"]
        ).all()


def test_where_no_model_has_a_forecast_there_are_no_means_but_the_same_columns(backtest, panel):
    silent = {name: np.full_like(each, np.nan) for name, each in backtest.quantiles.items()}
    table = scores(Backtest(backtest.cutoffs, HORIZONS, LEVELS, backtest.actual, silent), panel)
    means = score_table(table, panel)
    assert means.empty
    assert list(means) == list(score_table(scores(backtest, panel), panel))


def test_the_log_score_counts_where_there_is_a_density_and_says_on_which_share(panel, backtest):
    quantiles = backtest.quantiles["ewma-t"].copy()
    quantiles[::2] = 0.0  # a point mass
    table = scores(replace(backtest, quantiles={"half": quantiles}), panel)
    row = summary(table).set_index("h").loc[1]
    assert row["density"] == pytest.approx(0.5, abs=0.02)
    half = table[(table["h"] == 1) & table["crps"].notna()]
    assert row["log_score"] == pytest.approx(half["log_score"].mean())


def test_violations_are_the_share_of_outcomes_below_the_quantile(backtest, table):
    row = summary(table).set_index(["model", "h"]).loc[("drift", 1)]
    known = np.isfinite(backtest.actual[:, 0])
    below = backtest.actual[:, 0] < backtest.at("drift", 0.05)[:, 0]
    assert row["violations_5"] == pytest.approx(below[known].mean(), abs=1e-3)


def test_neighbouring_cutoffs_overlap_as_far_as_the_horizon_reaches(table):
    assert [overlap(table, h) for h in (1, 5, 20)] == [1, 5, 20]
    weekly = table[table["session"] % 5 == 0]
    assert spacing(weekly) == 5
    assert [overlap(weekly, h) for h in (1, 5, 20, 21)] == [1, 1, 4, 5]
    assert spacing(table[:1]) == 1
