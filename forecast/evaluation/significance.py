"""Is one model better than another, or was it luck? Verdicts in words."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from forecast.evaluation.scores import common

#: Level of every verdict.
ALPHA = 0.05
#: Chance with which an edge should be found to be called detectable.
POWER = 0.8
BETTER, WORSE, NOT_DISTINGUISHABLE = "better", "worse", "not distinguishable"
_SKILL_COLUMNS = (
    "crps_skill",
    "ci_low",
    "ci_high",
    "p_value",
    "verdict",
    "sessions",
    "detectable_skill",
    "reason",
)


class Comparison(NamedTuple):
    """What `diebold_mariano` returns; `mean` and `std_error` are of the loss difference."""

    mean: float
    std_error: float
    p_value: float
    sessions: int
    reason: str


def diebold_mariano(loss_a: np.ndarray, loss_b: np.ndarray, h: int) -> Comparison:
    """Test of equal mean loss of two forecasts h sessions ahead, losses (D,) by date.

    Newey–West variance with ``max(h − 1, D^⅓)`` lags and the small-sample correction of Harvey,
    Leybourne and Newbold. With fewer than ``2h + 10`` dates or without any difference there is
    no test: `p_value` is NaN or 1 and `reason` says why.

    References:
        Diebold, F. and Mariano, R. (1995). Comparing predictive accuracy.
        Harvey, D., Leybourne, S. and Newbold, P. (1997). Testing the equality of prediction
        mean squared errors.
    """
    difference = np.asarray(loss_a, float) - np.asarray(loss_b, float)
    D = len(difference)
    mean = float(difference.mean()) if D else np.nan
    need = 2 * h + 10
    if need > D:
        return Comparison(mean, np.nan, np.nan, D, f"{D} dates; {need} are needed at h={h}")
    if np.abs(difference).max() <= 1e-12 * np.abs(loss_b).max():
        return Comparison(mean, 0.0, 1.0, D, "the losses are the same")
    from statsmodels.tsa.stattools import diebold_mariano_test

    test = diebold_mariano_test(
        np.zeros(D), loss_a, loss_b, criterion=lambda _, loss: loss, harvey_adj=True, horizon=h
    )
    std_error = abs(mean / float(test.statistic)) if mean else np.nan
    return Comparison(mean, std_error, float(test.pvalue), D, "")


def skill_table(
    table: pd.DataFrame, models: Sequence[str], baselines: Sequence[str]
) -> pd.DataFrame:
    """CRPS skill of each model against each baseline by horizon, with the verdict in words.

    ``crps_skill = 1 − crps / crps_baseline`` over the common origins of `scores`; the test is
    `diebold_mariano` on the CRPS averaged over tickers by date, so that one market day counts
    once. ``ci_low, ci_high`` are its 95 % interval and ``detectable_skill`` the skill that this
    many ``sessions`` would find in four cases of five, all as shares. The verdict is "better",
    "worse" or "not distinguishable" at 5 %; `reason` says why there was no test.
    """
    shared = common(table)
    rows = []
    for h in sorted(shared["h"].unique().tolist()):
        losses = shared[shared["h"] == h].pivot_table(
            values="crps", index=["unique_id", "cutoff"], columns="model", observed=True
        )
        by_date = losses.groupby(level="cutoff").mean()
        for model in models:
            for baseline in baselines:
                if model != baseline:
                    row = _skill(losses, by_date, model, baseline, h)
                    rows.append({"model": model, "baseline": baseline, "h": h, **row})
    return pd.DataFrame(rows, columns=["model", "baseline", "h", *_SKILL_COLUMNS])


def _skill(
    losses: pd.DataFrame, by_date: pd.DataFrame, model: str, baseline: str, h: int
) -> dict[str, object]:
    """One row of `skill_table`: `losses` by origin, `by_date` their means, one horizon."""
    if losses.get(model) is None or losses.get(baseline) is None:
        return dict.fromkeys(_SKILL_COLUMNS, np.nan) | {
            "verdict": NOT_DISTINGUISHABLE,
            "sessions": 0,
            "reason": "no forecast with a known outcome",
        }
    reference = losses[baseline].mean()
    test = diebold_mariano(by_date[model].to_numpy(), by_date[baseline].to_numpy(), h)
    skill = 1 - losses[model].mean() / reference
    margin = _t_quantile(1 - ALPHA / 2, test.sessions) * test.std_error / reference
    power = (_t_quantile(1 - ALPHA / 2, test.sessions) + _t_quantile(POWER, test.sessions)) * (
        test.std_error / reference
    )
    values = (skill, skill - margin, skill + margin, test.p_value)
    verdict = verdict_of(test.p_value, -test.mean)
    return dict(
        zip(_SKILL_COLUMNS, (*values, verdict, test.sessions, power, test.reason), strict=True)
    )


def verdict_of(p_value: float, gain: float) -> str:
    """Put a test into words: `gain` > 0 favours the model."""
    if not p_value < ALPHA:
        return NOT_DISTINGUISHABLE
    return BETTER if gain > 0 else WORSE


def _t_quantile(level: float, dates: int) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(max(dates - 1, 1), level))
