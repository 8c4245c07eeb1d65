"""What the columns of a CSV file mean: which is the date, which the name, which a price."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from forecast.errors import InputError
from forecast.prices.csv_file import Header

# Names are compared in lower case, without spaces and signs.
_DATE = {
    "date", "ds", "datetime", "timestamp", "day", "session", "time", "tradedate", "observationdate",
}  # fmt: skip
_ID = {"uniqueid", "ticker", "tickers", "symbol", "name", "id", "asset", "series"}
_FIELD = {
    "open": "open",
    "openprice": "open",
    "high": "high",
    "highprice": "high",
    "low": "low",
    "lowprice": "low",
    "close": "close",
    "closeprice": "close",
    "closelast": "close",
    "last": "close",
    "price": "close",
    "adjclose": "adj_close",
    "adjustedclose": "adj_close",
    "adjcloseprice": "adj_close",
    "closeadj": "adj_close",
    "closeadjusted": "adj_close",
    "volume": "volume",
    "vol": "volume",
}
_UNNAMED_VALUE = {"value", "values", "y"}
_NEVER_USED = {"dividends", "stocksplits", "capitalgains", "index", "unnamed0", ""}


@dataclass(frozen=True)
class Layout:
    """How to read a file: column numbers of the date, of the names (or None), of the values.

    `values` gives for each value column its series (None: named by the id column) and field.
    `kind` is "prices" (columns known as prices), "wide" (one column per series) or "series"
    (one value column of whatever kind).
    """

    kind: Literal["prices", "wide", "series"]
    date: int
    names: int | None
    values: dict[int, tuple[str | None, str]]
    ignored: list[str] = field(default_factory=list)


def recognise(path: Path, header: Header) -> Layout:
    """Return the layout of a file from its header; InputError says what was found and expected."""
    if len(header.names[0]) == 2:
        return _two_line_layout(path, header)
    names = [name for (name,) in header.names]
    keys = [_key(name) for name in names]
    date = _only(path, names, keys, _DATE)
    if date is None and keys[0] in ("", "unnamed0"):
        date = 0  # the index of a saved DataFrame
    if date is None:
        raise _wrong_columns(path, names, f"a date column ({', '.join(sorted(_DATE))})")
    twice = sorted({name for name in names if name and names.count(name) > 1})
    if twice:
        raise InputError(f"{path}: the header has the column {', '.join(twice)} more than once.")
    ids = _only(path, names, keys, _ID)
    rest = [i for i in range(len(names)) if i not in (date, ids)]
    fields = _fields(path, names, [i for i in rest if keys[i] in _FIELD], keys)
    others = [i for i in rest if keys[i] not in _FIELD and keys[i] not in _NEVER_USED]
    stem = series_name(path)
    if {"close", "adj_close"} & set(fields.values()):
        series = None if ids is not None else stem
        values = {i: (series, name) for i, name in fields.items()}
        return Layout("prices", date, ids, values, [names[i] for i in others])
    if len(others) == 1 and not fields:
        unnamed = keys[others[0]] in _UNNAMED_VALUE
        name = stem if unnamed else names[others[0]]
        return Layout(
            "series", date, ids, {others[0]: (None if ids is not None else name, "close")}
        )
    if len(others) > 1 and not fields and ids is None:
        return Layout("wide", date, None, {i: (names[i], "close") for i in others})
    raise _wrong_columns(path, names, "close or adj_close, or one column per series")


def series_name(path: Path) -> str:
    """Return the name of the series in a file that does not say it: AAPL for AAPL.csv.gz."""
    return re.sub(r"\.(csv|txt|tsv)$", "", path.name.removesuffix(".gz"), flags=re.IGNORECASE)


def _two_line_layout(path: Path, header: Header) -> Layout:
    """Return the layout of a saved yfinance.download(): field and ticker above one another."""
    values: dict[int, tuple[str | None, str]] = {}
    for i, pair in enumerate(header.names[1:], start=1):
        above, below = pair
        name, ticker = (above, below) if _key(above) in _FIELD else (below, above)
        if _key(name) in _FIELD:
            values[i] = (ticker, _FIELD[_key(name)])
    if not {"close", "adj_close"} & {name for _, name in values.values()}:
        found = [" ".join(pair) for pair in header.names]
        raise _wrong_columns(path, found, "a Close for each ticker")
    return Layout("prices", 0, None, values)


def _key(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _only(path: Path, names: list[str], keys: list[str], wanted: set[str]) -> int | None:
    found = [i for i, key in enumerate(keys) if key in wanted]
    if len(found) > 1:
        both = " and ".join(names[i] for i in found)
        raise InputError(f"{path}: the columns {both} mean the same: remove all but one.")
    return found[0] if found else None


def _fields(path: Path, names: list[str], at: list[int], keys: list[str]) -> dict[int, str]:
    fields: dict[int, str] = {}
    for i in at:
        name = _FIELD[keys[i]]
        if name in fields.values():
            other = next(names[k] for k, taken in fields.items() if taken == name)
            raise InputError(
                f"{path}: the columns {other} and {names[i]} both mean {name}: remove one."
            )
        fields[i] = name
    return fields


def _wrong_columns(path: Path, names: list[str], wanted: str) -> InputError:
    found = ", ".join(name[:30] or "''" for name in names[:12]) + (" …" if len(names) > 12 else "")
    return InputError(
        f"{path}: found the columns {found}; expected {wanted}. The first line must name the "
        "columns; rename them, upper or lower case."
    )
