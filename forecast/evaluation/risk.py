"""Value at risk: does the 1 % quantile fail in 1 % of the cases, and not in clusters?"""

import numpy as np
import pandas as pd

from forecast.evaluation.scores import RISK_PERCENT, common
from forecast.evaluation.significance import ALPHA, holm

#: Columns of scores that say whether the outcome was below these quantiles.
RISK_COLUMNS = tuple(f"below_{percent}" for percent in RISK_PERCENT)
#: Fewest outcomes of one ticker that are tested.
FEWEST = 30


def kupiec(violations: np.ndarray, level: float) -> float:
    """p-value of the share of violations (D,) of 0 and 1 being `level` (unconditional coverage).

    References:
        Kupiec, P. (1995). Techniques for verifying the accuracy of risk measurement models.
    """
    n, hits = len(violations), float(np.sum(violations))
    return _chi2_tail(2 * (_likelihood(hits, n, hits / n) - _likelihood(hits, n, level)), 1)


def christoffersen(violations: np.ndarray, level: float) -> float:
    """p-value of violations (D,) being independent over time with share `level`.

    Kupiec's ratio plus that of a first-order Markov chain against independence, 2 degrees of
    freedom (conditional coverage).

    References:
        Christoffersen, P. (1998). Evaluating interval forecasts.
    """
    before, after = violations[:-1] > 0, violations[1:] > 0
    n, hits = len(after), float(after.sum())
    chain = 0.0
    for state in (before, ~before):
        count = int(state.sum())
        if count:
            failures = float(after[state].sum())
            chain += _likelihood(failures, count, failures / count)
    return _chi2_tail(2 * (chain - _likelihood(hits, n, level)), 2)


def risk_table(table: pd.DataFrame) -> pd.DataFrame:
    """Test the 1 % and 5 % quantiles: one row per model, horizon, level and ticker.

    Columns ``model, h, level, unique_id, outcomes, violations`` (share), ``kupiec, christoffersen``
    (p-values) and both with ``_holm``, corrected for looking at many tickers. Cutoffs are taken
    at least h sessions apart, so that outcomes do not overlap; a ticker with fewer than 30 is
    left out.
    """
    rows = []
    for (model, h), group in common(table).groupby(["model", "h"], observed=True):
        sessions = apart(np.unique(group["session"]), int(str(h)))
        chosen = group[group["session"].isin(sessions)].sort_values("session")
        for ticker, one in chosen.groupby("unique_id", observed=True):
            if len(one) < FEWEST:
                continue
            for percent, column in zip(RISK_PERCENT, RISK_COLUMNS, strict=True):
                hits, level = one[column].to_numpy(), percent / 100
                tests = (kupiec(hits, level), christoffersen(hits, level))
                rows.append((model, h, level, ticker, len(hits), hits.mean(), *tests))
    columns = ["model", "h", "level", "unique_id", "outcomes", "violations"]
    risk = pd.DataFrame(rows, columns=[*columns, "kupiec", "christoffersen"])
    by_test = risk.groupby(["model", "h", "level"], sort=False, observed=True)
    for name in ("kupiec", "christoffersen"):
        risk[f"{name}_holm"] = by_test[name].transform(lambda p: holm(p.to_numpy()))
    return risk


def risk_summary(risk: pd.DataFrame) -> pd.DataFrame:
    """Count the tickers of `risk_table` that fail at 5 %: one row per model, horizon and level.

    Columns ``model, h, level, outcomes, violations`` (share), ``tickers`` and how many of these
    have ``kupiec_rejected, christoffersen_rejected`` after Holm's correction.
    """
    counted = risk.assign(
        violations=risk["violations"] * risk["outcomes"],
        tickers=1,
        kupiec_rejected=risk["kupiec_holm"] < ALPHA,
        christoffersen_rejected=risk["christoffersen_holm"] < ALPHA,
    )
    columns = ["outcomes", "violations", "tickers", "kupiec_rejected", "christoffersen_rejected"]
    keys = ["model", "h", "level"]
    sums = counted.groupby(keys, sort=False, observed=True)[columns].sum().reset_index()
    return sums.assign(violations=sums["violations"] / sums["outcomes"])


def apart(sessions: np.ndarray, h: int) -> np.ndarray:
    """Sessions of an ascending array that are at least h apart, from the first on."""
    chosen: list[int] = []
    for session in sessions:
        if not chosen or session >= chosen[-1] + h:
            chosen.append(int(session))
    return np.array(chosen, int)


def _likelihood(hits: float, n: int, share: float) -> float:
    """Log likelihood of `hits` in `n` trials; 0·log 0 is 0."""
    from scipy.special import xlog1py, xlogy

    return float(xlogy(hits, share) + xlog1py(n - hits, -share))


def _chi2_tail(ratio: float, degrees: int) -> float:
    from scipy.special import chdtrc

    return float(chdtrc(degrees, max(ratio, 0.0)))
