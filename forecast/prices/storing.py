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
from forecast.bounded import read_table
from forecast.errors import InputError
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

    Raises InputError when the file is damaged or does not fit the description.
    """
    try:
        rows = read_table(path)
        U = len(about["tickers"])
        fields = [name for name in FIELDS if name in rows]
        values = [rows[name].to_numpy("float64").reshape(U, -1).T for name in fields]  # (S, U)
        S = len(values[0])
        names = rows["unique_id"].to_numpy()[::S]
        columns = pd.MultiIndex.from_product([fields, names], names=["field", "unique_id"])
        days = pd.DatetimeIndex(rows["ds"].to_numpy()[:S], name="ds").as_unit("ns")
        frame = pd.DataFrame(np.hstack(values), index=days, columns=columns)
        return Panel(frame, about["source"], about["sha256"], about["calendar"], about["scale"])
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        raise InputError(f"{path} cannot be read: {error}; train the run again.") from error
