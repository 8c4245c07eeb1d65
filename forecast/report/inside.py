"""What the gates did while a price fell."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from forecast.report.charts.gates import price_and_gates
from forecast.report.parts import Picture
from forecast.report.reading import RunFolder
from forecast.report.words import number

_GATES = ["ds", "when", "gate", "unit", "value", "model", "ticker"]
#: Tickers that are shown; `forecast explain --ticker` adds one.
_MOST = 4


def gates_and_price(run: RunFolder) -> Iterator[Any]:
    """Mean gates under the price, for every ticker that was looked into."""
    for place, name in enumerate(run.names("explain/*/gates.parquet")[:_MOST]):
        gates = run.frame(name, _GATES)
        ticker, model = str(gates["ticker"].iloc[0]), run.model
        mine = gates[gates["model"] == model]
        prices = run.rows_of(ticker, "panel.parquet", ["ds", "adj_close"])
        one = prices.rename(columns={"adj_close": "y"}).dropna()
        unit = str(run.manifest.get("data", {}).get("unit", "adjusted close"))
        yield Picture(
            f"gates-of-{place}",
            f"What the gates of {model} did while {ticker} fell most",
            "A gate at 1 lets everything through, at 0 nothing; where the forget gate dips, the "
            "past is let go of, and pale lines are the same network before training.",
            f"Price of {ticker}, and under it the mean gates of {model}. {_said(mine, one)}",
            [("", price_and_gates(one, mine, unit))],
        )


def _said(gates: pd.DataFrame, prices: pd.DataFrame) -> str:
    """The forget gate at the lowest price and over the whole span, in words."""
    forget = gates[(gates["gate"] == "forget") & (gates["when"] == "trained")]
    mean = forget.groupby("ds")["value"].mean()
    shown = prices.set_index("ds")["y"].reindex(mean.index)
    low = int(np.nanargmin(shown))
    return (
        f"Mean forget gate {number(float(mean.iloc[low]), '.3f')} at the lowest price, on "
        f"{pd.DatetimeIndex(mean.index)[low]:%Y-%m-%d}, and {number(float(mean.mean()), '.3f')} "
        "over the whole span."
    )
