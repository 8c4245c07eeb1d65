"""What calls a person: clocks, sources and histories that are not as they were; drift."""

import re

import pandas as pd
import pytest

from forecast.errors import InputError
from forecast.jobs.evening import Evening


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
    evenings.assert_holds(before)
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
    assert "3 sessions have closed since, whose prices are not there yet" in capsys.readouterr().out
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


def test_bands_that_are_too_narrow_raise_an_alarm_and_call_a_person(
    evenings, network, monkeypatch, capsys
):
    class Narrow(network):
        def forecast(self, *arguments):
            return super().forecast(*arguments) / 3

    monkeypatch.setattr(Evening, "load", lambda self: Narrow())
    evenings.evening(200)
    assert not evenings.evening(290)
    said = capsys.readouterr().out
    assert "needs a person: drift: lstm, 1 session ahead: " in said
    assert "too sure of itself" in said
