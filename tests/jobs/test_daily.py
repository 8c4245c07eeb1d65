"""`forecast daily` over many evenings, with a fast forecaster in the place of the network."""

import re
import sqlite3

import numpy as np
import pandas as pd
import pytest
import yaml

from forecast import ledger as ledgers
from forecast.cli import main
from forecast.errors import InputError
from forecast.jobs import daily as job
from forecast.jobs.evening import Evening
from forecast.jobs.terminal import Terminal
from forecast.ledger import open_ledger, unpack
from forecast.models.baselines import EwmaT
from forecast.prices import garch_prices
from forecast.settings import DailySettings

SESSIONS = 300


class Network(EwmaT):
    name = "lstm"


@pytest.fixture(autouse=True)
def network(monkeypatch):
    monkeypatch.setattr(Evening, "load", lambda self: Network(decay=0.9))


class Evenings:
    """A folder with a CSV file that grows, and the ledger of it."""

    def __init__(self, folder):
        self.folder = folder
        self.rows = garch_prices(3, SESSIONS, 0, start="2024-01-02")
        self.days = self.rows["ds"].unique()
        self.csv, self.ledger = folder / "prices.csv", folder / "ledger.sqlite"

    def feed(self, session, lost=()):
        """Write prices to one session; `lost` are tickers without them."""
        rows = self.rows[(self.rows["ds"] <= self.days[session])]
        rows = rows[~rows["unique_id"].isin(lost)]
        rows.rename(columns={"unique_id": "ticker", "ds": "date"}).to_csv(self.csv, index=False)

    def settings(self, **more):
        given = {"pretrained": True, "source": "csv", "csv": (self.csv,), "ledger": self.ledger}
        return DailySettings.model_validate(given | more)

    def now(self, session):
        return pd.Timestamp(self.days[session], tz="UTC") + pd.Timedelta(hours=22)

    def run(self, session, **more):
        return job.daily(self.settings(**more), Terminal(), self.now(session))

    def evening(self, session, **more):
        self.feed(session)
        return self.run(session, **more)

    def frames(self):
        """Everything in the ledger but the times at which it was written."""
        with open_ledger(self.ledger, read_only=True) as ledger:
            forecasts, scores = ledger.forecasts(), ledger.scores()
        key = ["unique_id", "cutoff", "h", "model"]
        told = ["made_at", "caught_up", "scored_at", "data_sha256"]
        return [
            frame.drop(columns=told, errors="ignore").sort_values(key).reset_index(drop=True)
            for frame in (forecasts, scores)
        ]


@pytest.fixture
def evenings(tmp_path):
    return Evenings(tmp_path)


def assert_same(left, right):
    for one, other in zip(left, right, strict=True):
        for frame in (one, other):
            if "quantiles" in frame:
                frame["quantiles"] = [row.tobytes() for row in unpack(frame["quantiles"].tolist())]
        pd.testing.assert_frame_equal(one, other)


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


def test_missed_days_are_made_up_for_as_if_they_had_not_been_missed(tmp_path):
    daily, late = Evenings(tmp_path / "daily"), Evenings(tmp_path / "late")
    for one in (daily, late):
        one.folder.mkdir()
    for session in range(200, 211):
        daily.evening(session)
    late.evening(200)
    assert late.evening(210)
    assert_same(daily.frames(), late.frames())
    with open_ledger(late.ledger, read_only=True) as ledger:
        by_cutoff = ledger.forecasts().groupby("cutoff")["caught_up"].agg(["min", "max"])
    assert (by_cutoff["min"] == by_cutoff["max"]).all()
    assert list(by_cutoff["max"]) == [False, *[True] * 9, False]


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
    tmp_path, monkeypatch, place, step, when
):
    whole, killed = Evenings(tmp_path / "whole"), Evenings(tmp_path / "killed")
    for one in (whole, killed):
        one.folder.mkdir()
        one.evening(200)
    whole.evening(206)
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
    assert_same(whole.frames(), killed.frames())


def test_a_history_that_has_shrunk_is_told_and_nothing_is_lost(evenings, capsys):
    evenings.evening(200)
    evenings.evening(210)
    before = evenings.frames()
    evenings.feed(205)
    assert not evenings.run(210)
    said = capsys.readouterr().out
    assert (
        f"S00 has 206 sessions to {pd.Timestamp(evenings.days[205]):%Y-%m-%d}, but had 211" in said
    )
    assert "it is not forecast until they are back; --allow-shorter accepts it" in said
    assert_same(evenings.frames(), before)
    assert evenings.evening(211)


def test_a_shorter_history_can_be_accepted(evenings):
    evenings.evening(210)
    evenings.rows = evenings.rows[evenings.rows["ds"] >= evenings.days[50]]
    evenings.feed(211)
    assert not evenings.run(211)
    assert evenings.run(211, allow_shorter=True)
    evenings.feed(212)
    assert evenings.run(212)


def test_a_ticker_that_is_gone_is_told_for_ten_sessions(evenings, capsys):
    evenings.evening(200)
    evenings.feed(203, lost=["S02"])
    assert not evenings.run(203)
    assert "S02 has no price, others run to" in capsys.readouterr().out
    evenings.feed(230, lost=["S02"])
    assert evenings.run(230)


def test_a_source_that_is_fed_no_more_is_told(evenings, capsys):
    evenings.feed(200)
    assert evenings.run(203)
    assert not evenings.run(206)
    assert re.search(
        "prices end on 2024-.*, and 6 sessions have closed since", capsys.readouterr().out
    )


def test_a_clock_that_went_backwards_is_told_and_nothing_is_written(evenings):
    evenings.evening(210)
    before = evenings.ledger.read_bytes()
    with pytest.raises(
        InputError, match=r"the clock says 2024-.* was last written on 2024-.*: set"
    ):
        evenings.run(209)
    assert evenings.ledger.read_bytes() == before


def test_days_the_network_has_seen_are_refused(evenings):
    settings = DailySettings(pretrained=True, source="bundled", ledger=evenings.ledger)
    with pytest.raises(InputError, match="has learned from prices up to 2015-12-31"):
        job.daily(settings, Terminal(), evenings.now(0))
    with open_ledger(evenings.ledger) as ledger:
        assert ledger.forecasts().empty


def test_bands_that_are_too_narrow_raise_an_alarm_and_call_a_person(evenings, monkeypatch, capsys):
    class Narrow(Network):
        def forecast(self, *arguments):
            return super().forecast(*arguments) / 3

    monkeypatch.setattr(Evening, "load", lambda self: Narrow())
    evenings.evening(200)
    assert not evenings.evening(290)
    said = capsys.readouterr().out
    assert "needs a person: drift: lstm, 1 session ahead: " in said
    assert "too sure of itself" in said


def test_a_listing_too_short_to_forecast_is_told_and_waits(evenings, monkeypatch, capsys):
    class Blind(Network):
        def forecast(self, panel, cutoffs, horizons, levels):
            found = super().forecast(panel, cutoffs, horizons, levels)
            found[cutoffs["unique_id"] == "S01"] = np.nan
            return found

    monkeypatch.setattr(Evening, "load", lambda self: Blind())
    assert evenings.evening(200)
    assert "not forecast yet, for want of history: S01" in capsys.readouterr().out
    assert set(evenings.frames()[0]["unique_id"]) == {"S00", "S02"}


@pytest.fixture
def call(capsys):
    def run(*arguments):
        with pytest.raises(SystemExit) as stopped:
            main([str(argument) for argument in arguments])
        return stopped.value.code, *capsys.readouterr()

    return run


def test_a_configuration_names_everything_and_old_prices_end_with_one(evenings, call):
    evenings.feed(200)
    config = evenings.folder / "cfg.yaml"
    content = {"pretrained": True, "source": "csv", "csv": str(evenings.csv)}
    config.write_text(yaml.safe_dump(content | {"ledger": str(evenings.ledger)}))
    code, said, _ = call("daily", "--config", config)
    assert code == 1
    assert "is their source still fed?" in said
    code, said, _ = call("track", evenings.ledger)
    assert code == 0
    assert "27 forecasts of 3 tickers" in said
    assert "no forecast has come due yet" in said


def test_scores_are_written_as_a_frame(evenings, call):
    evenings.evening(200)
    evenings.evening(203)
    out = evenings.folder / "scores.parquet"
    assert call("track", evenings.ledger, "--out", out)[0] == 0
    frame = pd.read_parquet(out)
    assert {"unique_id", "cutoff", "h", "model", "crps", "pit", "caught_up"} <= set(frame)
    assert len(frame) == 3 * 3 * 3


def test_a_locked_ledger_ends_the_command_with_two(evenings, call, monkeypatch):
    evenings.evening(200)
    other = sqlite3.connect(evenings.ledger, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    monkeypatch.setattr("forecast.ledger.PATIENCE_SECONDS", 0.1)
    code, _, said = call(
        "daily", "--pretrained", "--source", "csv", "--csv", evenings.csv,
        "--ledger", evenings.ledger,
    )  # fmt: skip
    other.close()
    assert code == 2
    assert "is locked by another process" in said


def test_a_source_goes_with_the_pretrained_network(call):
    code, _, said = call("daily", "--source", "yahoo")
    assert code == 2
    assert "--source goes with --pretrained" in said
    assert "choose one: the run mine" in call("daily", "--pretrained", "--run", "mine")[2]
