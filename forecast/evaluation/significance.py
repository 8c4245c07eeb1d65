"""Is one model better than another, or was it luck? Verdicts in words."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from forecast.counts import ahead, counted
from forecast.evaluation.scores import common, overlap, spacing

#: Level of every verdict.
ALPHA = 0.05
#: Sessions of a year.
YEAR = 252
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
    "spacing",
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


def diebold_mariano(loss_a: np.ndarray, loss_b: np.ndarray, overlap: int) -> Comparison:
    """Test of equal mean loss of two forecasts, losses (D,) by date.

    The outcomes of `overlap` neighbouring dates overlap: h of them h sessions ahead when every
    session is a cutoff. Newey–West variance with ``max(overlap − 1, D^⅓)`` lags and the
    small-sample correction of Harvey, Leybourne and Newbold. With fewer than ``2 · overlap + 10``
    dates or without any difference there is no test: `p_value` is NaN or 1 and `reason` says why.

    References:
        Diebold, F. and Mariano, R. (1995). Comparing predictive accuracy.
        Harvey, D., Leybourne, S. and Newbold, P. (1997). Testing the equality of prediction
        mean squared errors.
    """
    difference = np.asarray(loss_a, float) - np.asarray(loss_b, float)
    D = len(difference)
    mean = float(difference.mean()) if D else np.nan
    need = 2 * overlap + 10
    if need > D:
        return Comparison(mean, np.nan, np.nan, D, f"{D} dates; {need} are needed")
    if np.abs(difference).max() <= 1e-12 * np.abs(loss_b).max():
        return Comparison(mean, 0.0, 1.0, D, "the losses are the same")
    from statsmodels.tsa.stattools import diebold_mariano_test

    test = diebold_mariano_test(
        np.zeros(D),
        loss_a,
        loss_b,
        criterion=lambda _, loss: loss,
        harvey_adj=True,
        horizon=overlap,
    )
    std_error = abs(mean / float(test.statistic)) if mean else np.nan
    return Comparison(mean, std_error, float(test.pvalue), D, "")


def skill_table(
    table: pd.DataFrame, models: Sequence[str], baselines: Sequence[str]
) -> pd.DataFrame:
    """CRPS skill of each model against each baseline by horizon, with the verdict in words.

    ``crps_skill = 1 − crps / crps_baseline`` over the common origins of `scores`; the test is
    `diebold_mariano` on the CRPS averaged over tickers by date, so that one market day counts
    once; ``sessions`` is the number of dates, ``spacing`` sessions apart. ``ci_low, ci_high``
    are its 95 % interval and ``detectable_skill`` the skill that this many dates would find in
    four cases of five, all as shares. The verdict is "better", "worse" or "not
    distinguishable" at 5 %; `reason` says why there was no test.
    """
    rows = []
    for h, losses in _losses(common(table)).groupby(level="h"):
        by_session = losses.groupby(level="session").mean()
        rows += _skills(losses, by_session, int(str(h)), models, baselines)
    return pd.DataFrame(rows, columns=["model", "baseline", "h", *_SKILL_COLUMNS])


def ticker_table(
    table: pd.DataFrame, models: Sequence[str], baselines: Sequence[str]
) -> pd.DataFrame:
    """`skill_table` for each ticker, with p-values corrected for looking at many tickers.

    ``p_holm`` is Holm's correction over the tickers of one model, baseline and horizon, and the
    verdict goes by it.
    """
    rows = []
    losses = _losses(common(table))
    for (ticker, h), own in losses.groupby(level=["unique_id", "h"], observed=True):
        skills = _skills(own, own, int(str(h)), models, baselines)
        rows += [{**row, "unique_id": ticker} for row in skills]
    columns = ["model", "baseline", "h", *_SKILL_COLUMNS, "unique_id"]
    whole = pd.DataFrame(rows, columns=columns).assign(p_holm=np.nan)
    for _, tested in whole[whole["p_value"].notna()].groupby(["model", "baseline", "h"]):
        whole.loc[tested.index, "p_holm"] = holm(tested["p_value"].to_numpy())
    whole["verdict"] = [
        verdict_of(p, skill) for p, skill in zip(whole["p_holm"], whole["crps_skill"], strict=True)
    ]
    return whole


def power_notes(skill: pd.DataFrame) -> list[str]:
    """Say for each row of `skill_table` that found nothing how many sessions it would take.

    The dates needed grow with the square of detectable over seen skill; 80 % of the cases,
    5 % level.
    """
    notes = []
    unclear = skill[(skill["verdict"] == NOT_DISTINGUISHABLE) & (skill["detectable_skill"] > 0)]
    for row in unclear.to_dict("records"):
        seen, detectable = row["crps_skill"], row["detectable_skill"]
        needed = row["sessions"] * (detectable / seen) ** 2 if seen else np.inf
        needs = (
            f"would need about {needed:,.0f} "
            f"({counted(round(needed * row['spacing'] / YEAR), 'year')})"
            if needed < 1e6
            else "is beyond any test"
        )
        notes.append(
            f"{row['model']} against {row['baseline']}, {ahead(row['h'])}: "
            f"{row['sessions']} dates find a skill of {100 * detectable:.1f} % in four cases "
            f"of five; the {100 * seen:.1f} % seen {needs}."
        )
    return notes


def _losses(shared: pd.DataFrame) -> pd.DataFrame:
    """CRPS by ``unique_id, h, session``, a column per model, of the rows of `common`."""
    return shared.pivot_table(
        values="crps", index=["unique_id", "h", "session"], columns="model", observed=True
    )


def _skills(
    losses: pd.DataFrame,
    by_session: pd.DataFrame,
    h: int,
    models: Sequence[str],
    baselines: Sequence[str],
) -> list[dict[str, object]]:
    """Rows of `skill_table` at one horizon: `losses` by origin, `by_session` their means."""
    sessions = pd.DataFrame({"session": by_session.index.get_level_values("session")})
    apart = {"h": h, "spacing": spacing(sessions)}
    every, daily, overlapping = _known(losses), _known(by_session), overlap(sessions, h)
    return [
        {"model": a, "baseline": b, **_skill(every, daily, a, b, overlapping), **apart}
        for a in models
        for b in baselines
        if a != b
    ]


def _known(losses: pd.DataFrame) -> dict[str, np.ndarray]:
    """The losses (D,) of each model that has any."""
    columns = zip(losses.columns, losses.to_numpy().T, strict=True)
    return {str(model): loss for model, loss in columns if not np.isnan(loss[0])}


def _skill(
    losses: dict[str, np.ndarray],
    by_session: dict[str, np.ndarray],
    model: str,
    baseline: str,
    overlapping: int,
) -> dict[str, object]:
    """What a row of `skill_table` says of a model and a baseline."""
    if not {model, baseline} <= set(losses):
        return dict.fromkeys(_SKILL_COLUMNS, np.nan) | {
            "verdict": NOT_DISTINGUISHABLE,
            "sessions": 0,
            "reason": "no forecast with a known outcome",
        }
    reference = losses[baseline].mean() or np.nan  # no skill relative to a perfect forecast
    test = diebold_mariano(by_session[model], by_session[baseline], overlapping)
    skill = 1 - losses[model].mean() / reference
    margin = _t_quantile(1 - ALPHA / 2, test.sessions) * test.std_error / reference
    power = (_t_quantile(1 - ALPHA / 2, test.sessions) + _t_quantile(POWER, test.sessions)) * (
        test.std_error / reference
    )
    return {
        "crps_skill": skill,
        "ci_low": skill - margin,
        "ci_high": skill + margin,
        "p_value": test.p_value,
        "verdict": verdict_of(test.p_value, -test.mean),
        "sessions": test.sessions,
        "detectable_skill": power,
        "reason": test.reason,
    }


def holm(p_values: np.ndarray) -> np.ndarray:
    """Correct P p-values for testing P hypotheses (statsmodels' own collects garbage each call).

    References:
        Holm, S. (1979). A simple sequentially rejective multiple test procedure.
    """
    order = np.argsort(p_values)
    stepped = np.asarray(p_values)[order] * np.arange(len(p_values), 0, -1)
    corrected = np.empty(len(p_values))
    corrected[order] = np.minimum(np.maximum.accumulate(stepped), 1)
    return corrected


def verdict_of(p_value: float, gain: float) -> str:
    """Put a test into words: `gain` > 0 favours the model."""
    if not p_value < ALPHA:
        return NOT_DISTINGUISHABLE
    return BETTER if gain > 0 else WORSE


def _t_quantile(level: float, dates: int) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(max(dates - 1, 1), level))
