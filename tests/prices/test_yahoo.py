"""The real yfinance against a loopback server that speaks Yahoo's chart, cookie and crumb."""

import time
from dataclasses import replace
from datetime import date

import numpy as np
import pandas as pd
import pytest

from forecast.errors import InputError
from forecast.prices import clean
from forecast.prices.fetching import fetch, read_yahoo
from forecast.prices.yahoo import check_tickers
from forecast.settings import PriceSettings

START = date(2024, 1, 2)
NOW = pd.Timestamp("2024-06-29 12:00", tz="UTC")  # the Saturday after the last bar


def settings(*tickers: str, **more) -> PriceSettings:
    return PriceSettings(source="yahoo", tickers=tickers, start=START, **more)


def delisted(bars, hit):
    error = {"code": "Not Found", "description": "No data found, symbol may be delisted"}
    return 404, {"chart": {"result": None, "error": error}}


def rate_limited(bars, hit):
    return 429, "Too Many Requests\r\n"


def failing(times: int):
    return lambda bars, hit: (500, "oops") if hit <= times else bars


def test_prices_are_the_bars_that_the_server_has(yahoo, connection):
    read = read_yahoo(settings("AAPL", "^GSPC", "BRK-B"), connection, NOW)
    assert sorted(read.rows) == ["AAPL", "BRK-B", "^GSPC"]
    assert read.calendar == "XNYS"
    panel, repairs = clean(
        read.rows, source="yahoo", sha256=read.sha256, calendar=read.calendar, scale=read.scale
    )
    assert repairs == []
    assert (panel.sessions[0].date(), panel.sessions[-1].date()) == (START, date(2024, 6, 28))
    assert panel.frame.shape == (124, 18)


def test_a_delisted_ticker_leaves_the_others_alone(yahoo, connection):
    yahoo.behaviour["GONE"] = delisted
    read = read_yahoo(settings("GONE", "AAPL"), connection, NOW)
    assert list(read.rows) == ["AAPL"]
    assert [str(repair) for repair in read.report] == [
        "GONE: not fetched: Yahoo has no prices of GONE in this range"
    ]


def test_nothing_at_all_is_an_error_with_an_outcome_per_ticker(yahoo, connection):
    yahoo.behaviour = {"GONE": delisted, "VOID": lambda bars, hit: bars.iloc[:0]}
    with pytest.raises(InputError, match=r"GONE: Yahoo has no prices.*VOID: .*--source bundled"):
        read_yahoo(settings("GONE", "VOID"), connection, NOW)


def test_a_rate_limit_is_tried_three_times_and_the_rest_is_not_asked(yahoo, connection):
    yahoo.behaviour["RATE"] = rate_limited
    found, outcomes = fetch(["AAPL", "RATE", "MSFT"], START, None, connection, NOW)
    assert list(found) == ["AAPL"]
    assert [each.status for each in outcomes] == ["fetched", "failed", "failed"]
    assert "Yahoo refuses more requests" in outcomes[1].detail
    assert yahoo.hits["RATE"] >= 3
    assert "MSFT" not in yahoo.hits


def test_server_errors_are_tried_again(yahoo, connection):
    yahoo.behaviour["AAPL"] = failing(times=2)
    found, outcomes = fetch(["AAPL"], START, None, connection, NOW)
    assert outcomes[0].status == "fetched"
    assert len(found["AAPL"].rows) == 124


@pytest.mark.parametrize(
    "answer",
    [(200, "<html>Will be right back</html>"), (200, '{"chart": {"result": [{"me'), (502, "")],
    ids=["web_page", "truncated", "bad_gateway"],
)
def test_garbage_is_a_failure_of_that_ticker(yahoo, connection, answer):
    yahoo.behaviour["JUNK"] = lambda bars, hit: answer
    found, outcomes = fetch(["JUNK", "AAPL"], START, None, connection, NOW)
    assert list(found) == ["AAPL"]
    assert outcomes[0].status == "failed"
    assert outcomes[0].detail


def test_silence_ends_at_our_own_deadline_and_the_rest_is_not_asked(yahoo, connection):
    yahoo.silent_seconds = 30
    began = time.monotonic()
    found, outcomes = fetch(["AAPL", "MSFT"], START, None, replace(connection, deadline_seconds=1))
    assert time.monotonic() - began < 3
    assert not found
    assert "Yahoo did not answer" in outcomes[0].detail
    assert outcomes[1].detail == outcomes[0].detail


def test_a_refused_crumb_says_that_yahoo_refuses(yahoo, connection):
    yahoo.crumb = (429, "Too Many Requests")
    _, outcomes = fetch(["AAPL"], START, None, connection, NOW)
    assert outcomes[0].status == "fetched" or "refuses" in outcomes[0].detail


def test_the_bar_of_a_session_that_is_still_open_is_dropped(yahoo, connection):
    noon = pd.Timestamp("2024-06-28 12:00", tz="America/New_York")
    found, _ = fetch(["AAPL"], START, None, connection, noon)
    assert found["AAPL"].rows.index[-1] == pd.Timestamp("2024-06-27")
    found, _ = fetch(["AAPL"], START, None, connection, noon + pd.Timedelta(hours=5))
    assert found["AAPL"].rows.index[-1] == pd.Timestamp("2024-06-28")


def test_prices_of_another_symbol_are_refused(yahoo, connection):
    yahoo.meta["AAPL"] = {"symbol": "MSFT"}
    found, outcomes = fetch(["AAPL"], START, None, connection, NOW)
    assert not found
    assert "answered with MSFT when asked for AAPL" in outcomes[0].detail


def test_rows_without_a_close_in_the_last_window_are_an_error(yahoo, connection):
    def holes(bars, hit):
        return bars.assign(close=bars["close"].where(np.arange(len(bars)) != len(bars) - 3))

    yahoo.behaviour["AAPL"] = holes
    read = read_yahoo(settings("AAPL"), connection, NOW)
    with pytest.raises(InputError, match=r"AAPL 2024-06-26: close is NaN within the last 160"):
        clean(read.rows, source="yahoo", sha256="", calendar="XNYS")


@pytest.mark.parametrize(
    "ticker", ["../../v1/test/getcrumb", "A#b", "A?x=1", "", "^^A", "A..B", "A/B", "Ä", "A" * 30]
)
def test_what_is_no_ticker_is_never_sent(yahoo, connection, ticker):
    with pytest.raises(InputError, match="is no ticker"):
        fetch(["AAPL", ticker], START, None, connection, NOW)
    assert yahoo.paths == []


def test_tickers_are_taken_in_upper_case_and_once():
    assert check_tickers(["^gspc", "BRK-B", "RDS.A", "EURUSD=X", "brk-b "]) == [
        "^GSPC", "BRK-B", "RDS.A", "EURUSD=X",
    ]  # fmt: skip


def test_yahoo_without_tickers_says_how_to_name_them():
    with pytest.raises(InputError, match="name them with --tickers"):
        read_yahoo(PriceSettings(source="yahoo"))


def test_an_end_before_the_usual_beginning_asks_for_a_start():
    early = PriceSettings(source="yahoo", tickers=("IBM",), end=date(1995, 1, 3))
    with pytest.raises(
        InputError, match=r"begin on 2000-01-01 .* --end 1995-01-03: name .* --start"
    ):
        read_yahoo(early)


def repeated(bars, hit):
    return pd.concat([bars, bars.iloc[20:21]])


def contradicted(bars, hit):
    other = bars.iloc[20:21].assign(close=lambda row: row["close"] * 1.01, adj_close=1.0)
    return pd.concat([bars, other])


def split_and_dividend(bars, hit):
    """A 4:1 split, which Yahoo's closes are adjusted for, and a dividend, which they are not."""
    before = bars["ds"] < "2024-03-01"
    prices = ["open", "high", "low", "close", "adj_close"]
    bars = bars.assign(**{name: bars[name] / 4 for name in prices})
    return bars.assign(adj_close=bars["adj_close"] * np.where(before, 0.98, 1.0))


def panel_of(read):
    return clean(read.rows, source="yahoo", sha256=read.sha256, calendar=read.calendar)


@pytest.mark.parametrize("twice", [repeated, contradicted])
def test_a_day_that_comes_twice_counts_once(yahoo, connection, twice):
    sent = []

    def answer(bars, hit):
        sent.append(twice(bars, hit))
        return sent[-1]

    yahoo.behaviour["AAPL"] = answer
    panel, _ = panel_of(read_yahoo(settings("AAPL"), connection, NOW))
    # yfinance keeps the last of them and does not tell
    longest = max(sent, key=len)
    last = longest.drop_duplicates("ds", keep="last").sort_values("ds")
    assert len(longest) == 125
    np.testing.assert_allclose(panel.field("close")["AAPL"], last["close"])


def test_rows_that_come_newest_first_are_sorted_and_said(yahoo, connection):
    plain, _ = panel_of(read_yahoo(settings("MSFT"), connection, NOW))
    yahoo.behaviour["AAPL"] = lambda bars, hit: bars[::-1]
    panel, repairs = panel_of(read_yahoo(settings("AAPL"), connection, NOW))
    assert panel.sessions.equals(plain.sessions)
    assert [each.kind for each in repairs] in (["sorted"], [])  # yfinance may sort them itself


def test_a_split_and_a_dividend_are_no_steps(yahoo, connection):
    yahoo.behaviour["AAPL"] = split_and_dividend
    panel, repairs = panel_of(read_yahoo(settings("AAPL"), connection, NOW))
    assert repairs == []
    ratio = (panel.field("adj_close") / panel.field("close"))["AAPL"]
    np.testing.assert_allclose(ratio[:"2024-02-29"], 0.98, rtol=1e-6)
    np.testing.assert_allclose(ratio["2024-03-01":], 1.0, rtol=1e-6)


def test_different_calendars_are_not_mixed(yahoo, connection):
    yahoo.meta["BTC-USD"] = {"exchangeName": "CCC"}
    with pytest.raises(InputError, match=r"different calendars \(AAPL XNYS, BTC-USD 24/7\)"):
        read_yahoo(settings("AAPL", "BTC-USD"), connection, NOW)
