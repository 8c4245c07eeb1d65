"""The benchmark set: 20 stocks of the S&P 500, 1990 to 2022, read from an installed skfolio."""

import hashlib
import importlib.util
from pathlib import Path

import pandas as pd

from forecast.errors import InputError
from forecast.prices.source import Read

CALENDAR = "XNYS"


def read_sp500() -> Read:
    """Return the adjusted closes of 20 series, 8313 sessions each.

    Raises InputError when skfolio, or the file in it, is not there.
    """
    path = sp500_path()
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    wide = pd.read_csv(path, index_col=0, parse_dates=[0], date_format="%Y-%m-%d")
    wide.index = pd.DatetimeIndex(wide.index, name="ds").as_unit("ns")
    rows = {str(name): wide[name].to_frame("adj_close") for name in wide}
    return Read(rows, sha256, CALENDAR)


def sp500_path() -> Path:
    """Return the file in the installed skfolio, found without importing it (which is slow)."""
    spec = importlib.util.find_spec("skfolio")
    if spec is None or spec.origin is None:
        raise InputError(
            "--source sp500 reads the 20-stock set that comes with skfolio, which is not "
            'installed: pip install "forecast[bench]" (or pip install skfolio), or use '
            "--source bundled."
        )
    path = Path(spec.origin).parent / "datasets" / "data" / "sp500_dataset.csv.gz"
    if not path.is_file():
        raise InputError(
            f"The installed skfolio has no {path}: another version may have moved it; "
            "pip install --upgrade skfolio, or use --source bundled."
        )
    return path
