"""Do the stated probabilities hold? Reliability, PIT and coverage."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from forecast.evaluation.backtest import BANDS, Backtest
from forecast.evaluation.scores import common


def reliability(backtest: Backtest) -> pd.DataFrame:
    """Share of outcomes at or below each quantile: ``model, h, level, observed, n``.

    `observed` equals `level` for a calibrated forecast; `n` counts outcomes with a forecast.
    """
    blocks = []
    for model in backtest.models:
        for k, h in enumerate(backtest.horizons):
            y, quantiles = backtest.actual[:, k, None], backtest.quantiles[model][:, k]
            known = np.isfinite(y) & np.isfinite(quantiles)  # (N, Q)
            n = known.sum(axis=0)
            hits = (known & (y <= quantiles)).sum(axis=0)
            observed = np.where(n > 0, hits / np.maximum(n, 1), np.nan)
            columns = {"model": model, "h": h, "level": backtest.levels, "observed": observed}
            blocks.append(pd.DataFrame(columns | {"n": n}))
    return pd.concat(blocks, ignore_index=True)


def pit_histogram(table: pd.DataFrame, bins: int = 20) -> pd.DataFrame:
    """PIT of `scores` in equal bins: ``model, h, bin_left, density``; 1 everywhere is calibrated.

    A hump says the distribution is too wide, a bowl too narrow, a slope that it is biased.
    """
    shared = common(table)
    edges = np.arange(bins + 1) / bins
    blocks = []
    for (model, h), pit in shared.groupby(["model", "h"], observed=True)["pit"]:
        density, _ = np.histogram(pit, edges, density=True)
        blocks.append(
            pd.DataFrame({"model": model, "h": h, "bin_left": edges[:-1], "density": density})
        )
    return pd.concat(blocks, ignore_index=True)


def coverage_table(table: pd.DataFrame, by: Sequence[str] = ("model", "h")) -> pd.DataFrame:
    """Coverage and mean width of the central bands: one row per group and band.

    Columns `by`, ``band`` (per cent), ``coverage`` (share), ``width`` (log return), ``n``.
    """
    grouped = common(table).groupby(list(by), observed=True, sort=False)
    blocks = []
    for band in BANDS:
        means = grouped[[f"covered_{band}", f"width_{band}"]].mean()
        means.columns = pd.Index(["coverage", "width"])
        blocks.append(means.assign(n=grouped.size(), band=band).reset_index())
    columns = [*by, "band", "coverage", "width", "n"]
    return pd.concat(blocks, ignore_index=True)[columns]
