"""The live track record: what the forecasts of a ledger were worth once their day had come."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from forecast.counts import ahead, counted
from forecast.evaluation.metrics import crps
from forecast.evaluation.scores import common
from forecast.evaluation.significance import skill_table

#: Cutoffs a drift is looked for in, at least; and per session ahead, because outcomes overlap.
RECENT, RECENT_PER_SESSION = 60, 12
#: Chance that an alarm is false, for one look.
FALSE_ALARM = 0.001
RECORD = (
    *("model", "baseline", "h", "made", "origins", "sessions", "first", "last", "crps"),
    *("crps_baseline", "crps_skill", "p_value", "verdict", "coverage_90"),
)


class Alarm(NamedTuple):
    """One drift in words; `kind` is "coverage", "median" or "skill"."""

    kind: str
    model: str
    h: int
    words: str

    def __str__(self) -> str:
        return f"{self.model}, {ahead(self.h)}: {self.words}"


def score_outcomes(
    quantiles: np.ndarray, log_return: np.ndarray, levels: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """CRPS (N,) and probability integral transform (N,) of outcomes, from quantiles (N, Q).

    The transform is told to 1/(Q + 1): the middle of the two levels the outcome lies between.
    """
    below = (quantiles < log_return[:, None]).sum(axis=1)
    return crps(log_return, quantiles, levels), (below + 0.5) / (len(levels) + 1)


def track_record(scores: pd.DataFrame, networks: list[str]) -> pd.DataFrame:
    """The record of each network against each baseline: one row per horizon and way it was made.

    `scores` has the columns ``unique_id, cutoff, h, model, crps, pit, caught_up``. ``made`` is
    "live", or "caught up" for forecasts that were made after the fact, with data up to the cutoff
    alone. ``crps_skill``, ``p_value`` and ``verdict`` as in `skill_table`, over the origins that
    both have; ``coverage_90`` is the network's. Columns: `RECORD`.
    """
    rows = []
    for made, late in (("live", False), ("caught up", True)):
        part = _with_sessions(scores[scores["caught_up"] == late])
        for network in networks:
            for baseline in sorted(set(part["model"]) - set(networks)):
                pair = common(part[part["model"].isin([network, baseline])])
                if pair["model"].nunique() < 2:
                    continue
                skill = skill_table(pair, [network], [baseline])
                rows += [{**row, **_means(pair, row), "made": made} for row in _records(skill)]
    return pd.DataFrame(rows, columns=list(RECORD))


def rolling_coverage(scores: pd.DataFrame, window: int = RECENT) -> pd.DataFrame:
    """Share of outcomes in the 90 % band over the last `window` cutoffs, at every cutoff.

    Columns ``model, h, cutoff, coverage_90``; a market day counts once. From a third of the
    window on.
    """
    inside = scores.assign(coverage_90=covered_90(scores["pit"]))
    by_date = inside.groupby(["model", "h", "cutoff"])["coverage_90"].mean()
    rolled = by_date.groupby(level=["model", "h"]).transform(
        lambda one: one.rolling(window, min_periods=window // 3).mean()
    )
    return rolled.dropna().reset_index()


def covered_90(pit: pd.Series) -> pd.Series:
    """1 where the outcome was in the 90 % band, else 0."""
    return ((pit > 0.05) & (pit < 0.95)).astype(float)


def drift_alarms(scores: pd.DataFrame, networks: list[str]) -> list[Alarm]:
    """Say in which way the recent forecasts of a network are off, if they surely are.

    Looks at the last 60 cutoffs, or 12 per session ahead: the share of outcomes in the 90 % band,
    the share above the median, and the CRPS beside each baseline. An alarm is a difference that
    chance would make once in a thousand looks, by a test on means by date (Newey–West variance,
    Student-t with as many degrees of freedom as outcomes that do not overlap).

    References:
        Newey, W. and West, K. (1987). A simple, positive semi-definite, heteroskedasticity and
        autocorrelation consistent covariance matrix.
    """
    alarms = []
    for network in networks:
        for h, at_h in scores[scores["model"] == network].groupby("h"):
            ahead_ = int(str(h))
            recent = _recent(at_h, ahead_)
            alarms += _calibration_alarms(recent, network, ahead_)
            others = scores[(scores["h"] == h) & ~scores["model"].isin(networks)]
            alarms += _skill_alarms(recent, others, network, ahead_)
    return alarms


def _calibration_alarms(recent: pd.DataFrame, network: str, h: int) -> list[Alarm]:
    alarms = []
    covered = covered_90(recent["pit"])
    if _is_off(recent["cutoff"], covered - 0.9, 0.09, h):
        share = covered.mean()
        kind = "too sure of itself: bands too narrow" if share < 0.9 else "bands too wide"
        words = f"{100 * share:.0f} % of outcomes in the 90 % band, {kind}"
        alarms.append(Alarm("coverage", network, h, f"{words} ({_span(recent)})"))
    above = (recent["pit"] > 0.5).astype(float)
    if _is_off(recent["cutoff"], above - 0.5, 0.25, h):
        side = "low" if above.mean() > 0.5 else "high"
        words = f"{100 * above.mean():.0f} % of outcomes above the median, which is too {side}"
        alarms.append(Alarm("median", network, h, f"{words} ({_span(recent)})"))
    return alarms


def _skill_alarms(recent: pd.DataFrame, others: pd.DataFrame, network: str, h: int) -> list[Alarm]:
    alarms = []
    for baseline, rows in others.groupby("model"):
        both = recent.merge(rows, on=["unique_id", "cutoff"], suffixes=("", "_baseline"))
        loss = both["crps"] - both["crps_baseline"]
        if loss.mean() > 0 and _is_off(both["cutoff"], loss, 0.0, h):
            worse = 100 * loss.mean() / both["crps_baseline"].mean()
            words = f"CRPS {worse:.1f} % above that of {baseline} ({_span(recent)})"
            alarms.append(Alarm("skill", network, h, words))
    return alarms


def _is_off(cutoff: pd.Series, difference: pd.Series, variance: float, h: int) -> bool:
    """Whether the mean of `difference` is surely not zero; `variance` is that of one outcome."""
    from scipy.special import stdtr

    by_date = difference.groupby(cutoff.to_numpy()).mean().to_numpy()
    dates = len(by_date)
    if dates < max(RECENT // 3, 4 * h):
        return False
    deviation = by_date - by_date.mean()
    lags = max(h - 1, round(dates ** (1 / 3)))
    long_run = deviation @ deviation / dates
    for lag in range(1, lags + 1):
        long_run += 2 * (1 - lag / (lags + 1)) * (deviation[lag:] @ deviation[:-lag]) / dates
    # equal outcomes have no spread of their own: never less than independent ones would have
    spread = np.sqrt(max(long_run / dates, variance / len(difference)))
    if spread == 0:
        return False
    t = abs(by_date.mean()) / spread
    return bool(2 * stdtr(dates / h - 1, -t) < FALSE_ALARM)


def _recent(rows: pd.DataFrame, h: int) -> pd.DataFrame:
    cutoffs = np.unique(rows["cutoff"])[-max(RECENT, RECENT_PER_SESSION * h) :]
    return rows[rows["cutoff"] >= cutoffs[0]]


def _span(rows: pd.DataFrame) -> str:
    days = rows["cutoff"]
    count = f"{counted(days.nunique(), 'cutoff')} to {days.max():%Y-%m-%d}"
    return f"{count}, {counted(len(rows), 'outcome')}"


def _with_sessions(scores: pd.DataFrame) -> pd.DataFrame:
    """Add ``session``: the place of the cutoff among those of the ledger."""
    days = np.unique(scores["cutoff"])
    return scores.assign(session=np.searchsorted(days, scores["cutoff"]))


def _records(skill: pd.DataFrame) -> list[dict[str, object]]:
    return [{str(name): value for name, value in row.items()} for row in skill.to_dict("records")]


def _means(pair: pd.DataFrame, row: dict[str, object]) -> dict[str, object]:
    """Facts of one network, baseline and horizon beside the test."""
    at_h = pair[pair["h"] == row["h"]]
    own = at_h[at_h["model"] == row["model"]]
    return {
        "origins": len(own),
        "first": own["cutoff"].min(),
        "last": own["cutoff"].max(),
        "crps": own["crps"].mean(),
        "crps_baseline": at_h.loc[at_h["model"] == row["baseline"], "crps"].mean(),
        "coverage_90": covered_90(own["pit"]).mean(),
    }
