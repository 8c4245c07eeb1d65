import pandas as pd
import pytest

from forecast.report.words import (
    ahead,
    coverage,
    listed,
    number,
    on_what,
    p_value,
    strongest,
    verdict,
)


def skill(*verdicts):
    """One row per (baseline, h, verdict, skill)."""
    columns = ["baseline", "h", "verdict", "crps_skill"]
    return pd.DataFrame(verdicts, columns=columns).assign(model="net")


def test_lists_read_like_sentences():
    assert listed([]) == ""
    assert listed(["a"]) == "a"
    assert listed(["a", "b", "c"]) == "a, b and c"
    assert listed(range(30), most=3) == "0, 1 and 28 more"


def test_numbers_have_a_real_minus_sign_and_a_dash_where_there_is_none():
    assert number(-0.0123, "+.1f", 100) == "−1.2"
    assert number(float("nan"), ".1f") == number(None, ".1f") == "–"
    assert number("5", ".1f") == number(True, ".1f") == "–"


def test_a_p_value_is_never_zero():
    assert [p_value(p) for p in (0.0314, 0.0009, 0.0, float("nan"))] == [
        "0.031",
        "< 0.001",
        "< 0.001",
        "–",
    ]


def test_one_session_is_not_plural():
    assert [ahead(1), ahead(5)] == ["1 session ahead", "5 sessions ahead"]


def test_better_everywhere_is_said_so():
    said = verdict(skill(("a", 1, "better", 0.1), ("b", 1, "better", 0.2)), "net")
    assert said.headline == "net was better than every baseline at every horizon."
    assert said.lines == ["1 session ahead: better than a and b."]


def test_one_baseline_that_was_better_is_named():
    said = verdict(skill(("a", 1, "better", 0.1), ("b", 5, "worse", -0.2)), "net")
    assert said.headline == "net was worse than b at some horizon."


def test_ties_are_called_ties():
    tie = "not distinguishable"
    said = verdict(skill(("a", 1, "better", 0.1), ("b", 1, tie, 0.0), ("a", 5, tie, 0.0)), "net")
    assert said.headline == (
        "No baseline was better than net. Of the 2 baselines it was better than 1 (1 session "
        "ahead); from the others it could not be told apart."
    )
    assert said.lines[0] == "1 session ahead: better than a; not distinguishable from b."


def test_without_a_test_there_is_no_verdict():
    assert verdict(skill(("a", 1, "better", 0.1)), "other").lines == []


def test_the_strongest_baseline_is_the_one_that_came_closest():
    rows = skill(("a", 1, "better", 0.1), ("b", 1, "better", 0.02), ("a", 5, "worse", -0.1))
    assert list(strongest(rows, "net")["baseline"]) == ["b", "a"]


def test_coverage_is_the_share_between_the_two_quantiles():
    calibration = pd.DataFrame(
        {"model": "net", "h": 1, "level": [0.05, 0.5, 0.95], "observed": [0.04, 0.5, 0.9]}
    )
    assert coverage(calibration, 90)["coverage"].tolist() == pytest.approx([0.86])


def test_a_score_of_some_of_many_tickers_is_called_that():
    manifest = {"data": {"tickers": ["A", "B", "C"]}, "backtest": {"folds": [{"origins": 9}]}}
    assert "Forecast and scored are" not in on_what(manifest)
    manifest["backtest"]["folds"][0]["tickers"] = 2
    assert "Forecast and scored are 2 of the tickers, taken evenly" in on_what(manifest)
