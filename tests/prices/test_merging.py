from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from forecast.errors import InputError
from forecast.prices import clean, garch_prices, merge


def panel(names, sessions, seed, start="2010-01-04", **kwargs):
    rows = garch_prices(len(names), sessions, seed, start=start)
    rows["unique_id"] = rows["unique_id"].replace(
        dict(zip(rows["unique_id"].unique(), names, strict=True))
    )
    given = {"source": f"set{seed}", "sha256": f"{seed}" * 64, "calendar": "XNYS", **kwargs}
    return clean(rows, **given)[0]


def test_a_merged_panel_holds_every_series_as_it_was_and_nothing_where_there_was_nothing():
    early, late = panel(["A", "C"], 300, 1), panel(["B"], 300, 2, start="2010-09-01")
    both = merge([early, late])
    assert both.tickers == ["A", "B", "C"]
    assert both.sessions.is_monotonic_increasing
    assert len(both.sessions) < 600
    for part in (early, late):
        for field in part.fields:
            found = both.field(field)[part.tickers].dropna()
            pd.testing.assert_frame_equal(found, part.field(field), check_freq=False)
    assert both.field("close")["B"].loc[:"2010-08-31"].isna().all()


def test_a_ticker_in_two_panels_is_taken_from_the_first():
    first, second = panel(["A", "B"], 300, 1), panel(["B", "C"], 300, 2)
    both = merge([first, second])
    np.testing.assert_array_equal(both.field("close")["B"], first.field("close")["B"])
    np.testing.assert_array_equal(both.field("close")["C"], second.field("close")["C"])


def test_only_fields_that_all_panels_have_are_kept():
    assert merge([panel(["A"], 300, 1), panel(["B"], 300, 2).closes()]).fields == ["adj_close"]


def test_a_merged_panel_is_named_and_hashed_by_its_parts_in_order():
    one, two = panel(["A"], 300, 1), panel(["B"], 300, 2)
    assert merge([one, two]).source == "set1+set2"
    assert merge([one, two]).sha256 != merge([two, one]).sha256
    assert merge([one, two]).sha256 != merge([replace(one, sha256="x"), two]).sha256


def test_panels_of_two_calendars_or_scales_are_not_merged():
    one, other = panel(["A"], 300, 1), replace(panel(["B"], 300, 2), calendar="24/7")
    with pytest.raises(InputError, match=r"set1 \(XNYS, log\) and set2 \(24/7, log\) cannot be"):
        merge([one, other])
    with pytest.raises(InputError, match=r"set2 \(XNYS, linear\)"):
        merge([one, replace(panel(["B"], 300, 2), scale="linear")])
