import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from forecast.evaluation.significance import (
    diebold_mariano,
    holm,
    power_notes,
    skill_table,
    ticker_table,
    verdict_of,
)


def plain_diebold_mariano(a, b, h):
    """Newey–West variance and Harvey's correction, written out."""
    d = a - b
    D, lags = len(d), max(h - 1, int(np.ceil(len(d) ** (1 / 3))))
    c = d - d.mean()
    variance = c @ c / D
    for lag in range(1, lags + 1):
        variance += 2 * (1 - lag / (lags + 1)) * (c[lag:] @ c[:-lag]) / D
    correction = np.sqrt((D + 1 - 2 * h + h * (h - 1) / D) / D)
    statistic = correction * d.mean() / np.sqrt(variance / D)
    return 2 * stats.t.sf(abs(statistic), D - 1)


@pytest.mark.parametrize("h", [1, 5, 20])
def test_diebold_mariano_equals_the_plain_formula(h):
    rng = np.random.default_rng(h)
    a, b = rng.gamma(2, 1, 300), rng.gamma(2, 1.05, 300)
    assert diebold_mariano(a, b, h).p_value == pytest.approx(plain_diebold_mariano(a, b, h))


def test_the_test_rejects_equal_forecasts_about_as_often_as_it_says():
    rng = np.random.default_rng(0)
    p = [diebold_mariano(*rng.normal(size=(2, 250)), 1).p_value for _ in range(400)]
    assert 0.02 < np.mean(np.array(p) < 0.05) < 0.09


def test_identical_forecasts_are_not_distinguishable_and_the_reason_is_given(score_rows):
    loss = np.random.default_rng(0).gamma(2, 1, 100)
    row = skill_table(score_rows({"m": loss, "b": loss}), ["m"], ["b"]).iloc[0]
    assert row["p_value"] == 1
    assert row["crps_skill"] == 0
    assert row["verdict"] == "not distinguishable"
    assert row["reason"] == "the losses are the same"


def test_against_a_perfect_baseline_there_is_a_verdict_but_no_relative_skill(score_rows):
    loss = np.random.default_rng(0).gamma(2, 1, 100)
    table = score_rows({"m": loss, "b": np.zeros(100)})
    row = skill_table(table, ["m"], ["b"]).iloc[0]
    assert np.isnan(row["crps_skill"])
    assert row["verdict"] == "worse"
    same = skill_table(score_rows({"m": np.zeros(100), "b": np.zeros(100)}), ["m"], ["b"]).iloc[0]
    assert same["verdict"] == "not distinguishable"


def test_too_few_dates_are_not_distinguishable_and_the_reason_has_the_numbers(score_rows):
    loss = np.random.default_rng(0).gamma(2, 1, 49)
    row = skill_table(score_rows({"m": loss, "b": 2 * loss}, h=20), ["m"], ["b"]).iloc[0]
    assert np.isnan(row["p_value"])
    assert row["crps_skill"] == pytest.approx(0.5)
    assert row["verdict"] == "not distinguishable"
    assert row["reason"] == "49 dates; 50 are needed"


def test_cutoffs_several_sessions_apart_overlap_less(score_rows):
    rng = np.random.default_rng(9)
    a, b = rng.gamma(2, 1, 60), rng.gamma(2, 1.5, 60)
    for h, step, overlapping in ((20, 5, 4), (20, 7, 3), (5, 20, 1)):
        row = skill_table(score_rows({"m": a, "b": b}, h, step=step), ["m"], ["b"]).iloc[0]
        assert row["p_value"] == pytest.approx(plain_diebold_mariano(a, b, overlapping))
        assert row["spacing"] == step


def test_the_verdict_has_the_sign_of_the_skill(score_rows):
    rng = np.random.default_rng(1)
    base = rng.gamma(2, 1, 200)
    table = score_rows({"good": 0.8 * base, "b": base, "bad": 1.2 * base})
    skill = skill_table(table, ["good", "bad", "b"], ["b"]).set_index("model")
    assert list(skill["verdict"]) == ["better", "worse"]
    assert skill.loc["good", "crps_skill"] == pytest.approx(0.2)
    assert skill.loc["bad", "crps_skill"] == pytest.approx(-0.2)
    assert (skill["ci_low"] < skill["crps_skill"]).all()
    assert (skill["crps_skill"] < skill["ci_high"]).all()
    assert verdict_of(np.nan, 1.0) == "not distinguishable"


def test_one_market_day_counts_once_however_many_tickers_there_are(score_rows):
    rng = np.random.default_rng(2)
    losses = {"m": rng.gamma(2, 1, 150), "b": rng.gamma(2, 1, 150)}
    few = skill_table(score_rows(losses), ["m"], ["b"]).iloc[0]
    many = skill_table(score_rows(losses, tickers=[*"ABCDEFGH"]), ["m"], ["b"]).iloc[0]
    assert few["p_value"] == pytest.approx(many["p_value"])
    assert few["sessions"] == many["sessions"] == 150


def test_the_interval_excludes_zero_exactly_when_the_verdict_says_so(score_rows):
    rng = np.random.default_rng(3)
    for _ in range(30):
        base = rng.gamma(2, 1, 120)
        other = base * rng.uniform(0.95, 1.05) + rng.normal(0, 0.2, 120)
        row = skill_table(score_rows({"m": other, "b": base}), ["m"], ["b"]).iloc[0]
        excludes = row["ci_low"] > 0 or row["ci_high"] < 0
        assert excludes == (row["verdict"] != "not distinguishable")


def test_an_edge_of_the_detectable_size_is_found_in_four_cases_of_five(score_rows):
    rng = np.random.default_rng(4)
    found, sizes = [], []
    for _ in range(120):
        base = rng.gamma(20, 0.05, 200)
        noise = rng.normal(0, 0.1, 200)
        rows = score_rows({"m": base + noise - 0.02, "b": base}, tickers=("A",))
        row = skill_table(rows, ["m"], ["b"]).iloc[0]
        found.append(row["verdict"] == "better")
        sizes.append(row["detectable_skill"])
    assert np.mean(sizes) == pytest.approx(0.02, abs=0.002)
    assert np.mean(found) == pytest.approx(0.8, abs=0.1)


def test_a_model_without_any_forecast_gets_a_row_that_says_so(score_rows):
    loss = np.random.default_rng(0).gamma(2, 1, 60)
    table = score_rows({"m": loss, "b": loss * np.nan})
    row = skill_table(table, ["m"], ["b"]).iloc[0]
    assert row["verdict"] == "not distinguishable"
    assert row["reason"] == "no forecast with a known outcome"
    short = score_rows({"m": loss, "b": loss + 1}, h=5)
    for made in (skill_table, ticker_table):  # b forecasts 5 sessions ahead alone
        both = made(pd.concat([table, short], ignore_index=True), ["m"], ["b"]).set_index("h")
        assert (both.loc[[1], "reason"] == "no forecast with a known outcome").all()
        assert (both.loc[[5], "sessions"] == 60).all()


def test_holm_equals_statsmodels():
    p = np.random.default_rng(5).uniform(0, 0.1, 20)
    np.testing.assert_allclose(holm(p), multipletests(p, method="holm")[1], rtol=1e-12)
    assert holm(np.array([])).size == 0


def test_the_ticker_table_corrects_over_the_tickers_of_a_comparison():
    rng = np.random.default_rng(6)
    days = pd.bdate_range("2020-01-01", periods=200)
    parts = []
    for n, ticker in enumerate("ABCDEF"):
        base = rng.gamma(2, 1, 200)
        other = base - (0.6 if n == 0 else 0.0) + rng.normal(0, 1, 200)
        for model, loss in (("m", other), ("b", base)):
            rows = {"unique_id": ticker, "cutoff": days, "session": range(200), "h": 1}
            parts.append(pd.DataFrame({**rows, "model": model, "crps": loss}))
    table = pd.concat(parts, ignore_index=True)
    got = ticker_table(table, ["m"], ["b"]).set_index("unique_id")
    for ticker in "ABCDEF":
        alone = skill_table(table[table["unique_id"] == ticker], ["m"], ["b"]).iloc[0]
        assert got.loc[ticker, "p_value"] == pytest.approx(alone["p_value"])
    expected = multipletests(got["p_value"], method="holm")[1]
    np.testing.assert_allclose(got["p_holm"], expected)
    assert got.loc["A", "verdict"] == "better"
    assert (got["p_holm"] >= got["p_value"]).all()


def test_a_power_note_says_how_many_sessions_an_edge_would_need(score_rows):
    rng = np.random.default_rng(8)
    base = rng.gamma(20, 0.05, 250)
    table = score_rows({"m": base + rng.normal(0, 0.2, 250) - 0.005, "b": base})
    skill = skill_table(table, ["m"], ["b"])
    (note,) = power_notes(skill)
    row = skill.iloc[0]
    needed = 250 * (row["detectable_skill"] / row["crps_skill"]) ** 2
    assert note.startswith("m against b, 1 session ahead: 250 dates find a skill of")
    assert f"would need about {needed:,.0f} ({needed / 252:,.0f} years)." in note
    assert f"({needed * 5 / 252:,.0f} years)" in power_notes(skill.assign(spacing=5))[0]
    assert power_notes(skill.assign(verdict="better")) == []
    assert "is beyond any test" in power_notes(skill.assign(crps_skill=0.0))[0]
