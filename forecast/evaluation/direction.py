"""Up or down: is the direction called better than chance, or is the line today's price?"""

from typing import NamedTuple

import numpy as np
import pandas as pd

from forecast.evaluation.backtest import Backtest
from forecast.evaluation.scores import common, overlap
from forecast.evaluation.significance import ALPHA
from forecast.prices.panel import Panel


class Slope(NamedTuple):
    """What `panel_slope` returns: the slope and the one-sided p-value of slope ≤ 0."""

    slope: float
    p_value: float


def panel_slope(y: np.ndarray, x: np.ndarray, date: np.ndarray, lags: int) -> Slope:
    """Regress `y` on `x` (N,) with errors that may depend within a date and over `lags` dates.

    NaN when `x` or `y` is constant or there are fewer than 30 dates.

    References:
        Driscoll, J. and Kraay, A. (1998). Consistent covariance matrix estimation with
        spatially dependent panel data.
    """
    from scipy.special import ndtr
    from statsmodels.regression.linear_model import OLS

    codes = np.unique(date, return_inverse=True)[1]
    if not len(codes) or codes.max() < 29 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return Slope(np.nan, np.nan)
    design = np.column_stack([np.ones(len(x)), x])
    fit = OLS(y, design).fit(cov_type="hac-groupsum", cov_kwds={"time": codes, "maxlags": lags})
    return Slope(float(fit.params[1]), float(ndtr(-fit.tvalues[1])))


def direction_table(table: pd.DataFrame) -> pd.DataFrame:
    """Share of directions called right and the Pesaran–Timmermann test: one row per model and h.

    Columns ``model, h, hits, up_called, up_happened, p_value, calls``. The test regresses what
    happened on what was called (both up or not), over all tickers, with errors that may depend
    within a date and over the dates whose outcomes overlap: always calling "up" in a rising
    market is not skill. NaN where a model calls no direction or always the same.

    References:
        Pesaran, M. and Timmermann, A. (2009). Testing dependence among serially correlated
        multicategory variables.
    """
    shared = common(table)
    shared = shared[shared["hit"].notna() & (shared["median"] != 0)]
    rows = []
    for (model, h), group in shared.groupby(["model", "h"], observed=True):
        called = (group["median"] > 0).to_numpy(float)
        hit = group["hit"].to_numpy(float)
        happened = np.where(hit > 0, called, 1 - called)
        dates = group["cutoff"].nunique()
        lags = max(overlap(group, int(str(h))) - 1, int(np.ceil(dates ** (1 / 3))))
        test = panel_slope(happened, called, group["cutoff"].to_numpy(), lags)
        values = (model, h, hit.mean(), called.mean(), happened.mean(), test.p_value, len(hit))
        rows.append(values)
    columns = ["model", "h", "hits", "up_called", "up_happened", "p_value", "calls"]
    return pd.DataFrame(rows, columns=columns)


def copy_detector(backtest: Backtest, panel: Panel) -> pd.DataFrame:
    """Is the price forecast today's price? One row per model and horizon.

    ``corr_today`` and ``corr_future`` correlate the forecast price with the price at the cutoff
    and with the one it forecasts (mean over tickers); ``corr_change`` correlates forecast and
    actual log return over all origins, ``p_value`` tests its slope. The verdict is "today's
    price" when the forecast is closer to the cutoff's price and its change says nothing at 5 %:
    then the line looks right on a chart and is worth nothing; read the bands.
    """
    session, ticker = panel.locate(backtest.cutoffs)
    now, date = panel.level[session, ticker], panel.sessions[session].to_numpy()
    rows = []
    for model in backtest.models:
        for k, h in enumerate(backtest.horizons):
            change, actual = backtest.at(model, 0.5)[:, k].astype(float), backtest.actual[:, k]
            known = np.isfinite(change + actual)
            forecast = panel.value(now + change)
            today, future = (
                _mean_correlation(forecast[known], price[known], ticker[known])
                for price in (panel.value(now), panel.value(now + actual))
            )
            overlapping = overlap(pd.DataFrame({"session": session[known]}), h)
            lags = max(overlapping - 1, int(np.ceil(len(np.unique(date)) ** (1 / 3))))
            test = panel_slope(actual[known], change[known], date[known], lags)
            moves = np.isfinite(test.slope)
            both = np.corrcoef(change[known], actual[known])[0, 1] if moves else np.nan
            copies = today > future and not test.p_value < ALPHA
            verdict = "today's price" if copies else "more than today's price"
            rows.append((model, h, today, future, both, test.p_value, verdict))
    columns = ["model", "h", "corr_today", "corr_future", "corr_change", "p_value", "verdict"]
    return pd.DataFrame(rows, columns=columns)


def _mean_correlation(x: np.ndarray, y: np.ndarray, group: np.ndarray) -> float:
    """Mean over the groups (N,) of the correlation of `x` and `y` (N,) in each."""
    order = np.argsort(group, kind="stable")
    ends = np.flatnonzero(np.diff(group[order])) + 1
    with np.errstate(invalid="ignore", divide="ignore"):  # a constant has no correlation
        each = [np.corrcoef(x[i], y[i])[0, 1] for i in np.split(order, ends) if len(i) > 1]
    return float(pd.Series(each, dtype=float).mean())
