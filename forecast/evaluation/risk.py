"""Value at risk: does the 1 % quantile fail in 1 % of the cases, and not in clusters?"""

import numpy as np
import pandas as pd

from forecast.evaluation.scores import RISK_PERCENT, common
from forecast.evaluation.significance import ALPHA, holm

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
    """Test the 1 % and 5 % quantiles of each ticker: one row per model, horizon and level.

    Columns ``model, h, level, violations`` (share), ``tickers``, and of these
    ``kupiec_rejected`` and ``christoffersen_rejected`` at 5 % after Holm's correction. Every
    h-th cutoff is used, so that outcomes do not overlap; tickers with fewer than 30 are
    left out.
    """
    columns = ["model", "h", "level", "violations", "tickers"]
    rows = []
    for (model, h), group in common(table).groupby(["model", "h"], observed=True):
        dates = np.sort(group["cutoff"].unique())[:: int(str(h))]
        apart = group[group["cutoff"].isin(dates)].sort_values("cutoff")
        by_ticker = [one for _, one in apart.groupby("unique_id", observed=True)]
        for percent in RISK_PERCENT:
            name, level = f"below_{percent}", percent / 100
            series = [one[name].to_numpy() for one in by_ticker if len(one) >= FEWEST]
            share = float(np.concatenate(series).mean()) if series else np.nan
            rejected = [
                int((holm(np.array([test(one, level) for one in series])) < ALPHA).sum())
                for test in (kupiec, christoffersen)
            ]
            rows.append((model, h, level, share, len(series), *rejected))
    return pd.DataFrame(rows, columns=[*columns, "kupiec_rejected", "christoffersen_rejected"])


def _likelihood(hits: float, n: int, share: float) -> float:
    """Log likelihood of `hits` in `n` trials; 0·log 0 is 0."""
    from scipy.special import xlog1py, xlogy

    return float(xlogy(hits, share) + xlog1py(n - hits, -share))


def _chi2_tail(ratio: float, degrees: int) -> float:
    from scipy.special import chdtrc

    return float(chdtrc(degrees, max(ratio, 0.0)))
