"""`forecast daily` over many evenings, with a fast forecaster in the place of the network."""

import numpy as np
import pytest

from forecast import ledger as ledgers
from forecast.jobs import daily as job
from forecast.ledger import open_ledger


def test_every_ticker_is_forecast_with_the_baselines_at_every_scored_horizon(evenings, capsys):
    assert evenings.evening(200)
    forecasts, scores = evenings.frames()
    assert scores.empty
    assert set(forecasts["unique_id"]) == {"S00", "S01", "S02"}
    assert set(forecasts["model"]) == {"lstm", "ewma-t", "history-1000"}
    assert set(forecasts["h"]) == {1, 5, 20}
    assert len(forecasts) == 27
    assert forecasts["ds"].min() == evenings.days[201]
    assert "forecast from 3 newest closes; caught up with 0" in capsys.readouterr().out


def test_twice_is_once(evenings, capsys):
    evenings.evening(200)
    evenings.evening(201)
    before = evenings.ledger.read_bytes()
    assert evenings.run(201)
    assert "nothing new to forecast" in capsys.readouterr().out
    assert evenings.ledger.read_bytes() == before


def test_forecasts_are_scored_when_their_day_has_come(evenings):
    for session in range(200, 208):
        assert evenings.evening(session)
    scores = evenings.frames()[1]
    assert scores.groupby(["model", "h"]).size().to_dict() == {
        (model, h): 3 * (8 - h) for model in ("lstm", "ewma-t", "history-1000") for h in (1, 5)
    }
    row = scores[(scores["unique_id"] == "S01") & (scores["h"] == 5)].iloc[0]
    closes = evenings.rows[evenings.rows["unique_id"] == "S01"].set_index("ds")["adj_close"]
    happened = np.log(closes[evenings.days[205]] / closes[evenings.days[200]])
    assert row["log_return"] == pytest.approx(happened, rel=1e-9)
    assert row["ds"] == evenings.days[205]


def test_missed_days_are_made_up_for_as_if_they_had_not_been_missed(make_evenings):
    daily, late = make_evenings("daily"), make_evenings("late")
    for session in range(200, 208):
        daily.evening(session)
    late.evening(200)
    assert late.evening(207)
    late.assert_holds(daily.frames())
    with open_ledger(late.ledger, read_only=True) as ledger:
        by_cutoff = ledger.forecasts().groupby("cutoff")["caught_up"].agg(["min", "max"])
    assert (by_cutoff["min"] == by_cutoff["max"]).all()
    assert list(by_cutoff["max"]) == [False, *[True] * 6, False]


def test_a_close_of_yesterday_is_not_a_live_forecast(evenings):
    evenings.feed(200)
    evenings.run(201)
    with open_ledger(evenings.ledger, read_only=True) as ledger:
        assert ledger.forecasts()["caught_up"].all()


STEPS = [
    (job, "check_clock"),
    (job, "open_evening"),
    (job, "new_forecasts"),
    (job, "_say_forecasts"),
    (job, "score_due"),
    (job, "say_record"),
    (ledgers.Ledger, "append"),
]


@pytest.mark.parametrize(("place", "step"), STEPS, ids=[step for _, step in STEPS])
@pytest.mark.parametrize("when", ["before", "after"])
def test_an_evening_that_was_killed_is_finished_by_the_next(
    make_evenings, undisturbed, monkeypatch, place, step, when
):
    first, whole = undisturbed
    killed = make_evenings("killed", first)
    killed.feed(206)
    real = getattr(place, step)

    def dies(*arguments, **more):
        if when == "after":
            real(*arguments, **more)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(place, step, dies)
        with pytest.raises(KeyboardInterrupt):
            killed.run(206)
    killed.run(206)
    killed.assert_holds(whole)
