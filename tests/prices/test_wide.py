"""Thousands of tickers from Parquet, on a few."""

import shutil
from datetime import date

import numpy as np
import pandas as pd
import pytest

from forecast.errors import InputError
from forecast.prices import clean, garch_prices, load_prices
from forecast.prices.parquet import write_partition
from forecast.settings import PriceSettings


@pytest.fixture(scope="module")
def rows():
    """Six tickers; one listed late, one delisted, one with a hole."""
    rows = garch_prices(6, 400, 3)
    days = rows["ds"].unique()
    late = (rows["unique_id"] == "S01") & (rows["ds"] < days[150])
    gone = (rows["unique_id"] == "S02") & (rows["ds"] > days[320])
    hole = (rows["unique_id"] == "S03") & rows["ds"].isin(days[200:203])
    return rows[~(late | gone | hole)]


@pytest.fixture
def folder(rows, tmp_path):
    for ticker, of in rows.groupby("unique_id"):
        write_partition(tmp_path / "wide", str(ticker), of.set_index("ds"))
    return tmp_path / "wide"


def read(folder, **more):
    return load_prices(PriceSettings.model_validate({"source": "parquet", "path": folder} | more))


def test_the_panel_is_that_of_the_same_rows_in_memory_in_single_precision(folder, rows):
    panel, repairs = read(folder)
    whole, noted = clean(rows, source="parquet", sha256="", calendar="XNYS")
    assert panel.tickers == whole.tickers
    assert panel.fields == whole.fields
    pd.testing.assert_index_equal(panel.sessions, whole.sessions)
    pd.testing.assert_frame_equal(panel.frame, whole.frame.astype("float32"), check_freq=False)
    assert {str(each) for each in repairs} == {str(each) for each in noted}


@pytest.mark.parametrize("calendar", ["24/5", "24/7"])
def test_plain_day_calendars_make_the_panel_that_the_same_rows_in_memory_make(
    folder, rows, calendar, monkeypatch
):
    for module in ("cleaning.MISSING_SHARE", "cleaning.MISSING_SHARE_WEEKDAYS"):
        monkeypatch.setattr(f"forecast.prices.{module}", 0.5)
    panel, repairs = read(folder, calendar=calendar)
    whole, noted = clean(rows, source="parquet", sha256="", calendar=calendar)
    pd.testing.assert_frame_equal(panel.frame, whole.frame.astype("float32"), check_freq=False)
    assert {str(each) for each in repairs} == {str(each) for each in noted}
    holidays = panel.field("close").isna().all(axis=1).sum()
    assert (holidays == 0) == (calendar == "24/5")


def test_a_large_panel_is_memory_mapped_and_sliced_without_a_copy(
    folder, is_mapped, monkeypatch, tmp_path
):
    monkeypatch.setattr("forecast.prices.mapped.LARGE", 0)
    monkeypatch.setenv("FORECAST_CACHE_DIR", str(tmp_path / "cache"))
    panel, _ = read(folder)
    closes = panel.field("adj_close").to_numpy()
    assert closes.dtype == np.float32
    assert is_mapped(closes)
    early = panel.select(end=panel.sessions[100]).field("adj_close").to_numpy()
    assert np.shares_memory(early, closes)


def test_tickers_and_dates_are_chosen(folder):
    panel, _ = read(folder, tickers=("S00", "S04"), start=date(2010, 6, 1), end=date(2010, 12, 31))
    assert panel.tickers == ["S00", "S04"]
    assert panel.sessions[0] == pd.Timestamp("2010-06-01")
    assert panel.sessions[-1] == pd.Timestamp("2010-12-31")
    with pytest.raises(InputError, match="No ticker S99 in these prices, which have S00"):
        read(folder, tickers=("S99",))
    with pytest.raises(InputError, match="No session of S00"):
        read(folder, start=date(2020, 1, 1))


def test_a_partition_in_several_files_is_one_ticker(folder, rows):
    place = folder / "unique_id=S05"
    of = rows[rows["unique_id"] == "S05"].set_index("ds").drop(columns="unique_id")
    (place / "prices.parquet").unlink()
    for name, part in (("b", of.iloc[:100]), ("a", of.iloc[100:])):
        part.reset_index().to_parquet(place / f"{name}.parquet", index=False)
    panel, _ = read(folder)
    np.testing.assert_allclose(panel.field("close")["S05"].dropna(), of["close"], rtol=1e-6)


def test_names_that_no_folder_could_have_come_back(tmp_path, rows):
    of = rows[rows["unique_id"] == "S00"].set_index("ds")
    write_partition(tmp_path, "BRK-B", of)
    write_partition(tmp_path, "^GSPC", of)
    write_partition(tmp_path, "A=B C", of)
    assert read(tmp_path)[0].tickers == ["A=B C", "BRK-B", "^GSPC"]


def test_a_partition_with_another_schema_is_told(folder):
    path = folder / "unique_id=S04" / "prices.parquet"
    pd.read_parquet(path).drop(columns="high").to_parquet(path)
    told = r"S04/.*parquet has another schema than .*S00.*: no column instead of high \(number\);"
    with pytest.raises(InputError, match=told):
        read(folder)
    pd.read_parquet(path).assign(high="12").to_parquet(path)
    with pytest.raises(InputError, match=r": high \(.*str.*\) instead of high \(number\);"):
        read(folder)


def test_a_ticker_that_is_there_twice_is_told(folder):
    shutil.copytree(folder / "unique_id=S04", folder / "unique_id=S%304")
    with pytest.raises(InputError, match="has S04 twice, in unique_id=S%304 and unique_id=S04"):
        read(folder)


def test_what_is_no_folder_of_tickers_is_told(tmp_path, folder):
    with pytest.raises(InputError, match=r"there is no folder .*none: check --path, or write it"):
        read(tmp_path / "none")
    with pytest.raises(InputError, match="holds no folder like unique_id=AAPL"):
        read(tmp_path / "wide" / "unique_id=S00")
    (folder / "unique_id=S00" / "prices.parquet").write_text("no parquet")
    with pytest.raises(InputError, match=r"S00/prices.parquet is no Parquet file"):
        read(folder)
    (folder / "unique_id=S00" / "prices.parquet").unlink()
    with pytest.raises(InputError, match=r"unique_id=S00 holds no .parquet file"):
        read(folder)


def spoil(folder, ticker):
    path = folder / f"unique_id={ticker}" / "prices.parquet"
    rows = pd.read_parquet(path)
    rows.loc[100, "close"] = -1.0
    rows.to_parquet(path)


def test_one_bad_ticker_of_many_is_left_out_and_said_so(folder, monkeypatch):
    monkeypatch.setattr("forecast.prices.wide.UNTRUSTED_SHARE", 0.2)
    spoil(folder, "S03")
    panel, repairs = read(folder)
    assert panel.tickers == ["S00", "S01", "S02", "S04", "S05"]
    (told,) = [str(each) for each in repairs if each.kind == "left out"]
    assert "S03 2010-05-27: close is -1" in told
    whole, _ = read(folder, tickers=("S04", "S05"))
    np.testing.assert_array_equal(panel.select(whole.tickers).frame, whole.frame)
    with pytest.raises(InputError, match="close is -1"):
        read(folder, tickers=("S03", "S04"))


def test_too_many_bad_tickers_are_told(folder):
    spoil(folder, "S03")
    with pytest.raises(InputError, match=r"1 of 6 tickers cannot be trusted, more than 5%; the fi"):
        read(folder)


def test_the_same_files_have_the_same_hash_and_others_another(folder):
    first, again = read(folder)[0].sha256, read(folder)[0].sha256
    assert first == again
    shutil.rmtree(folder / "unique_id=S00")
    assert read(folder)[0].sha256 != first


def test_a_folder_goes_with_its_source():
    with pytest.raises(ValueError, match="--source parquet needs --path DIR"):
        PriceSettings(source="parquet")
    with pytest.raises(ValueError, match="--path goes with --source parquet, not with"):
        PriceSettings(path="somewhere")
