"""Downloaded prices on disk: one Parquet file per ticker, whole or not there at all."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from forecast.bounded import read_table
from forecast.errors import InputError


@dataclass(frozen=True)
class Cached:
    """Prices of one ticker with all sessions from `start` to before `until`."""

    rows: pd.DataFrame
    start: pd.Timestamp
    until: pd.Timestamp
    exchange: str
    fetched_at: pd.Timestamp  # UTC

    @property
    def sha256(self) -> str:
        """The sha256 of dates and values."""
        dates = pd.DatetimeIndex(self.rows.index).strftime("%Y-%m-%d")
        text = ",".join([*self.rows.columns, *dates])
        return hashlib.sha256(text.encode() + self.rows.to_numpy("float64").tobytes()).hexdigest()


def cache_folder() -> Path:
    """Return $FORECAST_CACHE_DIR, or forecast/yahoo in the user's folder for caches."""
    if own := os.environ.get("FORECAST_CACHE_DIR"):
        return Path(own)
    try:
        shared = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    except RuntimeError:  # a user without a home
        raise InputError(
            "There is no home folder to keep downloaded prices in: name one in the environment "
            "variable FORECAST_CACHE_DIR."
        ) from None
    return Path(shared) / "forecast" / "yahoo"


def load_cached(folder: Path, ticker: str) -> Cached | None:
    """Return what the cache has of a ticker; a damaged file counts as none."""
    path = _path(folder, ticker)
    if not path.is_file():
        return None
    try:
        rows = read_table(path)
        about = rows.attrs
        days = pd.DatetimeIndex(rows.index, name="ds").as_unit("ns")
        cached = Cached(
            rows.set_axis(days),
            pd.Timestamp(about["start"]),
            pd.Timestamp(about["until"]),
            about["exchange"],
            pd.Timestamp(about["fetched_at"]),
        )
        return cached if cached.sha256 == about["sha256"] else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def store(folder: Path, ticker: str, cached: Cached) -> None:
    """Write what was downloaded; the file is replaced only when the new one is complete."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = cached.rows.copy()
    rows.attrs = {
        "start": str(cached.start.date()),
        "until": str(cached.until.date()),
        "exchange": cached.exchange,
        "fetched_at": cached.fetched_at.isoformat(),
        "sha256": cached.sha256,
    }
    path = _path(folder, ticker)
    part = path.with_suffix(f".{os.getpid()}.part")
    rows.to_parquet(part)
    part.replace(path)


def _path(folder: Path, ticker: str) -> Path:
    # The prefix keeps a ticker such as CON from being a device of Windows.
    return folder / f"daily {ticker}.parquet"
