import pandas as pd
import pytest

from forecast.errors import InputError
from forecast.prices import missing_sessions, next_sessions, sessions
from forecast.prices.sessions import last_closed_session, sessions_between


def test_the_next_sessions_leave_out_weekends_and_thanksgiving():
    days = next_sessions("XNYS", pd.Timestamp("2026-11-20"), 5)
    expected = ["2026-11-23", "2026-11-24", "2026-11-25", "2026-11-27", "2026-11-30"]
    assert days.tolist() == [pd.Timestamp(day) for day in expected]
    assert days.dtype == "datetime64[ns]"


@pytest.mark.parametrize("count", [1, 20, 250])
@pytest.mark.parametrize("calendar", ["XNYS", "24/7", "24/5"])
def test_as_many_sessions_come_as_were_asked_for(calendar, count):
    days = next_sessions(calendar, "2024-12-31", count)
    assert len(days) == count
    assert days.is_unique
    assert days.is_monotonic_increasing
    assert days[0] > pd.Timestamp("2024-12-31")


def test_every_day_is_a_session_where_trade_never_stops():
    assert next_sessions("24/7", "2024-02-27", 3).strftime("%m-%d").tolist() == [
        "02-28", "02-29", "03-01",
    ]  # fmt: skip


def test_missing_sessions_are_those_inside_the_span_that_are_not_there():
    days = sessions_between("XNYS", "2024-01-02", "2024-01-31")
    holes = days[[3, 10]]
    assert missing_sessions("XNYS", days.difference(holes)).equals(holes)
    assert missing_sessions("XNYS", days).empty


def test_the_market_was_closed_in_september_2001_and_for_sandy():
    days = sessions_between("XNYS", "2001-09-10", "2001-09-18")
    assert days.strftime("%d").tolist() == ["10", "17", "18"]
    assert sessions_between("XNYS", "2012-10-27", "2012-10-30").empty


def test_a_wider_range_after_a_narrow_one_has_all_its_sessions():
    sessions_between("XLON", "2020-05-01", "2020-05-29")
    assert len(sessions_between("XLON", "2019-01-01", "2020-12-31")) == 253 + 254
    assert len(sessions_between("XLON", "2020-05-01", "2020-05-29")) == 19


def test_an_unknown_calendar_names_similar_ones():
    with pytest.raises(InputError, match=r"no exchange calendar 'XNYZ'.*XNYS.*--calendar"):
        next_sessions("XNYZ", "2024-01-02", 1)


def test_a_calendar_that_does_not_reach_so_far_says_so():
    with pytest.raises(InputError, match=r"XKRX does not cover .*--calendar 24/5"):
        sessions_between("XKRX", "1900-01-01", "1900-02-01")


@pytest.mark.parametrize(
    ("now", "last"),
    [
        ("2024-06-28 15:59", "2024-06-27"),
        ("2024-06-28 16:00", "2024-06-28"),
        ("2024-06-30 12:00", "2024-06-28"),
        ("2024-07-03 13:01", "2024-07-03"),  # closes early
        ("2024-07-04 23:00", "2024-07-03"),
    ],
)
def test_a_session_counts_once_its_exchange_has_closed(now, last):
    aware = pd.Timestamp(now, tz="America/New_York")
    assert last_closed_session("XNYS", aware) == pd.Timestamp(last)


def test_later_sessions_and_the_last_close_need_no_second_calendar(monkeypatch):
    built = []

    def schedule(*arguments):
        built.append(arguments)
        return real(*arguments)

    real = sessions._schedule
    monkeypatch.setattr(sessions, "_schedule", schedule)
    monkeypatch.setattr(sessions, "_built", {})
    monkeypatch.setattr(sessions, "_range", {})
    sessions_between("XNYS", "2020-01-02", "2024-03-01")
    assert len(next_sessions("XNYS", "2024-03-01", 100)) == 100
    closed = last_closed_session("XNYS", pd.Timestamp("2024-03-02", tz="UTC"))
    assert closed == pd.Timestamp("2024-03-01")
    assert len(built) == 1


def test_a_calendar_that_knows_no_later_dates_is_built_as_far_as_it_goes(monkeypatch):
    last = pd.Timestamp("2024-03-01")

    def schedule(calendar, start, end):
        if end > last:
            raise InputError(f"does not cover {end}")
        return real(calendar, start, end)

    real = sessions._schedule
    monkeypatch.setattr(sessions, "_schedule", schedule)
    monkeypatch.setattr(sessions, "_built", {})
    monkeypatch.setattr(sessions, "_range", {})
    assert sessions_between("XNYS", "2024-02-01", last)[-1] == last
    with pytest.raises(InputError, match="does not cover"):
        next_sessions("XNYS", last, 20)
