"""One CSV file as text: whether it is one, and its header."""

import csv
import hashlib
import itertools
import zlib
from dataclasses import dataclass
from pathlib import Path

from forecast.bounded import MEGABYTE, count, lines_of, opened
from forecast.errors import InputError

_MAGIC = {
    b"\xff\xfe": "UTF-16 text: save it as UTF-8",
    b"\xfe\xff": "UTF-16 text: save it as UTF-8",
    b"PK\x03\x04": "a zip or Excel file: save the sheet as CSV (UTF-8)",
    b"PAR1": "a Parquet file: save it as CSV",
    b"<!DOCTYPE": "a web page: download the CSV itself",
    b"<html": "a web page: download the CSV itself",
}


@dataclass(frozen=True)
class Header:
    """The columns of a file: their names, below one another where there are two lines of them."""

    names: list[tuple[str, ...]]
    lines: int


def check_file(path: Path, sep: str) -> tuple[str, tuple[int, int]]:
    """Return the sha256 of a file, its lines and separators; InputError if it cannot be CSV."""
    if path.is_dir():
        raise InputError(f"{path} is a directory: give the files in it, each with --csv.")
    if not path.exists():
        raise InputError(f"There is no file {path}: check the path given with --csv.")
    if not path.is_file():
        raise InputError(f"{path} is not a regular file: --csv reads files only.")
    if path.stat().st_size == 0:
        raise InputError(f"{path} is empty, expected a header and rows of prices.")
    try:
        with opened(path) as text:
            _check_content(path, text.read(MEGABYTE))
        counted = count(path, sep)
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest(), counted
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path} cannot be read: {error}.") from None


def read_header(path: Path, sep: str) -> Header:
    """Return the names of the columns, stripped, of one line or of yfinance's three.

    Raises InputError where the separator is plainly another one.
    """
    with opened(path) as file:
        text = itertools.islice(lines_of(file, path), 100)
        try:
            lines = list(csv.reader(text, delimiter=sep))
        except csv.Error as error:
            raise InputError(f"{path} is no table: {error}: is a quote left open?") from None
    first = next((n for n, row in enumerate(lines) if any(map(str.strip, row))), 0)
    cells = lines[first] if lines else []
    if not any(map(str.strip, cells)):
        raise InputError(f"{path} is empty, expected a header and rows of prices.")
    others = [sign for sign in ";\t|," if sign != sep and sign in "".join(cells)]
    if len(cells) < 2 and others:
        shown = "$'\\t'" if others[0] == "\t" else f"'{others[0]}'"
        raise InputError(
            f"{path}: the header has one column, {cells[0][:60]!r}, with the separator {sep!r}: "
            f"name the right one with --sep {shown} (and --decimal , for decimal commas)."
        )
    below = lines[first + 1] if len(lines) > first + 1 else []
    if below and {_name(cells[0]).lower(), _name(below[0]).lower()} == {"price", "ticker"}:
        names = [(_name(above), _name(cell)) for above, cell in zip(cells, below, strict=False)]
        return Header([("Date", ""), *names[1:]], first + 3)
    return Header([(_name(cell),) for cell in cells], first + 1)


def _name(cell: str) -> str:
    """Return a cell of the header on one line, and cut where it would fill the screen."""
    return " ".join(cell.split())[:80]


def _check_content(path: Path, start: bytes) -> None:
    for magic, what in _MAGIC.items():
        if start.lstrip()[: len(magic)].lower() == magic.lower():
            raise InputError(f"{path} is {what}.")
    if b"\x00" in start:
        raise InputError(f"{path} is binary or UTF-16, not text: save it as CSV in UTF-8.")
