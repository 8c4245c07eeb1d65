"""From a backtest to scores: one row per origin, horizon and model, and their means."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from forecast.evaluation import metrics
from forecast.evaluation.backtest import BANDS, Backtest, level_index
from forecast.prices.panel import Panel

#: Levels whose pinball loss is reported, per cent.
PINBALL_PERCENT = (1, 5, 50, 95, 99)
#: Levels whose violations are tested, per cent: the value at risk.
RISK_PERCENT = (1, 5)
#: What models are compared by: all that `common` and the tests of the CRPS ask for.
COMPARED = ("unique_id", "cutoff", "session", "h", "model", "crps")
#: What the means are called where they are not called as the column.
_RENAMED = (
    {"abs_error": "mae", "scaled_error": "mase", "hit": "direction"}
    | {f"covered_{band}": f"coverage_{band}" for band in BANDS}
    | {f"below_{percent}": f"violations_{percent}" for percent in RISK_PERCENT}
)
#: What scores are told by beside model and horizon, and the column of it.
_GROUPS = {"ticker": ["unique_id"], "year": ["year"], "regime": ["regime"]}


def scores(
    backtest: Backtest, panel: Panel, mase_until: pd.Timestamp | None = None
) -> pd.DataFrame:
    """Scores of every forecast: N·H·M rows ``unique_id, cutoff, session, h, model, crps, …``.

    ``session`` is the cutoff's place in the panel. ``crps``, ``pinball_5``, ``width_90``,
    ``median``, ``squared_error``, ``squared_return`` are in log-return units (squared where it
    says so), ``abs_error`` of the median in price units; ``covered_90``, ``below_5`` (outcome
    under the 5 % quantile) and ``hit`` (direction) are 0 or 1, ``log_score`` is minus the log
    density and ``density`` 1 where there is one. With `mase_until` (last training session)
    ``scaled_error`` is ``abs_error`` over the mean change per session up to then. NaN where
    there is no outcome, no forecast, no direction or no density.
    """
    session, ticker = panel.locate(backtest.cutoffs)
    now = panel.level[session, ticker]
    N, H, M = len(now), len(backtest.horizons), len(backtest.models)
    scale = None if mase_until is None else metrics.mase_scale(panel, mase_until)
    scored: dict[str, np.ndarray] = {}  # (M, H, N) each, filled in place: nothing here is larger
    for m, model in enumerate(backtest.models):
        for k in range(H):
            y, quantiles = backtest.actual[:, k], backtest.quantiles[model][:, k].astype(float)
            columns = _score(y, quantiles, backtest.levels)
            median = quantiles[:, level_index(backtest.levels, 0.5)]
            columns["abs_error"] = np.abs(panel.value(now + y) - panel.value(now + median))
            if scale is not None:
                per_row = scale.reindex(panel.tickers).to_numpy()[ticker]
                columns["scaled_error"] = columns["abs_error"] / per_row
            for name, values in columns.items():
                if name not in scored:
                    scored[name] = np.empty((M, H, N))
                scored[name][m, k] = values
    keys = {
        "unique_id": pd.Categorical.from_codes(
            np.tile(ticker, M * H), categories=pd.Index(panel.tickers)
        ),
        "cutoff": np.tile(backtest.cutoffs["cutoff"].to_numpy(), M * H),
        "session": np.tile(session, M * H),
        "h": np.tile(np.repeat(backtest.horizons, N), M),
        "model": pd.Categorical.from_codes(
            np.repeat(np.arange(M), H * N), categories=pd.Index(backtest.models)
        ),
    }
    flat = {name: values.ravel() for name, values in scored.items()}
    return pd.DataFrame({**keys, **flat}, copy=False)


def common(table: pd.DataFrame) -> pd.DataFrame:
    """Rows of the origins that every model forecast and whose outcome is known.

    A model without any forecast at a horizon is passed over there. Means over these rows
    compare models on equal terms.
    """
    return table[_is_common(table)]


def _is_common(table: pd.DataFrame) -> pd.Series:
    """Whether a row is one of `common`."""
    finite = table["crps"].notna()
    origin = [table["unique_id"], table["cutoff"], table["h"]]
    forecast = finite.groupby(origin, observed=True).transform("sum")
    active = table.loc[finite, ["h", "model"]].groupby("h", observed=True)["model"].nunique()
    return finite & (forecast == table["h"].map(active))


def spacing(table: pd.DataFrame) -> int:
    """Sessions between neighbouring cutoffs: 1 unless the walk left some out."""
    sessions = np.unique(table["session"])
    return int(np.median(np.diff(sessions))) if len(sessions) > 1 else 1


def overlap(table: pd.DataFrame, h: int) -> int:
    """Neighbouring cutoffs whose outcomes h sessions ahead share a session: h if all are used."""
    return int(np.ceil(h / spacing(table)))


def summary(table: pd.DataFrame, by: Sequence[str] = ("model", "h")) -> pd.DataFrame:
    """Means of `scores` over the common origins, one row per group of the columns `by`.

    ``mae`` is the mean of ``abs_error``, ``direction`` of ``hit``, ``mase`` of ``scaled_error``,
    ``coverage_90`` of ``covered_90``, ``violations_5`` of ``below_5``; ``log_score`` is that of
    the share ``density`` of origins where the forecast has one; ``origins`` counts the rows;
    ``r2_oos = 1 − Σ squared_error / Σ squared_return`` is against a forecast of zero (Campbell
    and Thompson, 2008).
    """
    return _means(common(table), by)


def _means(shared: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """`summary` of rows that are common already."""
    grouped = shared.groupby(list(by), observed=True, sort=False)
    means = grouped[list(shared.select_dtypes("float"))].mean()
    means.insert(0, "origins", grouped.size())
    means["r2_oos"] = 1 - means.pop("squared_error") / means.pop("squared_return")
    return means.drop(columns="median").rename(columns=_RENAMED).reset_index()


def score_table(table: pd.DataFrame, panel: Panel) -> pd.DataFrame:
    """`summary` of all origins and by ticker, year and regime: ``by, group, model, h, …``.

    `by` is "all", "ticker", "year" or "regime" (see `add_groups`) and `group` which of them.
    """
    shared = _is_common(table)
    groups = add_groups(table.loc[shared, ["unique_id", "cutoff"]], panel)[["year", "regime"]]
    found: dict[str, list[pd.DataFrame]] = {by: [] for by in ("all", *_GROUPS)}
    for model in table["model"].unique():  # one by one: rows are many, and are copied
        rows = table[shared & (table["model"] == model)].join(groups)
        for by, parts in found.items():
            parts.append(_means(rows, ["model", "h", *_GROUPS.get(by, ())]))
    whole = pd.concat([_of_groups(by, pd.concat(parts)) for by, parts in found.items()])
    whole = whole.reset_index(drop=True)
    keys = ["by", "group", "model", "h"]
    return whole[[*keys, *(column for column in whole if column not in keys)]]


def _of_groups(by: str, means: pd.DataFrame) -> pd.DataFrame:
    """Name the groups of means and put them in order."""
    if by not in _GROUPS:
        return means.assign(by=by, group=by)
    means = means.rename(columns=dict.fromkeys(_GROUPS[by], "group"))
    means = means.sort_values("group", kind="stable")
    return means.assign(by=by, group=means["group"].astype(str))


def add_groups(table: pd.DataFrame, panel: Panel) -> pd.DataFrame:
    """Add ``year`` and ``regime`` (calm, normal, stormy) of the cutoff, to summarise by.

    The regime is the third, within the ticker's cutoffs, of its EWMA volatility at the cutoff:
    a grouping of results, not something a forecaster could have known.
    """
    from forecast.windows.features import ewma_volatility, log_returns

    session, ticker = panel.locate(table)
    sigma = pd.Series(
        ewma_volatility(log_returns(panel)).to_numpy()[session, ticker], index=table.index
    )
    rank = sigma.groupby(table["unique_id"], observed=True).rank(pct=True)
    regime = pd.cut(rank, [0, 1 / 3, 2 / 3, 1], labels=["calm", "normal", "stormy"])
    return table.assign(year=table["cutoff"].dt.year, regime=regime)


def _score(y: np.ndarray, quantiles: np.ndarray, levels: np.ndarray) -> dict[str, Any]:
    """Columns of one model and horizon: `y` (N,), `quantiles` (N, Q)."""

    def at(level: float) -> np.ndarray:
        return quantiles[:, level_index(levels, level)]

    loss = metrics.pinball(y, quantiles, levels)
    columns: dict[str, Any] = {"crps": 2 * loss.mean(axis=1), "abs_error": np.nan}
    for percent in PINBALL_PERCENT:
        columns[f"pinball_{percent}"] = loss[:, level_index(levels, percent / 100)]
    for band in BANDS:
        low, high = at(0.5 - band / 200), at(0.5 + band / 200)
        columns[f"covered_{band}"] = metrics.covered(y, low, high)
        columns[f"width_{band}"] = high - low
    for percent in RISK_PERCENT:
        columns[f"below_{percent}"] = metrics.below(y, at(percent / 100))
    columns["median"] = at(0.5)
    columns["hit"] = metrics.direction_hit(y, at(0.5))
    columns["squared_error"] = (y - at(0.5)) ** 2
    columns["squared_return"] = np.where(np.isnan(at(0.5)), np.nan, y**2)
    columns["log_score"] = metrics.log_score(y, quantiles, levels)
    columns["density"] = np.isfinite(columns["log_score"]).astype(float)
    return columns
