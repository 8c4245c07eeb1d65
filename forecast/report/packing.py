"""Fans of many cutoffs as small arrays that a page unpacks: 16 bits per value, base64."""

from base64 import b64encode
from typing import Any

import numpy as np
import pandas as pd

from forecast.report.charts.fans import BANDS

#: Most rows (origin × horizon) and series on a page; what is left out is said.
MOST_ROWS, MOST_TICKERS = 60_000, 60
#: The largest 16-bit number stands for "no value".
_STEPS = 65_534


def pack_fans(
    fans: pd.DataFrame, prices: pd.DataFrame, model: str, beside: str | None = None
) -> dict[str, Any]:
    """Return U tickers, S days, C cutoffs and H horizons with the fans between them.

    `fans` is a forecast frame, `prices` has ``unique_id, ds, adj_close``. Keys: ``tickers``,
    ``days`` (S,) since 1970, ``cutoffs`` (C,) and ``targets`` (C, H) as positions in days,
    ``horizons``, ``prices`` (U, S) float32, ``columns`` (Q) names of the quantiles as in the
    fan chart, ``bands`` (U, C, H, Q) uint16 between the two values of ``range`` (U, C, 2).
    """
    fans = _fitting(fans)
    quantiles = {"mid": model}
    quantiles |= {f"{s}{b}": f"{model}-{s}-{b}" for b in BANDS for s in ("lo", "hi")}
    if beside:
        quantiles |= {side: f"{beside}-{side}-90" for side in ("lo", "hi")}
    days = pd.DatetimeIndex(np.union1d(np.union1d(fans["ds"], fans["cutoff"]), prices["ds"]))
    ticker, tickers = pd.factorize(fans["unique_id"].astype(str), sort=True)
    cutoff, cutoffs = pd.factorize(fans["cutoff"], sort=True)
    place, horizons = pd.factorize(fans["h"], sort=True)
    shape = (len(tickers), len(cutoffs), len(horizons))
    values = np.full((*shape, len(quantiles)), np.nan)
    values[ticker, cutoff, place] = fans[list(quantiles.values())].to_numpy(float)
    targets = np.full(shape[1:], -1, np.int32)
    targets[cutoff, place] = days.get_indexer(pd.DatetimeIndex(fans["ds"]))
    steps, ends = _quantise(values)
    return {
        "tickers": [str(name) for name in tickers],
        "horizons": [int(h) for h in horizons],
        "columns": list(quantiles),
        "days": _base64((days.to_numpy() - np.datetime64(0, "D")) // np.timedelta64(1, "D"), "<i4"),
        "cutoffs": _base64(days.get_indexer(pd.DatetimeIndex(cutoffs)), "<i4"),
        "targets": _base64(targets, "<i4"),
        "prices": _base64(_price_table(fans, prices, tickers, days), "<f4"),
        "range": _base64(ends, "<f4"),
        "bands": _base64(steps, "<u2"),
    }


def _fitting(fans: pd.DataFrame) -> pd.DataFrame:
    """The rows of the first tickers and of cutoffs spread evenly, as many as fit on a page."""
    tickers = sorted(fans["unique_id"].astype(str).unique())[:MOST_TICKERS]
    fans = fans[fans["unique_id"].astype(str).isin(tickers)]
    cutoffs = np.sort(fans["cutoff"].unique())
    most = max(MOST_ROWS // (len(tickers) * fans["h"].nunique()), 1)
    kept = np.linspace(0, len(cutoffs) - 1, min(most, len(cutoffs))).round().astype(int)
    return fans[fans["cutoff"].isin(cutoffs[kept])]


def _price_table(
    fans: pd.DataFrame, prices: pd.DataFrame, tickers: pd.Index, days: pd.DatetimeIndex
) -> np.ndarray:
    """Prices (U, S); outcomes of the forecasts where the prices have none."""
    table = np.full((len(tickers), len(days)), np.nan)
    columns = {"y": "adj_close"}
    for frame in (fans[["unique_id", "ds", "y"]].rename(columns=columns), prices):
        known = frame[frame["adj_close"].notna()]
        ticker = tickers.get_indexer(pd.Index(known["unique_id"].astype(str)))
        day = days.get_indexer(pd.DatetimeIndex(known["ds"]))
        here = (ticker >= 0) & (day >= 0)
        table[ticker[here], day[here]] = known["adj_close"].to_numpy(float)[here]
    return table


def _quantise(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return steps (U, C, H, Q) between the lowest and the highest value of each fan, and these."""
    finite = np.isfinite(values)
    low = np.where(finite, values, np.inf).min(axis=(2, 3))
    high = np.where(finite, values, -np.inf).max(axis=(2, 3))
    width = np.where(high > low, high - low, 1.0)[..., None, None]
    share = np.where(finite, (values - low[..., None, None]) / width, 0)
    steps = np.where(finite, (share * _STEPS).round(), _STEPS + 1)
    return steps, np.where(np.isfinite(low)[..., None], np.stack([low, high], axis=-1), np.nan)


def _base64(values: np.ndarray, kind: str) -> str:
    return b64encode(np.ascontiguousarray(values).astype(kind).tobytes()).decode()
