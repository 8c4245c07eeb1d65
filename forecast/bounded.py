"""Files that may be a stranger's: what they would take of the memory is known before it is taken.

Text is limited by its bytes and its cells, Parquet by what its own description says it holds; the
limits are far above what the project itself writes.
"""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import pandas as pd
import yaml

from forecast.errors import InputError
from forecast.escaping import from_cell

MEGABYTE = 2**20
#: Bytes of one file, uncompressed.
CSV_BYTES, JSON_BYTES, YAML_BYTES = 256 * MEGABYTE, 16 * MEGABYTE, MEGABYTE
PARQUET_BYTES = 1024 * MEGABYTE
#: Cells of a table: lines × columns, or separators where there are more; columns; bytes of a line.
CSV_CELLS, PARQUET_CELLS, COLUMNS, LINE_BYTES = 32_000_000, 250_000_000, 10_000, MEGABYTE
#: Levels of values inside values in a YAML file.
DEPTH = 20
#: Letters of one text in a Parquet file, which may stand for many rows.
TEXT_LETTERS = 10_000
#: Columns of our own tables that hold text, also where it looks like a number.
TEXT_COLUMNS = ("unique_id", "model", "baseline", "group")


class _Plain(yaml.SafeLoader):
    """YAML of plain values: nine lines of aliases of aliases are a billion values."""

    depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        mark = self.peek_event().start_mark
        if self.check_event(yaml.AliasEvent):
            raise yaml.composer.ComposerError(None, None, "aliases (*name) are not read", mark)
        self.depth += 1
        if self.depth > DEPTH:
            raise yaml.composer.ComposerError(None, None, "it is nested too deeply", mark)
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def construct_number(self, node: yaml.ScalarNode) -> int:
        value = super().construct_yaml_int(node)
        if abs(value) >= 10**18:  # one of many digits could not even be shown
            raise yaml.constructor.ConstructorError(
                None, None, "a whole number has more than 18 digits", node.start_mark
            )
        return value


_Plain.add_constructor("tag:yaml.org,2002:int", _Plain.construct_number)


def read_yaml(path: Path) -> Any:
    """Read a YAML file of plain values; InputError when it is too large or cannot be read."""
    try:
        return yaml.load(_text(path, YAML_BYTES), _Plain)
    except (OSError, ValueError, TypeError, AttributeError, yaml.YAMLError) as error:
        raise InputError(f"{path} cannot be read: {error}") from error


def read_json(path: Path, remedy: str) -> Any:
    """Read a JSON file; InputError with the remedy when it is too large or cannot be read."""
    try:
        return json.loads(_text(path, JSON_BYTES))
    except RecursionError:
        raise InputError(f"{path} cannot be read: it is nested too deeply; {remedy}.") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {error}; {remedy}.") from error


def read_table(path: Path, **only: Any) -> pd.DataFrame:
    """Read a CSV or Parquet file that the project wrote; names stay text, whatever they look like.

    `only` is for Parquet: the columns or rows that are read, as pandas takes them.
    Raises OSError or ValueError when it is damaged, InputError when it is too large.
    """
    if path.suffix == ".parquet":
        check_parquet(path)
        return pd.read_parquet(path, **only)
    with opened(path) as file:
        columns = next(lines_of(file, path), "").count(",") + 1
    check_cells(path, count(path, ","), columns)
    kinds = dict.fromkeys(TEXT_COLUMNS, "str")
    frame = pd.read_csv(path, dtype=kinds, keep_default_na=False, na_values=[""])
    for column in frame.columns:
        if isinstance(frame[column].dtype, pd.StringDtype):
            frame[column] = frame[column].map(from_cell, na_action="ignore")
    return frame


def opened(path: Path) -> IO[bytes]:
    """Return the file opened for reading, uncompressed where its name ends in .gz."""
    return gzip.open(path) if path.suffix == ".gz" else path.open("rb")  # type: ignore[return-value]


def count(path: Path, sep: str) -> tuple[int, int]:
    """Count lines and separators of a text; InputError where it is larger than one may be."""
    size = lines = others = separators = 0
    with opened(path) as file:
        while chunk := file.read(MEGABYTE):
            size += len(chunk)
            if size > CSV_BYTES:
                raise InputError(
                    f"{path} is larger than {CSV_BYTES / MEGABYTE:.0f} MB (uncompressed), the "
                    "limit for one CSV file: split it, or keep only the series and dates that are "
                    "needed."
                )
            lines, others = lines + chunk.count(b"\n"), others + chunk.count(b"\r")
            separators += chunk.count(sep.encode())
    return max(lines, others) + 1, separators


def check_cells(path: Path, counted: tuple[int, int], columns: int) -> None:
    """Raise InputError for a table of more cells than one may have."""
    lines, separators = counted
    cells = max(lines * columns, separators)
    if cells > CSV_CELLS or columns > COLUMNS:
        raise InputError(
            f"{path} has {lines:,} lines of {columns:,} columns ({cells:,} cells); one file may "
            f"have {CSV_CELLS:,} cells and {COLUMNS:,} columns: split it, or keep only the series "
            "and dates that are needed."
        )


def lines_of(file: IO[bytes], path: Path) -> Iterator[str]:
    """Yield the lines of a text one by one; InputError for one too long to be a line of a table."""
    number = 0
    while line := file.readline(LINE_BYTES + 1):
        number += 1
        if len(line) > LINE_BYTES:
            raise InputError(
                f"{path} line {number} is longer than {LINE_BYTES / MEGABYTE:.0f} MB: is it a "
                "table with line ends?"
            )
        yield line.decode("utf-8-sig", "replace")


def check_parquet(path: Path, by_group: bool = False) -> None:
    """Raise InputError for a Parquet file whose columns would take more memory than they may.

    With `by_group` the limits are those of one row group: it is read one after the other. Raises
    OSError or ValueError when it is damaged.
    """
    import pyarrow as pa
    from pyarrow import parquet

    with parquet.ParquetFile(path) as file:
        about, schema = file.metadata, file.schema_arrow
        groups = [about.row_group(k) for k in range(about.num_row_groups)]
        combine = max if by_group and groups else sum
        held = combine(group.total_byte_size for group in groups)
        rows = combine(group.num_rows for group in groups)
        cells = rows * max(about.num_columns, 1)
        size = 0 if by_group else path.stat().st_size
        if max(held, size) > PARQUET_BYTES or cells > PARQUET_CELLS:
            raise InputError(
                f"{path} holds {rows:,} rows of {about.num_columns:,} columns, "
                f"{held / MEGABYTE:,.0f} MB: more than the {PARQUET_CELLS:,} cells or "
                f"{PARQUET_BYTES / MEGABYTE:,.0f} MB that one file may have."
            )
        text = [field.name for field in schema if _is_text(pa, field.type)]
        other = [f.name for f in schema if f.name not in text and not _is_plain(pa, f.type)]
        if other:
            kind = schema.field(other[0]).type
            raise InputError(f"{path}: {other[0]} holds {kind}, expected numbers, dates or text.")
    if text:
        _check_letters(path, text)


def _check_letters(path: Path, columns: list[str]) -> None:
    """Raise InputError for a Parquet file with an endless text in one of its `columns`."""
    import pyarrow.compute as pc
    from pyarrow import parquet

    with parquet.ParquetFile(path, read_dictionary=columns) as file:
        for group in range(file.num_row_groups):
            table = file.read_row_group(group, columns)
            for name in columns:
                each = [pc.max(pc.binary_length(c.dictionary)).as_py() for c in table[name].chunks]
                longest = max((letters or 0 for letters in each), default=0)
                if longest > TEXT_LETTERS:
                    raise InputError(
                        f"{path}: {name} holds a text of {longest:,} bytes, expected at most "
                        f"{TEXT_LETTERS:,}."
                    )


def _is_text(pa: Any, kind: Any) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _is_plain(pa: Any, kind: Any) -> bool:
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return _is_text(pa, kind) or any(
        getattr(pa.types, f"is_{name}")(kind)
        for name in ("integer", "floating", "boolean", "temporal", "null")
    )


def _text(path: Path, most: int) -> str:
    with path.open("rb") as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise ValueError(f"it is larger than {most / MEGABYTE:g} MB")
    return content.decode("utf-8-sig")
