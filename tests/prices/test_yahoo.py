"""The real yfinance against a loopback server that speaks Yahoo's chart, cookie and crumb."""

import subprocess
import sys
import time
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from forecast.errors import InputError
from forecast.prices import clean
from forecast.prices.fetching import fetch, read_yahoo
from forecast.prices.yahoo import check_tickers
from forecast.prices.yahoo_cache import cache_folder, load_cached
from forecast.settings import PriceSettings

START = date(2024, 1, 2)
NOW = pd.Timestamp("2024-06-29 12:00", tz="UTC")  # the Saturday after the last bar
EARLIER = pd.Timestamp("2024-06-15 12:00", tz="UTC")


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


def test_what_the_cache_has_is_not_asked_for_again(yahoo, connection):
    fetch(["AAPL"], START, None, connection, NOW)
    asked = len(yahoo.paths)
    found, outcomes = fetch(["AAPL"], date(2024, 2, 1), None, connection, NOW)
    assert len(yahoo.paths) == asked
    assert outcomes[0].status == "cached"
    assert len(found["AAPL"].rows) == 124


def test_a_refresh_asks_for_the_new_days_and_equals_a_download_of_all(yahoo, connection, tmp_path):
    fetch(["AAPL"], START, None, connection, EARLIER)
    yahoo.periods.clear()
    found, outcomes = fetch(["AAPL"], START, None, connection, NOW)
    assert outcomes[0].status == "fetched"
    assert min(first for first, _ in yahoo.periods) > "2024-05-20"
    whole, _ = fetch(["AAPL"], START, None, replace(connection, folder=tmp_path / "new"), NOW)
    pd.testing.assert_frame_equal(found["AAPL"].rows, whole["AAPL"].rows)
    assert found["AAPL"].sha256 == whole["AAPL"].sha256


def test_a_dividend_that_rescales_the_history_is_detected_and_said(yahoo, connection):
    fetch(["AAPL"], START, None, connection, EARLIER)
    yahoo.behaviour["AAPL"] = lambda bars, hit: bars.assign(adj_close=bars["adj_close"] * 0.995)
    read = read_yahoo(settings("AAPL"), connection, NOW)
    assert "restated its history: adjusted closes ×0.995, returns unchanged" in str(read.report[0])
    again, _ = fetch(["AAPL"], START, None, connection, NOW)
    np.testing.assert_allclose(again["AAPL"].rows.eval("adj_close / close"), 0.995)


def test_returns_that_change_after_the_fact_are_detected_and_said(yahoo, connection):
    fetch(["AAPL"], START, None, connection, EARLIER)

    def rewritten(bars, hit):
        return bars.assign(adj_close=bars["adj_close"].mask(bars["ds"] == "2024-06-12", 99.0))

    yahoo.behaviour["AAPL"] = rewritten
    read = read_yahoo(settings("AAPL"), connection, NOW)
    assert "returns changed on 2 days from 2024-06-12" in str(read.report[0])


def test_a_damaged_cache_is_downloaded_anew(yahoo, connection):
    fetch(["AAPL"], START, None, connection, NOW)
    (path,) = connection.folder.glob("*.parquet")
    path.write_bytes(path.read_bytes()[:-100])
    assert load_cached(connection.folder, "AAPL") is None
    _, outcomes = fetch(["AAPL"], START, None, connection, NOW)
    assert outcomes[0].status == "fetched"
    assert load_cached(connection.folder, "AAPL") is not None


def test_a_cache_whose_numbers_were_changed_is_downloaded_anew(yahoo, connection):
    found, _ = fetch(["AAPL"], START, None, connection, NOW)
    (path,) = connection.folder.glob("*.parquet")
    rows = pd.read_parquet(path)
    rows.iloc[5, 3] *= 1.001
    rows.to_parquet(path)
    again, outcomes = fetch(["AAPL"], START, None, connection, NOW)
    assert outcomes[0].status == "fetched"
    assert again["AAPL"].sha256 == found["AAPL"].sha256


def test_a_cache_that_cannot_be_written_is_said(yahoo, connection, tmp_path):
    (tmp_path / "file").write_text("")
    blocked = replace(connection, folder=tmp_path / "file" / "cache")
    found, outcomes = fetch(["AAPL"], START, None, blocked, NOW)
    assert len(found["AAPL"].rows) == 124
    assert "cannot be written" in outcomes[0].detail


def test_a_failure_falls_back_to_the_cache_and_says_why(yahoo, connection):
    fetch(["AAPL"], START, None, connection, EARLIER)
    yahoo.behaviour["AAPL"] = rate_limited
    read = read_yahoo(settings("AAPL"), connection, NOW)
    assert len(read.rows["AAPL"]) == 115
    assert "as fetched on 2024-06-15 12:00 UTC, because Yahoo refuses" in str(read.report[0])


def test_different_calendars_are_not_mixed(yahoo, connection):
    yahoo.meta["BTC-USD"] = {"exchangeName": "CCC"}
    with pytest.raises(InputError, match=r"different calendars \(AAPL XNYS, BTC-USD 24/7\)"):
        read_yahoo(settings("AAPL", "BTC-USD"), connection, NOW)


OFFLINE = """
from datetime import date
from forecast.errors import InputError
from forecast.prices import load_prices
from forecast.settings import PriceSettings
settings = PriceSettings(source="yahoo", tickers=("AAPL",), start=date(2024, 1, 2))
try:
    panel, repairs = load_prices(settings)
    print(panel.frame.shape, *repairs)
except InputError as error:
    print("InputError", error)
"""


def run_offline(cache: Path) -> str:
    """A process of its own, whose every way out leads to a closed port."""
    root = Path(__file__).parents[2]
    environment = {
        "PYTHONPATH": str(root),
        "FORECAST_CACHE_DIR": str(cache),
        "HOME": str(cache),
        **dict.fromkeys(("HTTPS_PROXY", "https_proxy", "ALL_PROXY"), "http://127.0.0.1:9"),
    }
    command = [sys.executable, "-c", OFFLINE]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stderr == ""
    return done.stdout


def test_offline_without_a_cache_names_the_bundled_prices(tmp_path):
    printed = run_offline(tmp_path)
    assert printed.startswith(
        "InputError No prices from Yahoo and none cached (AAPL: no connection"
    )
    assert "--source bundled" in printed


def test_offline_with_a_cache_the_cached_prices_are_used(yahoo, connection):
    fetch(["AAPL"], START, None, connection, NOW)
    printed = run_offline(connection.folder)
    assert printed.startswith("(124, 6) AAPL: prices: as fetched on 2024-06-29 12:00 UTC, because")


def test_the_cache_is_in_the_folder_that_the_environment_names(monkeypatch, tmp_path):
    monkeypatch.setenv("FORECAST_CACHE_DIR", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.delenv("FORECAST_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "forecast" / "yahoo"
