"""CSV files as people have them, clean and spoiled: what the cases of dirty input are made of."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from forecast.prices import garch_prices

NAMES = {
    "ds": "Date",
    "open": "Open",
    "high": "High",
    "low": "Low",
    "close": "Close",
    "adj_close": "Adj Close",
    "volume": "Volume",
}


def prices(rows: int = 30) -> pd.DataFrame:
    """Clean daily prices as Yahoo saves them; row 0 is 2023-01-03."""
    frame = garch_prices(tickers=1, sessions=rows, seed=3, start="2023-01-03").rename(columns=NAMES)
    values = list(NAMES.values())[1:]
    return frame[["Date", *values]].round(dict.fromkeys(values, 4))


def text(frame: pd.DataFrame, **options: Any) -> str:
    """Return a frame as CSV."""
    return frame.to_csv(index=False, **options)


def with_cell(row: int, column: str, value: Any, rows: int = 30) -> str:
    """Clean prices with one cell replaced."""
    frame = prices(rows).astype({"Date": "str"}).astype(object)
    frame.loc[frame.index[row], column] = value
    return text(frame)


def with_rows(change: Callable[[pd.DataFrame], pd.DataFrame], rows: int = 30) -> str:
    """Clean prices, changed as a frame."""
    return text(change(prices(rows)))


def with_line(number: int, line: str) -> str:
    """Clean prices with one line replaced."""
    lines = text(prices()).splitlines()
    lines[number] = line
    return "\n".join(lines) + "\n"


def extra_field(number: int) -> str:
    """Clean prices with a field too many in one line."""
    return with_line(number, text(prices()).splitlines()[number] + ",1")


def wide(names: list[str], rows: int = 30) -> pd.DataFrame:
    """Closes, a column per series."""
    frame = garch_prices(tickers=len(names), sessions=rows, seed=4, start="2023-01-03")
    table = frame.pivot_table(index="ds", columns="unique_id", values="close").round(4)
    return table.set_axis(names, axis=1).rename_axis("Date").reset_index()


def long(names: list[str], rows: int = 30) -> pd.DataFrame:
    """Closes of several series, one below the other."""
    return wide(names, rows).melt("Date", var_name="Ticker", value_name="Close")


def split(ratio: float, adjusted: bool, scale_adjusted: bool = True) -> str:
    """Prices that are `ratio` of themselves from the 16th session on."""
    frame = prices()
    columns = ["Open", "High", "Low", "Close"] + ["Adj Close"] * scale_adjusted
    frame.loc[15:, columns] *= ratio
    return text(frame if adjusted else frame.drop(columns="Adj Close"))


def temperatures(calendar: str = "D", rows: int = 60) -> str:
    """Values that are no prices."""
    days = pd.date_range("2023-01-02", periods=rows, freq=calendar)
    value = np.round(5 * np.sin(np.arange(rows)), 1)
    return text(pd.DataFrame({"date": days, "berlin": value}))


def history_with_offsets() -> str:
    """What yfinance's history() saves: times with two offsets from UTC."""
    frame = prices(70)
    stamp = pd.DatetimeIndex(frame["Date"]).tz_localize("America/New_York")
    return text(frame.assign(Date=stamp.astype(str)))


def yfinance_download() -> str:
    """What yfinance's download() saves: three lines of header."""
    table = wide(["AAPL", "MSFT"])
    header = "Price,Close,Close\nTicker,AAPL,MSFT\nDate,,\n"
    return header + table.to_csv(index=False, header=False)


def flat(first: int, last: int, rows: int = 30) -> str:
    """Prices that stand still from one row to another."""
    frame = prices(rows)
    frame.loc[first:last, list(NAMES.values())[1:6]] = 90.0
    return text(frame)


def decimal_comma(thousands: str = "") -> str:
    """Prices with decimal commas."""
    frame = prices()[["Date", "Close"]]
    frame["Close"] = ("1" + thousands) + frame["Close"].map("{:06.2f}".format).str.replace(".", ",")
    return text(frame, sep=";")
