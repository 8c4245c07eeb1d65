"""`forecast daily` and `forecast track` as their user meets them."""

import sqlite3

import pandas as pd
import yaml

from forecast.jobs import daily as job
from forecast.jobs.terminal import Terminal


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
    code, _, said = call(*evenings.command)
    other.close()
    assert code == 2
    assert "is locked by another process" in said


def test_a_ledger_of_a_newer_version_ends_the_command_with_two_and_stays_as_it_is(evenings, call):
    evenings.evening(200)
    with sqlite3.connect(evenings.ledger) as newer:
        newer.execute("PRAGMA user_version = 99")
    before = evenings.ledger.read_bytes()
    code, _, said = call(*evenings.command)
    assert code == 2
    assert "was written by a newer version of forecast (tables of version 99" in said
    assert said.count("\n") == 1
    assert evenings.ledger.read_bytes() == before


def test_a_clock_that_went_backwards_ends_the_command_with_two(evenings, call):
    evenings.feed(200)
    tomorrow = pd.Timestamp.now(tz="UTC") + pd.Timedelta(days=2)
    job.daily(evenings.settings(), Terminal(), tomorrow)
    before = evenings.ledger.read_bytes()
    code, _, said = call(*evenings.command)
    assert code == 2
    assert f"was last written on {tomorrow:%Y-%m-%d %H:%M} UTC: set the clock" in said
    assert said.count("\n") == 1
    assert evenings.ledger.read_bytes() == before


def test_a_history_that_has_shrunk_ends_the_command_with_one_and_can_be_accepted(evenings, call):
    evenings.evening(210)
    evenings.feed(205)
    code, said, _ = call(*evenings.command, "--quiet")
    assert code == 1
    assert said.count("it is not forecast until they are back; --allow-shorter accepts it") == 3
    said = call(*evenings.command, "--quiet", "--allow-shorter")[1]
    assert "--allow-shorter" not in said


def test_a_source_goes_with_the_pretrained_network(call):
    code, _, said = call("daily", "--source", "yahoo")
    assert code == 2
    assert "--source goes with --pretrained" in said
    assert "choose one: the run mine" in call("daily", "--pretrained", "--run", "mine")[2]
