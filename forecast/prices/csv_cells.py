"""The cells of a CSV file as dates and numbers, each error with its line and value."""

import csv
import re
import warnings
from pathlib import Path
from typing import Any

import pandas as pd

from forecast.bounded import lines_of, opened
from forecast.errors import InputError
from forecast.prices.csv_file import Header

_NO_VALUE = ["", "NA", "N/A", "#N/A", "NaN", "nan", "NULL", "null", "None", "-", "."]
_DECIMAL_COMMA = r"[+-]?(?:\d{1,3}(?:\.\d{3})+|\d+)?(?:,\d+)?(?:[eE][+-]?\d+)?"


def read_cells(
    path: Path, header: Header, text: list[int], numbers: list[int], style: tuple[str, str]
) -> pd.DataFrame:
    """Return the named columns by their number, `text` as text and `numbers` as float64.

    The index is the line in the file; empty lines are left out. `style` is the separator and
    the decimal sign. Raises InputError with line and value for what is no number.
    """
    sep, decimal = style
    types: dict[Any, Any] = dict.fromkeys(text if decimal == "." else text + numbers, "str")
    absent: dict[Any, Any] = dict.fromkeys(numbers, _NO_VALUE)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            table = pd.read_csv(
                path,
                sep=sep,
                header=None,
                names=list(range(len(header.names))),
                skiprows=header.lines,
                index_col=False,
                dtype=types,
                keep_default_na=False,
                na_values=absent,
                skip_blank_lines=False,
                encoding="utf-8-sig",
                low_memory=False,
            )
    except (pd.errors.ParserError, pd.errors.ParserWarning) as error:
        raise _wrong_length(path, header, sep, error) from None
    except pd.errors.EmptyDataError:
        raise InputError(f"{path} has a header and no rows, expected rows of prices.") from None
    except (UnicodeError, OSError, EOFError) as error:
        raise InputError(f"{path} is not UTF-8 text ({error}): save it as UTF-8.") from None
    table.index = pd.RangeIndex(header.lines + 1, header.lines + 1 + len(table), name="line")
    for number in text:
        table[number] = table[number].fillna("").str.strip()
    table = table[(table[text] != "").any(axis=1) | table[numbers].notna().any(axis=1)]
    if table.empty:
        raise InputError(f"{path} has a header and no rows, expected rows of prices.")
    for number in numbers:
        name = " ".join(header.names[number]).strip()
        table[number] = _as_float(path, name, table[number], decimal)
    return table


def parse_dates(
    path: Path, text: pd.Series, date_format: str | None
) -> tuple[pd.DatetimeIndex, str]:
    """Return dates as naive days in ns, and what was cut off them ("" if nothing).

    Without a format only ISO dates (2024-01-31) are dates; a time and a UTC offset behind them
    are cut off, so that the day is the exchange's own. Raises InputError with line and value.
    """
    cut = ""
    if date_format is None:
        behind = text.str.slice(10)
        timed = behind.ne("") & behind.ne(" 00:00:00")
        if timed.any():
            good = behind[timed].str.fullmatch(r"[T ][\d:.]+ ?(?:Z|UTC|[+-]\d\d:?\d\d)?")
            timed_bad = good.index[~good]
            if len(timed_bad):
                raise _no_date(path, text, timed_bad[0], date_format)
            offsets = behind.str.extract(r"(Z|UTC|[+-]\d\d:?\d\d)$", expand=False).dropna().unique()
            cut = f"times of day{''.join(f', UTC offset {each}' for each in offsets[:3])}"
        days = pd.to_datetime(text.str.slice(0, 10), format="%Y-%m-%d", errors="coerce")
    else:
        try:
            days = pd.to_datetime(text, format=date_format, errors="coerce")
        except ValueError as error:
            raise InputError(f"--date-format {date_format!r} cannot be used: {error}.") from None
    bad = days.isna() | (days.dt.year < 1678) | (days.dt.year > 2261)
    if bad.any():
        raise _no_date(path, text, bad.idxmax(), date_format)
    return pd.DatetimeIndex(days.dt.tz_localize(None).dt.normalize()).as_unit("ns"), cut


def _wrong_length(path: Path, header: Header, sep: str, error: Exception) -> InputError:
    """Return the error for a line with more fields than the header, which pandas would shift."""
    want = len(header.names)
    with opened(path) as file:
        reader = csv.reader(lines_of(file, path), delimiter=sep)
        for row in reader:
            if len(row) > want and reader.line_num > header.lines:
                return InputError(
                    f"{path} line {reader.line_num}: {len(row)} fields, but the header has {want}: "
                    "remove the extra separator, or quote the cell that contains it."
                )
    return InputError(f"{path} is no table: {str(error).strip()}: is a quote left open?")


def _as_float(path: Path, name: str, column: pd.Series, decimal: str) -> pd.Series:
    """Return a column as float64; InputError with line, value and the setting to change."""
    if column.dtype.kind in "iuf":
        return column.astype("float64")
    text = column.astype("str")
    if decimal == ",":
        good = text.str.fullmatch(_DECIMAL_COMMA) & text.str.contains(r"\d") | column.isna()
        plain = text.str.replace(".", "", regex=False).str.replace(",", ".", regex=False)
        values = pd.to_numeric(plain.where(good), errors="coerce")
    else:
        values = pd.to_numeric(text, errors="coerce")
        good = values.notna() | column.isna()
    if not good.all():
        line = good.index[~good][0]
        value = str(text[line])
        raise InputError(
            f"{path} line {line}: {name} is {value[:40]!r}, expected a number"
            f"{_number_hint(value, decimal)}"
        )
    return values.astype("float64")


def _number_hint(value: str, decimal: str) -> str:
    if decimal == ",":
        return " with a decimal comma (--decimal ,), such as 1.234,56 or 1234,56."
    if re.fullmatch(r"[\d.]*,\d+", value) and not re.fullmatch(r"\d{1,3}(,\d{3})+", value):
        return " with a decimal point: for decimal commas give --decimal , (and --sep ';')."
    if re.fullmatch(r"[\d,]+(\.\d+)?", value):
        return " without thousands separators: remove them."
    return ": correct the cell, or remove the column if it holds none."


def _no_date(path: Path, text: pd.Series, line: Any, date_format: str | None) -> InputError:
    value = str(text[line])
    wanted = f"by --date-format {date_format}" if date_format else "such as 2024-01-31 (ISO)"
    hints = {
        r"\d{1,2}/\d{1,2}/\d{4}": "--date-format %d/%m/%Y or %m/%d/%Y, whichever it is",
        r"\d{1,2}\.\d{1,2}\.\d{4}": "--date-format %d.%m.%Y",
        r"\d{8}": "--date-format %Y%m%d",
    }
    hint = next((h for p, h in hints.items() if re.fullmatch(p, value)), "--date-format")
    return InputError(
        f"{path} line {line}: {value[:40]!r} is no date, expected one {wanted}: correct it, or "
        f"describe the dates with {hint}."
    )
