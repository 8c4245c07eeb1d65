"""Scores of more origins than memory has room for: means by date, part by part."""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from forecast.evaluation.backtest import level_index
from forecast.evaluation.metrics import covered, crps
from forecast.models.levels import LEVELS
from forecast.prices.panel import Panel


def scores_by_date(
    parts: Iterable[tuple[np.ndarray, np.ndarray]],
    panel: Panel,
    cutoffs: pd.DataFrame,
    horizons: tuple[int, ...],
    levels: np.ndarray = LEVELS,
) -> pd.DataFrame:
    """Mean CRPS and coverage of the 90 % band by date: ``h, cutoff, origins, crps, coverage_90``.

    `parts` yields row numbers (n,) of `cutoffs` and their quantiles (n, H, Q). Only origins with
    a forecast and a known outcome count. The means are those of `summary`, and their differences
    by date are what `diebold_mariano` tests.
    """
    session, ticker = panel.locate(cutoffs)
    level = panel.level
    S, H = level.shape[0], len(horizons)
    totals = np.zeros((3, H, S))  # origins, crps, covered
    low, high = level_index(levels, 0.05), level_index(levels, 0.95)
    for rows, quantiles in parts:
        now = level[session[rows], ticker[rows]].astype(float)
        for k, h in enumerate(horizons):
            later = session[rows] + h
            y = level[np.minimum(later, S - 1), ticker[rows]] - now
            q = quantiles[:, k].astype(float)
            loss = crps(y, q, levels)
            known = (later < S) & np.isfinite(loss)
            inside = covered(y, q[:, low], q[:, high])
            for total, value in zip(totals, (known, loss, inside), strict=True):
                total[k] += np.bincount(
                    session[rows][known], weights=value[known].astype(float), minlength=S
                )
    place, s = np.nonzero(totals[0])
    origins, loss, inside = totals[:, place, s]
    return pd.DataFrame(
        {
            "h": np.asarray(horizons)[place],
            "cutoff": panel.sessions[s],
            "origins": origins.astype(int),
            "crps": loss / origins,
            "coverage_90": inside / origins,
        }
    )
