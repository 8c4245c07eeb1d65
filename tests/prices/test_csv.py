"""Layouts of clean CSV files, and a fuzz campaign: InputError or a panel, never a traceback."""

import string
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecast.errors import InputError
from forecast.prices import clean, garch_prices, load_prices
from forecast.prices.bundled import bundled_path
from forecast.settings import PriceSettings

ROWS = garch_prices(tickers=2, sessions=30, seed=2)
EXPECTED = clean(ROWS, source="csv", sha256="", calendar="XNYS")[0].frame


def load(*paths: Path, **flags):
    return load_prices(PriceSettings(source="csv", csv=paths, **flags))


def write(folder: Path, name: str, frame: pd.DataFrame, **options) -> Path:
    path = folder / name
    frame.to_csv(path, index=False, **options)
    return path


def test_a_long_file_gives_back_the_panel(tmp_path):
    panel, repairs = load(write(tmp_path, "all.csv", ROWS))
    assert repairs == []
    pd.testing.assert_frame_equal(panel.frame, EXPECTED)


def test_one_file_per_ticker_gives_back_the_panel(tmp_path):
    paths = [
        write(tmp_path, f"{name}.csv", rows.drop(columns="unique_id"))
        for name, rows in ROWS.groupby("unique_id")
    ]
    pd.testing.assert_frame_equal(load(*paths)[0].frame, EXPECTED)


def test_a_wide_file_gives_back_the_closes(tmp_path):
    wide = ROWS.pivot_table(index="ds", columns="unique_id", values="close").reset_index()
    panel, repairs = load(write(tmp_path, "closes.csv", wide))
    assert repairs == []
    pd.testing.assert_frame_equal(panel.field("close"), EXPECTED["close"])


def test_a_saved_frame_with_its_index_gives_back_the_panel(tmp_path):
    path = tmp_path / "S00.csv"
    rows = ROWS[ROWS["unique_id"] == "S00"].drop(columns="unique_id").set_index("ds")
    rows.rename_axis(None).to_csv(path)
    assert path.read_text().startswith(",open")
    pd.testing.assert_frame_equal(
        load(path)[0].frame, EXPECTED.loc[:, EXPECTED.columns.isin(["S00"], level=1)]
    )


def test_files_that_continue_one_another_are_joined(tmp_path):
    early = write(tmp_path, "2010-01.csv", ROWS[ROWS["ds"] < "2010-02-01"])
    late = write(tmp_path, "2010-02.csv", ROWS[ROWS["ds"] >= "2010-02-01"])
    pd.testing.assert_frame_equal(load(early, late)[0].frame, EXPECTED)


def test_files_of_one_ticker_with_other_columns_are_refused(tmp_path):
    first = write(tmp_path, "a.csv", ROWS)
    second = write(tmp_path, "b.csv", ROWS[["unique_id", "ds", "close"]])
    with pytest.raises(InputError, match=r"b.csv: S00 has close here and .* in an earlier file"):
        load(first, second)


def test_the_bundled_file_reads_as_csv_too():
    panel, _ = load(bundled_path())
    pd.testing.assert_frame_equal(panel.frame, load_prices(PriceSettings())[0].frame)


def test_the_sha256_is_that_of_the_files_and_depends_on_their_order(tmp_path):
    first = write(tmp_path, "a.csv", ROWS[ROWS["unique_id"] == "S00"])
    second = write(tmp_path, "b.csv", ROWS[ROWS["unique_id"] == "S01"])
    assert (
        len({load(*paths)[0].sha256 for paths in [(first,), (first, second), (second, first)]}) == 3
    )


def series(days: pd.DatetimeIndex, values: np.ndarray, name: str = "value") -> pd.DataFrame:
    return pd.DataFrame({"date": days, name: values})


def test_a_dated_series_of_one_value_takes_the_name_of_its_column_or_file(tmp_path):
    days = pd.date_range("2024-01-01", periods=40)
    values = 20 + np.sin(np.arange(40))
    named, _ = load(write(tmp_path, "rome.csv", series(days, values, "temperature_c")))
    unnamed, _ = load(write(tmp_path, "rome.csv", series(days, values)))
    assert (named.tickers, unnamed.tickers) == (["temperature_c"], ["rome"])
    assert (named.calendar, named.scale) == ("24/7", "log")
    np.testing.assert_array_equal(named.field("close")["temperature_c"], values)


def test_a_series_is_linear_where_it_reaches_zero(tmp_path):
    days = pd.date_range("2024-01-01", periods=40)
    panel, repairs = load(write(tmp_path, "oslo.csv", series(days, np.arange(40.0) - 3)))
    assert panel.scale == "linear"
    assert "4 values of 0 or below" in str(repairs[0])
    np.testing.assert_array_equal(panel.level[:, 0], np.arange(40.0) - 3)


def test_the_calendar_follows_the_dates(tmp_path):
    sessions = pd.DatetimeIndex(ROWS["ds"].unique())
    weekdays = pd.bdate_range("2010-01-04", periods=40)
    every_day = pd.date_range("2010-01-04", periods=40)
    found = []
    for days in (sessions, weekdays, every_day):
        values = 20 + np.sin(np.arange(len(days)))
        found.append(load(write(tmp_path, "x.csv", series(days, values)))[0].calendar)
    assert found == ["XNYS", "24/5", "24/7"]


def test_coins_that_trade_on_weekends_are_prices_of_every_day(tmp_path):
    days = pd.date_range("2024-01-01", periods=60)
    frame = pd.DataFrame({"Date": days, "Close": 40000 + 100 * np.sin(np.arange(60))})
    panel, repairs = load(write(tmp_path, "BTC-USD.csv", frame))
    assert (panel.tickers, panel.calendar, panel.scale) == (["BTC-USD"], "24/7", "log")
    assert [each.kind for each in repairs] == ["calendar"]


def test_a_wide_table_of_temperatures_is_linear_and_one_zero_among_prices_an_error(tmp_path):
    days = pd.DatetimeIndex(ROWS["ds"].unique())
    wave = 5 * np.sin(np.arange(30))
    stations = pd.DataFrame({"date": days, "oslo": wave, "rome": wave + 4})
    assert load(write(tmp_path, "t.csv", stations))[0].scale == "linear"
    many = garch_prices(tickers=2, sessions=300, seed=2)
    wide = many.pivot_table(index="ds", columns="unique_id", values="close").reset_index()
    wide.loc[7, "S01"] = 0.0
    with pytest.raises(InputError, match="S01 2010-01-13: close is 0"):
        load(write(tmp_path, "wide.csv", wide))


def test_prices_and_temperatures_do_not_share_a_panel(tmp_path):
    prices = write(tmp_path, "prices.csv", ROWS)
    days = pd.DatetimeIndex(ROWS["ds"].unique())
    other = write(tmp_path, "oslo.csv", series(days, 5 * np.sin(np.arange(30))))
    with pytest.raises(
        InputError, match=r"prices.csv holds prices, the other files values of zero"
    ):
        load(prices, other)


def test_a_name_with_markup_stays_text(tmp_path):
    rows = ROWS.assign(unique_id=ROWS["unique_id"].replace("S00", "<b>A&B<b>"))
    assert load(write(tmp_path, "x.csv", rows))[0].tickers == ["<b>A&B<b>", "S01"]


CLEAN = ROWS.head(12).to_csv(index=False)
CELL = st.one_of(
    st.text(alphabet=string.printable + "é€𝄞\x00\ufeff", max_size=12),
    st.sampled_from(
        ["", "NaN", "1e400", "-0", "2010-02-30", "2010-01-09", '"', "'", "=A1", "../x"]
    ),
)


@st.composite
def mutilated(draw) -> bytes:
    """A clean file with some cells, lines or bytes replaced."""
    lines = [line.split(",") for line in CLEAN.splitlines()]
    for _ in range(draw(st.integers(0, 3))):
        line = draw(st.sampled_from(lines))
        if line:
            line[draw(st.integers(0, len(line) - 1))] = draw(CELL)
    for _ in range(draw(st.integers(0, 2))):
        at = draw(st.integers(0, len(lines) - 1))
        lines[at] = draw(st.sampled_from([[], lines[0], lines[at] * 2, lines[at][:3], ["", ""]]))
    content = draw(st.sampled_from(["\n", "\r\n", "\n\n"])).join(",".join(each) for each in lines)
    data = content.encode(draw(st.sampled_from(["utf-8", "utf-8", "utf-8-sig", "utf-16"])))
    return data[: draw(st.integers(0, len(data)))] if draw(st.booleans()) else data


@given(
    content=st.one_of(mutilated(), st.binary(max_size=300), st.text(max_size=300).map(str.encode))
)
@settings(max_examples=300, deadline=None)
def test_whatever_a_file_holds_there_is_a_panel_or_one_line_that_says_why_not(content):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "S00.csv"
        path.write_bytes(content)
        refused = ""
        try:
            panel, _ = load(path)
            assert panel.sessions.is_monotonic_increasing
            assert not np.isinf(panel.level).any()
        except InputError as error:
            refused = str(error)
        assert "\n" not in refused
        assert len(refused) < 1000
