import importlib.util
import sys
import time
import tracemalloc
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from forecast.errors import InputError
from forecast.prices import load_prices
from forecast.prices.sp500 import sp500_path
from forecast.settings import PriceSettings

SETTINGS = PriceSettings(source="sp500")


def test_the_benchmark_set_has_20_stocks_and_8313_sessions_without_a_hole():
    panel, repairs = load_prices(SETTINGS)
    assert panel.frame.shape == (8313, 20)
    assert panel.fields == ["adj_close"]
    assert np.isfinite(panel.level).all()
    assert {each.kind for each in repairs} == {"large step", "flat prices"}
    expected = pd.read_csv(sp500_path(), index_col="Date")
    np.testing.assert_array_equal(panel.field("adj_close"), expected[panel.tickers])
    assert "skfolio" not in sys.modules


def test_loading_and_cleaning_is_quick_and_keeps_few_copies():
    panel, _ = load_prices(SETTINGS)  # builds the calendar
    own = panel.frame.memory_usage().sum()
    began = time.perf_counter()
    load_prices(SETTINGS)
    assert time.perf_counter() - began < 1
    tracemalloc.start()
    load_prices(SETTINGS)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2.5 * own


def test_without_skfolio_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r'pip install "forecast\[bench\]".*--source bundled'):
        load_prices(SETTINGS)


def test_a_skfolio_without_the_file_says_so(monkeypatch, tmp_path):
    spec = SimpleNamespace(origin=str(tmp_path / "__init__.py"))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec)
    with pytest.raises(InputError, match=r"has no .*sp500_dataset.csv.gz.*--upgrade skfolio"):
        load_prices(SETTINGS)
