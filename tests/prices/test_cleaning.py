import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecast.errors import InputError
from forecast.prices import clean, garch_prices


def one(rows: int = 200, **columns) -> pd.DataFrame:
    frame = garch_prices(tickers=1, sessions=rows, seed=5)[["unique_id", "ds", "close"]]
    return frame.assign(**columns)


def cleaned(frame: pd.DataFrame, calendar: str = "XNYS", **more):
    return clean(frame, source="test", sha256="", calendar=calendar, **more)


def test_holes_are_rows_of_nan_and_never_filled():
    frame = one()
    panel, repairs = cleaned(frame.drop(index=[50, 51]))
    assert len(panel.sessions) == 200
    assert np.flatnonzero(np.isnan(panel.level[:, 0])).tolist() == [50, 51]
    assert [(each.kind, each.ds) for each in repairs] == [
        ("missing session", frame["ds"][50]),
        ("missing session", frame["ds"][51]),
    ]


def test_nothing_of_a_row_without_a_close_stays():
    frame = garch_prices(tickers=1, sessions=300, seed=5)
    frame.loc[50, "close"] = np.nan
    panel, repairs = cleaned(frame)
    assert [each.kind for each in repairs] == ["NaN close"]
    assert panel.frame.iloc[50].isna().all()
    assert panel.frame.drop(index=panel.sessions[50]).notna().all(axis=None)


def test_repeated_rows_are_no_flat_stretch():
    frame = one()
    _, repairs = cleaned(frame.loc[[*range(100), *[99] * 6, *range(100, 200)]])
    assert [str(each) for each in repairs] == [
        "S00 2010-05-26: duplicate row: 7 identical rows, 6 dropped"
    ]


def test_a_series_without_an_adjusted_close_has_its_close_as_such():
    panel, _ = cleaned(one())
    pd.testing.assert_frame_equal(panel.field("close"), panel.field("adj_close"))


@given(order=st.permutations(range(40)), unit=st.sampled_from(["s", "ms", "us", "ns"]))
@settings(max_examples=20, deadline=None)
def test_neither_the_order_of_rows_nor_the_unit_of_dates_changes_the_panel(order, unit):
    frame = one(40)
    shuffled = frame.iloc[list(order)].assign(ds=lambda f: f["ds"].dt.as_unit(unit))
    pd.testing.assert_frame_equal(cleaned(shuffled)[0].frame, cleaned(frame)[0].frame)


def test_dates_with_a_time_zone_become_the_days_of_that_zone():
    frame = one(40)
    aware = frame.assign(ds=frame["ds"].dt.tz_localize("America/New_York"))
    pd.testing.assert_frame_equal(cleaned(aware)[0].frame, cleaned(frame)[0].frame)


@pytest.mark.parametrize("ds", ["2024-01-02", 1704153600, 1.5])
def test_dates_that_are_none_are_refused(ds):
    with pytest.raises(InputError, match=r"ds holds .*, expected dates: convert it with pandas"):
        cleaned(one(40, ds=ds))


def test_columns_that_are_missing_are_named():
    with pytest.raises(InputError, match=r"needs unique_id, ds and close or adj_close, found ds"):
        cleaned(one(40)[["ds"]])


def test_no_rows_at_all_are_refused():
    with pytest.raises(InputError, match="no rows of prices"):
        cleaned(one(40).iloc[:0])


@pytest.mark.parametrize("price", [1e-6, 1.0, 1e9])
def test_prices_of_any_size_are_accepted(price):
    panel, repairs = cleaned(one().assign(close=lambda f: f["close"] * price))
    assert np.isfinite(panel.level).all()
    assert repairs == []


def test_the_input_is_left_as_it_was():
    frame = one().iloc[::-1]
    before = frame.copy()
    cleaned(frame)
    pd.testing.assert_frame_equal(frame, before)


@pytest.mark.parametrize("ratio", [1 / 2, 1 / 3, 1 / 4, 1 / 7, 1 / 20, 2.0, 3.0, 10.0])
def test_a_split_is_found_at_any_usual_ratio(ratio):
    frame = one()
    frame.loc[100:, "close"] *= ratio
    with pytest.raises(InputError, match=f"S00 {frame['ds'][100].date()}: .* split"):
        cleaned(frame)


def test_a_wild_series_is_not_taken_for_splits():
    values = np.exp(np.random.default_rng(0).normal(size=200) * 0.7)
    panel, repairs = cleaned(one(close=values))
    assert panel.level.shape == (200, 1)
    assert repairs == []


@given(
    values=st.lists(st.sampled_from([1.0, 1.1, 1.2]), min_size=3, max_size=60),
)
@settings(max_examples=50, deadline=None)
def test_flat_stretches_are_those_a_plain_loop_finds(values):
    expected, run = [], 1
    for at in range(1, len(values) + 1):
        if at < len(values) and values[at] == values[at - 1]:
            run += 1
            continue
        if run >= 5:
            expected.append((at - run, run))
        run = 1
    frame = one(len(values), close=values)
    _, repairs = cleaned(frame)
    found = [
        (int(np.flatnonzero(frame["ds"] == each.ds)[0]), int(each.detail.split()[0]))
        for each in repairs
        if each.kind == "flat prices"
    ]
    assert found == expected


def test_weekdays_without_any_price_are_holidays_on_the_calendar_of_weekdays():
    days = pd.bdate_range("2024-01-01", "2024-12-31").difference(pd.DatetimeIndex(["2024-05-01"]))
    frame = pd.DataFrame({"unique_id": "x", "ds": days, "close": np.linspace(1, 2, len(days))})
    panel, repairs = cleaned(frame, "24/5")
    assert panel.sessions.equals(days.rename("ds"))
    assert [str(each) for each in repairs] == [
        "x 2024-05-01: missing days: 1 of 262 sessions of 24/5 missing, left empty"
    ]


def test_a_delisted_series_is_reported():
    rows = garch_prices(tickers=2, sessions=60, seed=1)
    _, repairs = cleaned(rows.drop(index=range(50, 60)))
    assert [str(each) for each in repairs] == [
        "S00 2010-03-16: ends early: its last price; the others run to 2010-03-30"
    ]
