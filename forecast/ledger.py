"""The ledger: every forecast as it was made, in one SQLite file that only grows.

Triggers refuse to change or remove a row and pass over one that is there already, so the same
evening twice is once. Every append is one transaction: two processes take turns, and a kill leaves
all of it or nothing.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from forecast.errors import InputError

#: "fcst": tells a ledger from other SQLite files.
APPLICATION = 0x66637374
#: Version of the tables below.
SCHEMA = 1
#: Seconds to wait for another process to finish its append.
PATIENCE_SECONDS = 30.0

#: Columns by table, with their types; the key comes first and `_KEYS` says how long it is.
TABLES: dict[str, dict[str, str]] = {
    "forecasts": {
        "unique_id": "TEXT",
        "cutoff": "TEXT",  # session of the last close that was known
        "h": "INTEGER",  # sessions ahead
        "model": "TEXT",
        "ds": "TEXT",  # session that is forecast
        "last_value": "REAL",  # adjusted close at the cutoff
        "scale": "TEXT",  # log: quantiles are of the log return; linear: of the difference
        "quantiles": "BLOB",  # at the levels 0.01 … 0.99, little-endian float32
        "model_sha256": "TEXT",
        "data_sha256": "TEXT",
        "made_at": "TEXT",  # UTC
        "caught_up": "INTEGER",  # 1: made after a later close was known, not from it
    },
    "scores": {
        "unique_id": "TEXT",
        "cutoff": "TEXT",
        "h": "INTEGER",
        "model": "TEXT",
        "log_return": "REAL",  # what happened
        "crps": "REAL",  # in log-return units
        "pit": "REAL",  # probability of less than the outcome, to one per cent
        "data_sha256": "TEXT",
        "scored_at": "TEXT",
    },
    "histories": {
        "unique_id": "TEXT",
        "seen_at": "TEXT",
        "first": "TEXT",
        "last": "TEXT",
        "sessions": "INTEGER",
        "data_sha256": "TEXT",
    },
}
_KEYS = {"forecasts": 4, "scores": 4, "histories": 2}


class History(NamedTuple):
    """How much there was of a ticker's prices; dates as ISO text."""

    first: str
    last: str
    sessions: int


class Ledger:
    """An open ledger; see `open_ledger`."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._connection = connection

    def append(self, **tables: Sequence[dict[str, Any]]) -> int:
        """Add rows to several tables in one transaction; return how many were new.

        ``append(forecasts=[{...}], histories=[{...}])``; a row whose key is there is passed over.
        """
        with _told(self.path), self._connection as connection:
            connection.execute("BEGIN IMMEDIATE")
            before = connection.total_changes
            for table, rows in tables.items():
                names = list(TABLES[table])
                connection.executemany(
                    f"INSERT INTO {table} ({_listed(names)}) VALUES ({_listed('?' * len(names))})",
                    ([row[name] for name in names] for row in rows),
                )
            return connection.total_changes - before

    def forecasts(self, where: str = "1", values: Iterable[Any] = ()) -> pd.DataFrame:
        """Return forecasts as a frame with the columns of `TABLES`, dates as timestamps."""
        return self._frame("SELECT * FROM forecasts WHERE " + where, values)

    def due(self, last: pd.Timestamp) -> pd.DataFrame:
        """Forecasts of sessions up to `last` that have no score yet."""
        same = " AND ".join(f"s.{name} = forecasts.{name}" for name in key_of("scores"))
        unscored = f"ds <= ? AND NOT EXISTS (SELECT 1 FROM scores AS s WHERE {same})"
        return self.forecasts(unscored, [f"{last:%Y-%m-%d}"])

    def scores(self) -> pd.DataFrame:
        """Every scored forecast, with ``ds, scale, model_sha256, made_at, caught_up`` of it."""
        return self._frame(
            "SELECT s.*, f.ds, f.scale, f.model_sha256, f.made_at, f.caught_up FROM scores AS s "
            "JOIN forecasts AS f USING (unique_id, cutoff, h, model) "
            "ORDER BY cutoff, unique_id, h, model"
        )

    def recorded(self, model: str) -> dict[str, set[pd.Timestamp]]:
        """Cutoffs from which a model has forecast, by ticker."""
        rows = self._rows(
            "SELECT DISTINCT unique_id, cutoff FROM forecasts WHERE model = ?", [model]
        )
        found: dict[str, set[pd.Timestamp]] = {}
        for ticker, cutoff in rows:
            found.setdefault(ticker, set()).add(pd.Timestamp(cutoff))
        return found

    def histories(self) -> dict[str, History]:
        """The newest record of what there was of each ticker."""
        rows = self._rows(
            "SELECT unique_id, first, last, sessions, max(seen_at) FROM histories "
            "GROUP BY unique_id"
        )
        return {name: History(first, last, sessions) for name, first, last, sessions, _ in rows}

    def newest_entry(self) -> pd.Timestamp | None:
        """When the ledger was last written (UTC); None when it is empty."""
        times = self._rows(
            "SELECT max(made_at) FROM forecasts UNION ALL SELECT max(scored_at) FROM scores "
            "UNION ALL SELECT max(seen_at) FROM histories"
        )
        known = [pd.Timestamp(time) for (time,) in times if time]
        return max(known) if known else None

    def _rows(self, query: str, values: Iterable[Any] = ()) -> list[tuple[Any, ...]]:
        with _told(self.path):
            return self._connection.execute(query, tuple(values)).fetchall()

    def _frame(self, query: str, values: Iterable[Any] = ()) -> pd.DataFrame:
        with _told(self.path):
            frame = pd.read_sql_query(query, self._connection, params=tuple(values))
        for name in {"cutoff", "ds"} & set(frame):
            frame[name] = pd.to_datetime(frame[name]).astype("datetime64[ns]")
        if "caught_up" in frame:
            frame["caught_up"] = frame["caught_up"].astype(bool)
        return frame


@contextmanager
def open_ledger(
    path: Path, read_only: bool = False, patience_seconds: float | None = None
) -> Iterator[Ledger]:
    """Open a ledger, made anew when there is none unless `read_only`.

    Raises InputError when the file is no ledger, was written by a newer version, is locked for
    longer than `patience_seconds` (default: 30), is missing (`read_only`) or cannot be written.
    """
    if read_only and not path.is_file():
        raise InputError(
            f"there is no ledger at {path}: forecast daily begins one; name another by its path."
        )
    with _told(path):
        connection = _connect(path, read_only, patience_seconds or PATIENCE_SECONDS)
    try:
        with _told(path):
            if not _check(path, connection) and not read_only:
                connection.executescript(_tables())
        yield Ledger(path, connection)
    finally:
        connection.close()


def key_of(table: str) -> list[str]:
    """Names of the columns that tell the rows of a table apart."""
    return list(TABLES[table])[: _KEYS[table]]


def pack(quantiles: np.ndarray) -> bytes:
    """Quantiles (Q,) as the bytes the ledger keeps."""
    return np.ascontiguousarray(quantiles, "<f4").tobytes()


def unpack(packed: Sequence[bytes]) -> np.ndarray:
    """Return quantiles (N, Q) float32 from the bytes of N rows."""
    if not len(packed):
        return np.empty((0, 0), np.float32)
    return np.stack([np.frombuffer(row, "<f4") for row in packed])


def _connect(path: Path, read_only: bool, patience_seconds: float) -> sqlite3.Connection:
    if not read_only:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _cannot_write(path, error.strerror or str(error)) from error
    # a reader may write, too: it takes back what a killed writer has left half done
    place = f"{path.resolve().as_uri()}?mode={'rw' if read_only else 'rwc'}"
    connection = sqlite3.connect(place, timeout=patience_seconds, uri=True, isolation_level=None)
    connection.execute(f"PRAGMA {'query_only = ON' if read_only else 'synchronous = FULL'}")
    return connection


def _check(path: Path, connection: sqlite3.Connection) -> bool:
    """Say whether the tables are there; InputError for another kind of file or newer tables."""
    ((application,),) = connection.execute("PRAGMA application_id").fetchall()
    ((version,),) = connection.execute("PRAGMA user_version").fetchall()
    ((tables,),) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchall()
    if application != APPLICATION and (application or version or tables):
        raise InputError(
            f"{path} is an SQLite file but no ledger of forecast: choose another --ledger."
        )
    if version > SCHEMA:
        raise InputError(
            f"the ledger {path} was written by a newer version of forecast (tables of version "
            f"{version}, this one knows {SCHEMA}): update forecast; nothing was changed."
        )
    return bool(application)


def _tables() -> str:
    """SQL that makes what is not there yet, in one transaction."""
    parts = ["BEGIN IMMEDIATE;"]
    for table, columns in TABLES.items():
        key = key_of(table)
        typed = _listed(f"{name} {kind} NOT NULL" for name, kind in columns.items())
        same = " AND ".join(f"{name} = NEW.{name}" for name in key)
        parts.append(
            f"CREATE TABLE IF NOT EXISTS {table} ({typed}, PRIMARY KEY ({_listed(key)})) STRICT;"
            f"CREATE TRIGGER IF NOT EXISTS {table}_once BEFORE INSERT ON {table} "
            f"WHEN EXISTS (SELECT 1 FROM {table} WHERE {same}) "
            "BEGIN SELECT RAISE(IGNORE); END;"
        )
        parts += [
            f"CREATE TRIGGER IF NOT EXISTS {table}_{verb.lower()} BEFORE {verb} ON {table} "
            "BEGIN SELECT RAISE(ABORT, 'the ledger only grows'); END;"
            for verb in ("UPDATE", "DELETE")
        ]
    parts.append("CREATE INDEX IF NOT EXISTS forecasts_ds ON forecasts (ds);")
    parts.append(f"PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {SCHEMA}; COMMIT;")
    return "\n".join(parts)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Turn what SQLite raises into one clear message."""
    try:
        yield
    except (sqlite3.DatabaseError, pd.errors.DatabaseError) as error:
        raise _explained(path, str(error)) from error


def _explained(path: Path, said: str) -> InputError:
    if "locked" in said or "busy" in said:
        return InputError(
            f"the ledger {path} is locked by another process: wait until it is done, or end it; "
            "nothing was written, and forecast daily can be run again."
        )
    if "not a database" in said or "malformed" in said:
        return InputError(
            f"{path} is no ledger or is damaged ({said}): put a copy of it back, or choose "
            "another --ledger."
        )
    return _cannot_write(path, said)


def _cannot_write(path: Path, said: str) -> InputError:
    return InputError(
        f"the ledger {path} cannot be used ({said}): make room or choose another --ledger."
    )
