"""Downloaded prices on disk: used offline, refreshed by what is new, restated history is said."""

import subprocess
import sys
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from forecast.errors import InputError
from forecast.prices.fetching import fetch, read_yahoo
from forecast.prices.yahoo_cache import cache_folder, load_cached
from forecast.settings import PriceSettings

START = date(2024, 1, 2)
NOW = pd.Timestamp("2024-06-29 12:00", tz="UTC")  # the Saturday after the last bar
EARLIER = pd.Timestamp("2024-06-15 12:00", tz="UTC")


def settings(*tickers: str) -> PriceSettings:
    return PriceSettings(source="yahoo", tickers=tickers, start=START)


def rate_limited(bars, hit):
    return 429, "Too Many Requests\r\n"


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


def test_a_session_that_yahoo_did_not_have_yet_is_asked_for_again(yahoo, connection):
    yahoo.behaviour["AAPL"] = lambda bars, hit: bars[bars["ds"] < "2024-06-28"]
    soon = pd.Timestamp("2024-06-28 20:05", tz="UTC")  # five minutes after the close

    def sessions_at(now):
        found, _ = fetch(["AAPL"], START, None, connection, now)
        return str(found["AAPL"].rows.index[-1].date())

    assert sessions_at(soon) == "2024-06-27"
    del yahoo.behaviour["AAPL"]
    assert sessions_at(soon + pd.Timedelta(minutes=20)) == "2024-06-27"
    assert sessions_at(soon + pd.Timedelta(minutes=40)) == "2024-06-28"


def test_a_ticker_that_has_ended_is_asked_for_once_a_session(yahoo, connection):
    yahoo.behaviour["AAPL"] = lambda bars, hit: bars[bars["ds"] < "2024-06-03"]
    for hours in (0, 5, 10):
        fetch(["AAPL"], START, None, connection, NOW + pd.Timedelta(hours=hours))
    assert yahoo.hits["AAPL"] == 1


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


def test_a_user_without_a_home_is_told_to_name_a_folder(monkeypatch):
    for name in ("FORECAST_CACHE_DIR", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)

    def homeless():
        raise RuntimeError

    monkeypatch.setattr(Path, "home", homeless)
    with pytest.raises(InputError, match="name one in the environment variable FORECAST_CACHE_DIR"):
        cache_folder()
