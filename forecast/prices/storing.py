"""A panel on disk: the prices a run was made with, so that it can be repeated."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from forecast import runs
from forecast.bounded import read_table
from forecast.errors import InputError
from forecast.prices.panel import FIELDS, Panel


def store_panel(path: Path, panel: Panel) -> None:
    """Write the panel as a long price frame: every session of every ticker, NaN where it has none.

    Rows are sorted by ticker and date. The rest of the panel is in `describe`.
    """
    S, U = len(panel.sessions), len(panel.tickers)
    rows = pd.DataFrame(
        {
            "unique_id": np.repeat(panel.tickers, S),
            "ds": np.tile(panel.sessions, U),
            **{name: panel.field(name).to_numpy().T.ravel() for name in panel.fields},
        }
    )
    runs.write_frame(path, rows)


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
