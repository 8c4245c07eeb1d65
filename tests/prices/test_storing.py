from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from forecast.errors import InputError
from forecast.prices.storing import describe, load_panel, store_panel


def test_a_panel_comes_back_bit_for_bit_holes_and_all(make_panel, tmp_path):
    panel = make_panel(tickers=3, sessions=400, seed=2, holes=7, late=50)
    store_panel(tmp_path / "panel.parquet", panel)
    again = load_panel(tmp_path / "panel.parquet", describe(panel))
    pd.testing.assert_frame_equal(again.frame, panel.frame, check_exact=True, check_freq=False)
    assert describe(again) == describe(panel)
    np.testing.assert_array_equal(again.level, panel.level)


def test_the_file_is_a_long_price_frame(make_panel, tmp_path):
    store_panel(tmp_path / "panel.parquet", make_panel(tickers=2, sessions=300))
    rows = pd.read_parquet(tmp_path / "panel.parquet")
    assert list(rows)[:2] == ["unique_id", "ds"]
    assert "adj_close" in rows
    assert len(rows) == 600


@pytest.mark.parametrize("damage", ["cut", "row", "column", "none"])
def test_a_damaged_file_is_told(make_panel, tmp_path, damage):
    panel, path = make_panel(tickers=2, sessions=300), tmp_path / "panel.parquet"
    store_panel(path, panel)
    rows = pd.read_parquet(path)
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-99])
    elif damage == "row":
        rows.iloc[1:].to_parquet(path)
    elif damage == "column":
        rows.drop(columns="ds").to_parquet(path)
    else:
        path.unlink()
    with pytest.raises(InputError, match=r"panel.parquet cannot be read: .*; train the run again"):
        load_panel(path, describe(panel))


def test_many_tickers_are_stored_in_blocks_and_come_back_bit_for_bit(
    make_panel, tmp_path, monkeypatch
):
    monkeypatch.setattr("forecast.prices.storing.BLOCK", 2)
    panel = make_panel(tickers=5, sessions=300, holes=9, late=50)
    store_panel(tmp_path / "panel.parquet", panel)
    back = load_panel(tmp_path / "panel.parquet", describe(panel))
    pd.testing.assert_frame_equal(back.frame, panel.frame, check_freq=False)


def test_a_large_panel_in_single_precision_comes_back_memory_mapped_and_as_it_was(
    make_panel, is_mapped, tmp_path, monkeypatch
):
    monkeypatch.setattr("forecast.prices.mapped.LARGE", 0)
    monkeypatch.setattr("forecast.prices.storing.BLOCK", 2)
    monkeypatch.setenv("FORECAST_CACHE_DIR", str(tmp_path / "cache"))
    panel = make_panel(tickers=5, sessions=300, holes=9, late=50)
    panel = replace(panel, frame=panel.frame.astype("float32"))
    store_panel(tmp_path / "panel.parquet", panel)
    back = load_panel(tmp_path / "panel.parquet", describe(panel))
    pd.testing.assert_frame_equal(back.frame, panel.frame, check_freq=False)
    some = back.select(tickers=back.tickers[::2])
    chosen = back.frame.columns.isin(some.tickers, "unique_id")
    pd.testing.assert_frame_equal(some.frame, back.frame.loc[:, chosen])
    for each in (back, some):
        assert each.field("close").to_numpy().dtype == np.float32
        assert is_mapped(each.field("close").to_numpy())
