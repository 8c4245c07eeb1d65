"""The prices that come with the project: five US stocks, 2000 to 2013 (see data/README.md)."""

import hashlib
import io
from pathlib import Path

import pandas as pd

from forecast.errors import InputError
from forecast.prices.cleaning import rows_by_ticker
from forecast.prices.source import Read
from forecast.shipped import shipped

#: Of data/stocks.csv.gz, as it was taken from bokeh-sampledata 2026.1.
SHA256 = "5abadf99b2d394f920120a27de6f0df129859d71d4cfb0bf661bcc99446ab1fd"
CALENDAR = "XNYS"
_NAMES = {
    "Ticker": "unique_id",
    "Date": "ds",
    "Open": "open",
    "High": "high",
    "Low": "low",
    "Close": "close",
    "Volume": "volume",
    "Adj Close": "adj_close",
}


def read_bundled(path: Path | None = None) -> Read:
    """Return the bundled prices: raw OHLC, volume and adjusted closes.

    Raises InputError when the file is missing or is not the one that the project was made with.
    """
    path = path or bundled_path()
    content = path.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != SHA256:
        raise InputError(
            f"The bundled prices {path} have changed: sha256 {found[:12]}…, expected "
            f"{SHA256[:12]}…. Restore them with python scripts/build_data.py, or reinstall the "
            "package; prices of your own go in with --source csv."
        )
    types = {"Ticker": "category", **dict.fromkeys(list(_NAMES)[2:], "float64")}
    frame = pd.read_csv(
        io.BytesIO(content),
        compression="gzip",
        dtype=types,
        parse_dates=["Date"],
        date_format="%Y-%m-%d",
    )
    return Read(rows_by_ticker(frame.rename(columns=_NAMES)), found, CALENDAR)


def bundled_path() -> Path:
    """Return where the bundled prices are: in the installed package, or beside it in a checkout."""
    remedy = "restore them with python scripts/build_data.py, or use --source csv"
    return shipped("stocks.csv.gz", "The bundled prices", remedy)
