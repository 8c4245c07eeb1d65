"""A panel on disk: the prices a run was made with, so that it can be repeated."""

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from forecast import runs
from forecast.bounded import check_parquet
from forecast.errors import InputError
from forecast.prices.mapped import new_array
from forecast.prices.panel import FIELDS, Panel

#: Tickers that are written at once.
BLOCK = 250


def store_panel(path: Path, panel: Panel) -> None:
    """Write the panel as a long price frame: every session of every ticker, NaN where it has none.

    Rows are sorted by ticker and date, `BLOCK` tickers to a row group. The rest of the panel is in
    `describe`.
    """
    with runs.written_whole(path) as draft, ExitStack() as stack:
        writer = None
        for start in range(0, len(panel.tickers), BLOCK):
            block = pa.Table.from_pandas(_rows(panel, start), preserve_index=False)
            if writer is None:
                writer = stack.enter_context(pq.ParquetWriter(draft, block.schema))
            writer.write_table(block)


def _rows(panel: Panel, start: int) -> pd.DataFrame:
    """The long rows of `BLOCK` tickers."""
    names, block = panel.tickers[start : start + BLOCK], slice(start, start + BLOCK)
    fields = {name: panel.field(name).iloc[:, block].to_numpy().T.ravel() for name in panel.fields}
    ids, days = np.repeat(names, len(panel.sessions)), np.tile(panel.sessions, len(names))
    return pd.DataFrame({"unique_id": ids, "ds": days, **fields})


def describe(panel: Panel) -> dict[str, Any]:
    """What a manifest says of the prices."""
    return {
        "source": panel.source,
        "sha256": panel.sha256,
        "tickers": panel.tickers,
        "sessions": len(panel.sessions),
        "first": f"{panel.sessions[0]:%Y-%m-%d}",
        "last": f"{panel.sessions[-1]:%Y-%m-%d}",
        "calendar": panel.calendar,
        "scale": panel.scale,
    }


def load_panel(path: Path, about: Mapping[str, Any]) -> Panel:
    """Read back the panel, bit for bit; `about` is what `describe` said of it.

    Beside the panel, which is memory-mapped when it is large, there are the rows of `BLOCK` tickers
    in memory. Raises InputError when the file is damaged or does not fit the description.
    """
    try:
        check_parquet(path, by_group=True)
        with pq.ParquetFile(path, read_dictionary=["unique_id"]) as file:
            frame = _read(file, len(about["tickers"]), about["sessions"])
        return Panel(frame, about["source"], about["sha256"], about["calendar"], about["scale"])
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        raise InputError(f"{path} cannot be read: {error}; train the run again.") from error


def _read(file: pq.ParquetFile, U: int, S: int) -> pd.DataFrame:
    """The frame of a panel of U tickers and S sessions, in the precision of its file."""
    rows = file.metadata.num_rows
    if rows != U * S:
        raise ValueError(f"{rows} rows, expected {U} tickers × {S} sessions")
    schema = file.schema_arrow
    fields = [name for name in FIELDS if name in schema.names]
    kind = np.result_type(*(schema.field(name).type.to_pandas_dtype() for name in fields))
    values = new_array((len(fields), rows), kind.type)
    names: list[str] = []
    days: list[np.ndarray] = []
    at = 0
    for number in range(file.num_row_groups):
        block = file.read_row_group(number)
        days = days or [block["ds"][:S].to_numpy()]
        names += block["unique_id"].take(np.arange(-at % S, len(block), S)).to_pylist()
        for f, name in enumerate(fields):
            values[f, at : at + len(block)] = block[name].to_numpy()
        at += len(block)
    columns = pd.MultiIndex.from_product([fields, names], names=["field", "unique_id"])
    index = pd.DatetimeIndex(days[0], name="ds").as_unit("ns")
    return pd.DataFrame(values.reshape(-1, S).T, index=index, columns=columns, copy=False)
