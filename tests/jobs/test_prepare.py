import io
from datetime import date

import pandas as pd
from rich.console import Console

from forecast.jobs.prepare import prepare
from forecast.jobs.terminal import Terminal
from forecast.settings import Settings


def prepared(quiet=False, **settings):
    """What `prepare` returns and what it says."""
    screen = io.StringIO()
    terminal = Terminal(quiet, Console(file=screen, width=200))
    return prepare(Settings(**settings), terminal), screen.getvalue()


def test_a_ticker_too_short_among_good_ones_is_left_out_and_said_so():
    found, said = prepared()
    assert found.panel.tickers == ["AAPL", "GOOG", "IBM", "MSFT"]
    assert "FB left out: 196 sessions; " in said
    assert any(note.startswith("FB left out") for note in found.notes)


def test_the_three_parts_and_the_purge_are_said_with_their_dates():
    found, said = prepared(tickers=("IBM", "MSFT"), start=date(2005, 1, 1), horizon=7)
    for part in (found.splits.train, found.splits.validation, found.splits.test):
        assert f"{found.panel.sessions[part[0]]:%Y-%m-%d}" in said
    assert "7 sessions before validation and before test" in said
    assert "nothing had to be repaired" in said
    assert found.until < found.test_start
    assert found.validation_start <= found.until - pd.Timedelta(days=7)


def test_quiet_says_nothing():
    assert prepared(quiet=True, tickers=("AAPL",))[1] == ""
