"""Thousands of tickers from Parquet: a folder per ticker, read one at a time."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from urllib.parse import quote, unquote

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from forecast.bounded import check_parquet
from forecast.counts import counted
from forecast.errors import InputError
from forecast.prices.panel import FIELDS, choose_tickers
from forecast.runs import written_whole
from forecast.settings import PriceSettings

#: What a ticker's folder is called: ``unique_id=AAPL``.
KEY = "unique_id="
#: The file in it that `write_partition` writes.
FILE = "prices.parquet"


@dataclass(frozen=True)
class Partitions(Mapping[str, pd.DataFrame]):
    """The rows of each ticker, read when they are asked for and not kept."""

    files: dict[str, list[Path]]
    fields: tuple[str, ...]
    named: bool = False  # whether the files have a column unique_id, too
    start: date | None = None
    end: date | None = None

    def __getitem__(self, ticker: str) -> pd.DataFrame:
        return self._rows(ticker, self.fields)

    def days(self, ticker: str) -> pd.DatetimeIndex:
        """The dates of a ticker alone, which is quicker; InputError for rows of another one."""
        if self.named:
            for path in self.files[ticker]:
                _check_rows_of(ticker, path)
        return pd.DatetimeIndex(self._rows(ticker, ()).index)

    def _rows(self, ticker: str, fields: tuple[str, ...]) -> pd.DataFrame:
        rows = pd.concat([_read(path, fields) for path in self.files[ticker]])
        if self.start is not None:
            rows = rows[rows.index >= pd.Timestamp(self.start)]
        return rows if self.end is None else rows[rows.index <= pd.Timestamp(self.end)]

    def __iter__(self) -> Iterator[str]:
        return iter(self.files)

    def __len__(self) -> int:
        return len(self.files)


def read_parquet(settings: PriceSettings) -> tuple[Partitions, str]:
    """Return the tickers of the folder `settings.path` and the SHA-256 of their files.

    Raises InputError for a folder that is not there, has no tickers or cannot be read, a ticker
    that is not in it or is there twice, and a file with another schema than the first.
    """
    assert settings.path is not None
    files = _partitions(settings.path)
    if settings.tickers:
        files = {name: files[name] for name in choose_tickers(files, settings.tickers)}
    schema = _common_schema(files)
    fields = tuple(field for field in FIELDS if field in schema)
    digest = hashlib.sha256()
    for name in sorted(files):
        for path in files[name]:
            digest.update(f"{name} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    named = "unique_id" in schema
    return Partitions(files, fields, named, settings.start, settings.end), digest.hexdigest()


def write_partition(folder: Path, ticker: str, rows: pd.DataFrame) -> Path:
    """Write the rows of a ticker (index `ds`) to its folder, whole or not at all.

    Raises InputError when sessions that are there would be lost.
    """
    target = folder / f"{KEY}{quote(ticker, safe='')}" / FILE
    _check_nothing_lost(target, ticker, rows)
    target.parent.mkdir(parents=True, exist_ok=True)
    fields = [field for field in FIELDS if field in rows]
    with written_whole(target) as draft:
        written = rows[fields].rename_axis("ds").reset_index()
        written.to_parquet(draft, index=False, write_page_checksum=True)
    return target


def _check_nothing_lost(target: Path, ticker: str, rows: pd.DataFrame) -> None:
    """Raise InputError when the file has sessions before the first or after the last of `rows`."""
    try:
        there = _read(target, ()).index if target.is_file() else pd.DatetimeIndex([])
    except InputError:  # what is damaged is to be written again
        return
    if there.empty or (there.min() >= rows.index.min() and there.max() <= rows.index.max()):
        return
    raise InputError(
        f"{target} holds {counted(len(there), 'session')} from {there.min():%Y-%m-%d} to "
        f"{there.max():%Y-%m-%d}, the new prices of {ticker} are {len(rows):,} from "
        f"{rows.index.min():%Y-%m-%d} to {rows.index.max():%Y-%m-%d}: sessions would be lost, so "
        "it stays as it is; name an earlier --start or a later --end, another --path, or remove "
        "the file."
    )


def _partitions(folder: Path) -> dict[str, list[Path]]:
    """The files of every ticker, by name."""
    if not folder.is_dir():
        raise InputError(
            f"there is no folder {folder}: check --path, or write it with forecast fetch AAPL MSFT "
            "--format parquet --path DIR."
        )
    found: dict[str, list[Path]] = {}
    for each in (folder / name for name in _names_in(folder) if name.startswith(KEY)):
        ticker = unquote(each.name.removeprefix(KEY))
        if ticker in found:
            raise InputError(
                f"{folder} has {ticker} twice, in {found[ticker][0].parent.name} and {each.name}: "
                "keep one of them."
            )
        files = [each / name for name in _names_in(each) if name.endswith(".parquet")]
        if not files:
            raise InputError(f"{each} holds no .parquet file: fill it, or remove the folder.")
        found[ticker] = files
    if not found:
        raise InputError(
            f"{folder} holds no folder like {KEY}AAPL with Parquet files in it: expected one per "
            "ticker, as forecast fetch --format parquet writes them."
        )
    return found


def _names_in(folder: Path) -> list[str]:
    try:
        return sorted(each.name for each in folder.iterdir())  # glob passes over what is forbidden
    except OSError as error:
        raise _unreadable(folder, error) from error


def _unreadable(path: Path, error: OSError) -> InputError:
    return InputError(
        f"{path} cannot be read ({error.strerror}): it must be there, and yours to read, with all "
        "that is in it."
    )


def _common_schema(files: Mapping[str, list[Path]]) -> dict[str, str]:
    """The columns of all files; InputError for a file that differs from the first."""
    first, schema = None, None
    for path in (path for parts in files.values() for path in parts):
        found = _schema(path)
        if first is None or schema is None:
            first, schema = path, found
        elif found != schema:
            here, there = (
                {name: kind for name, kind in one.items() if other.get(name) != kind}
                for one, other in ((found, schema), (schema, found))
            )
            raise InputError(
                f"{path} has another schema than {first}: {_told(here)} instead of "
                f"{_told(there)}; write it again like the others, or remove it."
            )
    schema = schema or {}
    if "ds" not in schema or not {"close", "adj_close"} & set(schema):
        raise InputError(
            f"{first} has the columns {_told(schema)}; expected ds and close or adj_close."
        )
    return schema


def _schema(path: Path) -> dict[str, str]:
    """Column → type of a file, floats and whole numbers of any width alike."""
    try:
        check_parquet(path)
        schema = pq.read_schema(path)
    except InputError:
        raise
    except PermissionError as error:
        raise _unreadable(path, error) from error
    except (OSError, ValueError, pa.ArrowException) as error:
        raise InputError(f"{path} is no Parquet file ({error}): write it again.") from error
    kinds = {}
    for field in schema:
        if pa.types.is_floating(field.type) or pa.types.is_integer(field.type):
            kinds[field.name] = "number"
        elif pa.types.is_temporal(field.type):
            kinds[field.name] = "date"
        else:
            kinds[field.name] = str(field.type)
    return kinds


def _check_rows_of(ticker: str, path: Path) -> None:
    """Raise InputError for a file with rows of another ticker than its folder says."""
    found = _table(path, ["unique_id"])["unique_id"].unique().to_pylist()
    others = [str(name) for name in found if str(name) != ticker]
    if others:
        raise InputError(
            f"{path} holds rows of {', '.join(others[:5])}, expected {ticker} alone, as its folder "
            f"says: move them to a folder {KEY}{quote(others[0], safe='')}, or remove the column "
            "unique_id if the folder is right."
        )


def _table(path: Path, columns: list[str]) -> pa.Table:
    """Some columns of one file."""
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            return file.read(columns)
    except (OSError, ValueError, pa.ArrowException) as error:
        raise InputError(f"{path} cannot be read ({error}): write it again.") from error


def _told(schema: Mapping[str, str]) -> str:
    return ", ".join(f"{name} ({kind})" for name, kind in schema.items()) or "no column"


def _read(path: Path, fields: tuple[str, ...]) -> pd.DataFrame:
    """The rows of one file, dates as sessions."""
    rows = _table(path, ["ds", *fields]).to_pandas()
    if rows["ds"].dtype.kind != "M":
        rows["ds"] = pd.to_datetime(rows["ds"])
    days = pd.DatetimeIndex(rows["ds"], name="ds").tz_localize(None).normalize().as_unit("ns")
    return rows[list(fields)].astype("float64").set_axis(days)
