from datetime import date

import pandas as pd
import pytest

from forecast.errors import InputError
from forecast.prices import load_prices
from forecast.settings import PriceSettings


def test_tickers_and_dates_are_chosen():
    panel, _ = load_prices(
        PriceSettings(tickers=("MSFT", "AAPL"), start=date(2005, 1, 1), end=date(2005, 12, 31))
    )
    assert panel.tickers == ["AAPL", "MSFT"]
    assert len(panel.sessions) == 252
    assert panel.sessions[0] == pd.Timestamp("2005-01-03")
    assert panel.sessions[-1] == pd.Timestamp("2005-12-30")


def test_an_unknown_ticker_lists_what_there_is_and_the_closest_names():
    with pytest.raises(
        InputError,
        match=r"No ticker APPL, msft in these prices, which have AAPL, FB, GOOG, IBM, MSFT\. "
        r"instead of APPL: AAPL\? instead of msft: MSFT\? Choose from these with --tickers",
    ):
        load_prices(PriceSettings(tickers=("APPL", "msft", "IBM")))


def test_dates_without_sessions_name_the_range_there_is():
    with pytest.raises(
        InputError,
        match=r"from 2014-01-01 to the end: there are prices from 2000-03-01 to 2013-03-01",
    ):
        load_prices(PriceSettings(start=date(2014, 1, 1)))


def test_a_series_without_prices_in_the_range_is_left_out_and_said_so():
    panel, repairs = load_prices(PriceSettings(end=date(2003, 12, 31)))
    assert panel.tickers == ["AAPL", "IBM", "MSFT"]
    assert [str(each) for each in repairs if each.kind == "left out"] == [
        "FB: left out: no prices in this range, only from 2012-05-18 to 2013-03-01",
        "GOOG: left out: no prices in this range, only from 2004-08-19 to 2013-03-01",
    ]


def test_a_series_without_prices_in_the_range_that_was_asked_for_is_an_error():
    with pytest.raises(
        InputError, match=r"No session of FB from .* prices from 2012-05-18 to 2013"
    ):
        load_prices(PriceSettings(tickers=("FB", "AAPL"), end=date(2003, 12, 31)))


def test_a_column_without_any_value_is_an_error_with_and_without_a_range(tmp_path):
    path = tmp_path / "wide.csv"
    days = pd.bdate_range("2024-04-01", "2024-05-17")
    pd.DataFrame({"Date": days, "AAA": 100.0 + days.day, "BBB": None}).to_csv(path, index=False)
    given = PriceSettings(source="csv", csv=(path,))
    for each in (given, given.model_copy(update={"start": date(2024, 4, 10)})):
        with pytest.raises(InputError, match="BBB has 0 rows with a close, expected 2 at least"):
            load_prices(each)


def test_a_calendar_that_does_not_fit_is_an_error_that_names_a_date():
    with pytest.raises(InputError, match=r"AAPL 2000-04-24: not a session of XLON but a holiday"):
        load_prices(PriceSettings(calendar="XLON"))


def test_defects_outside_the_chosen_dates_do_not_matter(tmp_path):
    path = tmp_path / "AAPL.csv"
    days = pd.bdate_range("2024-02-20", "2024-05-17").drop(pd.Timestamp("2024-03-29"))
    close = pd.Series(range(100, 100 + len(days)), dtype=float)
    close[3] = 0.0
    pd.DataFrame({"Date": days, "Close": close}).to_csv(path, index=False)
    given = PriceSettings(source="csv", csv=(path,))
    with pytest.raises(InputError, match="AAPL 2024-02-23: close is 0"):
        load_prices(given)
    panel, repairs = load_prices(given.model_copy(update={"start": date(2024, 3, 1)}))
    assert repairs == []
    assert panel.sessions[0] == pd.Timestamp("2024-03-01")
