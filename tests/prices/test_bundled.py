import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from forecast.errors import InputError
from forecast.prices import load_prices
from forecast.prices.bundled import SHA256, bundled_path, read_bundled
from forecast.settings import PriceSettings

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def loaded():
    return load_prices(PriceSettings())


def test_the_bundled_prices_are_those_of_the_readme(loaded):
    panel, repairs = loaded
    rows = panel.field("close").notna().sum()
    assert rows.to_dict() == {"AAPL": 3270, "FB": 196, "GOOG": 2148, "IBM": 3270, "MSFT": 3270}
    assert panel.frame.shape == (3270, 30)
    assert (panel.source, panel.calendar, panel.scale) == ("bundled", "XNYS", "log")
    assert panel.sha256 == SHA256 == hashlib.sha256(bundled_path().read_bytes()).hexdigest()
    assert [str(each) for each in repairs] == [
        "AAPL 2000-09-29: large step: close goes from 3.43775 to 1.65462 (×0.481); taken as real"
    ]


def test_the_split_of_2000_is_in_the_raw_close_and_not_in_the_adjusted_one(loaded):
    day = pd.Timestamp("2000-06-21")
    change = loaded[0].frame.xs("AAPL", axis=1, level="unique_id").pct_change().loc[day]
    np.testing.assert_allclose(change[["close", "adj_close"]], [-0.451, 0.099], atol=2e-3)


def test_the_values_are_those_that_pandas_reads(loaded):
    table = pd.read_csv(bundled_path()).pivot_table(
        index="Date", columns="Ticker", values="Adj Close"
    )
    np.testing.assert_array_equal(loaded[0].field("adj_close"), table)


def test_a_changed_file_is_refused(tmp_path):
    path = tmp_path / "stocks.csv.gz"
    path.write_bytes(bundled_path().read_bytes() + b"\x00")
    with pytest.raises(
        InputError, match=r"have changed: sha256 .*, expected 5abadf99b2d3…\. Restore"
    ):
        read_bundled(path)


def test_the_prices_are_found_inside_an_installed_package(tmp_path):
    shutil.copytree(
        ROOT / "forecast", tmp_path / "forecast", ignore=shutil.ignore_patterns("__pycache__")
    )
    code = (
        "from forecast.prices.bundled import bundled_path, read_bundled; "
        "print(bundled_path(), len(read_bundled().rows))"
    )

    def run() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", code], check=False, cwd=tmp_path, capture_output=True, text=True
        )

    assert "The bundled prices are neither at" in run().stderr
    shutil.copytree(ROOT / "data", tmp_path / "forecast" / "data")
    assert run().stdout.split() == [str(tmp_path / "forecast" / "data" / "stocks.csv.gz"), "5"]


def test_importing_the_prices_imports_nothing_slow():
    code = (
        "import sys, forecast.prices; slow = {'yfinance', 'exchange_calendars', 'sklearn', "
        "'tensorflow', 'skfolio'}; print(slow & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, cwd=ROOT, capture_output=True, text=True
    )
    assert done.stdout.strip() == "set()"
