import numpy as np
import pandas as pd
import pytest

from forecast.evaluation.metrics import crps
from forecast.evaluation.track import (
    covered_90,
    drift_alarms,
    rolling_coverage,
    score_outcomes,
    track_record,
)
from forecast.models.baselines.ewma import unit_student_t
from forecast.models.levels import LEVELS


def scores_of(widths, dates=300, tickers=4, h=1, shift=0.0, seed=0):
    """Scores of forecasts `widths` times as wide as outcomes are spread (model: width)."""
    rng = np.random.default_rng(seed)
    unit = unit_student_t(LEVELS, 5.0)
    days = pd.bdate_range("2024-01-01", periods=dates).as_unit("ns")
    steps = rng.standard_t(5.0, (dates + h, tickers)) * np.sqrt(3 / 5)
    outcome = np.stack([steps[d : d + h].sum(axis=0) for d in range(dates)]).ravel() / np.sqrt(h)
    keys = {"unique_id": np.tile([f"T{k}" for k in range(tickers)], dates)}
    keys |= {"cutoff": days.repeat(tickers), "h": h, "caught_up": False}
    parts = []
    for model, width in widths.items():
        quantiles = np.tile(width * unit, (len(outcome), 1))
        loss, pit = score_outcomes(quantiles, outcome + shift, LEVELS)
        parts.append(pd.DataFrame({**keys, "model": model, "crps": loss, "pit": pit}))
    return pd.concat(parts, ignore_index=True)


def test_an_outcome_is_scored_with_the_crps_and_its_place_among_the_quantiles():
    quantiles = np.tile(LEVELS, (4, 1))  # uniform on 0 … 1
    outcome = np.array([-1.0, 0.055, 0.505, 2.0])
    loss, pit = score_outcomes(quantiles, outcome, LEVELS)
    np.testing.assert_array_equal(loss, crps(outcome, quantiles, LEVELS))
    np.testing.assert_allclose(pit, [0.005, 0.055, 0.505, 0.995])
    inside = (outcome >= quantiles[:, 4]) & (outcome <= quantiles[:, 94])
    np.testing.assert_array_equal(covered_90(pd.Series(pit)), inside)


def test_the_record_is_the_mean_over_the_origins_both_have():
    scores = scores_of({"lstm": 1.0, "ewma-t": 1.6})
    scores = scores.drop(scores.index[(scores["model"] == "ewma-t")][:8])  # two dates lack it
    (row,) = track_record(scores, ["lstm"]).to_dict("records")
    wide = scores.pivot_table(
        values="crps", index=["unique_id", "cutoff"], columns="model"
    ).dropna()
    assert row["origins"] == len(wide) == 298 * 4
    assert row["sessions"] == 298
    assert row["crps"] == pytest.approx(wide["lstm"].mean())
    assert row["crps_skill"] == pytest.approx(1 - wide["lstm"].mean() / wide["ewma-t"].mean())
    assert (row["made"], row["verdict"]) == ("live", "better")
    assert row["first"] == scores.loc[scores["model"] == "ewma-t", "cutoff"].min()


def test_forecasts_made_after_the_fact_are_told_apart():
    scores = scores_of({"lstm": 1.0, "ewma-t": 1.6}, dates=60)
    scores["caught_up"] = scores["cutoff"] < scores["cutoff"].unique()[20]
    record = track_record(scores, ["lstm"]).set_index("made")
    assert record["origins"].to_dict() == {"live": 160, "caught up": 80}


def test_coverage_rolls_over_market_days():
    scores = scores_of({"lstm": 1.0}, dates=100)
    rolled = rolling_coverage(scores, window=30)
    by_date = covered_90(scores["pit"]).groupby(scores["cutoff"]).mean()
    assert len(rolled) == 91
    assert rolled["coverage_90"].iloc[-1] == pytest.approx(by_date.iloc[-30:].mean())


@pytest.mark.parametrize("h", [1, 5, 20])
def test_good_forecasts_raise_no_alarm(h):
    alarms = [
        alarm
        for seed in range(20)
        for alarm in drift_alarms(scores_of({"lstm": 1.0, "ewma-t": 1.0}, h=h, seed=seed), ["lstm"])
    ]
    assert alarms == []


@pytest.mark.parametrize(
    ("width", "shift", "kind", "words"),
    [
        (0.5, 0.0, "coverage", "% of outcomes in the 90 % band, too sure of itself: bands too nar"),
        (2.5, 0.0, "coverage", "% of outcomes in the 90 % band, bands too wide"),
        (1.0, 0.6, "median", "% of outcomes above the median, which is too low"),
        (1.0, -0.6, "median", "% of outcomes above the median, which is too high"),
        (2.5, 0.0, "skill", "above that of ewma-t (60 cutoffs to 2025-02-21, 240 outcomes)"),
    ],
)
def test_a_drift_is_told_in_words(width, shift, kind, words):
    scores = scores_of({"lstm": width, "ewma-t": 1.0}, shift=shift)
    alarms = drift_alarms(scores, ["lstm"])
    said = [str(alarm) for alarm in alarms if alarm.kind == kind]
    assert len(said) == 1
    assert words in said[0]
    assert said[0].startswith("lstm, 1 session ahead: ")


def test_a_drift_of_long_ago_is_not_told():
    old, new = scores_of({"lstm": 0.5}, dates=200), scores_of({"lstm": 1.0}, dates=300)
    late = new[new["cutoff"] > old["cutoff"].max()]
    assert drift_alarms(pd.concat([old, late]), ["lstm"]) == []


def test_one_ticker_whose_bands_always_hold_is_no_alarm_for_want_of_spread():
    scores = scores_of({"lstm": 1.0}, dates=40, tickers=1)
    scores["pit"] = 0.3 + 0.4 * (np.arange(40) % 2)
    assert drift_alarms(scores, ["lstm"]) == []


def test_a_few_outcomes_raise_no_alarm():
    assert drift_alarms(scores_of({"lstm": 0.2}, dates=10), ["lstm"]) == []
