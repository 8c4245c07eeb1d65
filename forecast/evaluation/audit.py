"""Audit: does a forecaster look into the future? On the user's own prices."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from forecast.counts import counted
from forecast.evaluation.backtest import make_cutoffs, walk_forward
from forecast.evaluation.scores import scores
from forecast.evaluation.significance import skill_table
from forecast.models.levels import LEVELS
from forecast.prices.panel import Panel
from forecast.windows.features import log_returns

if TYPE_CHECKING:
    from forecast.models.base import Forecaster

#: Returns a fitted forecaster: it may learn from sessions up to the date and from nothing later.
Fit = Callable[[Panel, pd.Timestamp], "Forecaster"]
#: What goes into a forecaster, session by session: (S, …).
Inputs = Callable[[Panel], np.ndarray]

#: A skill where none can be is a leak when luck would give it less often than this, at any horizon.
ALPHA = 0.01
#: Origins that are compared per sampled cutoff.
COMPARED = 200


@dataclass(frozen=True)
class Finding:
    """One thing that was tried, and whether it came out as it should."""

    check: str
    passed: bool
    detail: str

    def __str__(self) -> str:
        return f"{'passed' if self.passed else 'LEAK'}  {self.check}: {self.detail}"


def audit(
    fit: Fit,
    panel: Panel,
    until: pd.Timestamp,
    horizons: tuple[int, ...],
    inputs: Inputs | None = None,
    cutoffs: int = 5,
    seed: int = 0,
) -> list[Finding]:
    """Try to catch a forecaster using what it cannot know; a leak is a finding not `passed`.

    `cutoffs` sessions after `until` are sampled, and every price after each is replaced by
    noise: forecasts at or before it, and `inputs` if given, must stay bit-identical. Then every
    price after `until` is noise and the forecaster is fitted again: nothing may change. At last
    it is fitted on a random walk and on the returns in shuffled order: there no forecaster can
    beat the distribution of all returns, so that skill is a leak.
    """
    rng = np.random.default_rng(seed)
    first = int(panel.sessions.searchsorted(until, side="right"))
    choices = np.arange(first, len(panel.sessions) - 1)
    sampled = np.sort(rng.choice(choices, min(cutoffs, len(choices)), replace=False))
    days = panel.sessions[sampled]
    model = fit(panel, until)
    findings = [future_of_cutoffs(model, panel, days, horizons, seed)]
    if inputs is not None:
        findings.append(future_of_inputs(inputs, panel, days, seed))
    findings.append(future_of_training(fit, model, panel, until, horizons))
    for name, made_up in (
        ("random walk", random_walk(panel, rng)),
        ("shuffled returns", shuffled(panel, rng)),
    ):
        findings.append(no_skill(name, fit, made_up, until, horizons))
    return findings


def future_of_cutoffs(
    model: "Forecaster",
    panel: Panel,
    days: pd.DatetimeIndex,
    horizons: tuple[int, ...],
    seed: int = 0,
) -> Finding:
    """Noise after each of `days`: the forecasts of the fitted model up to it must not change."""
    check, compared = "prices after the cutoff", 0
    for day in days:
        origins = make_cutoffs(panel, panel.sessions[0], day).sort_values("cutoff").tail(COMPARED)
        before = model.forecast(panel, origins, horizons, LEVELS)
        after = model.forecast(noise_after(panel, day, seed), origins, horizons, LEVELS)
        compared += before.size
        change = _first_change(before, after, origins, horizons)
        if change:
            return Finding(check, False, f"{change} when prices after {day.date()} changed")
    at = counted(len(days), "cutoff")
    return Finding(check, True, f"{compared:,} quantiles at {at} are identical")


def future_of_inputs(
    inputs: Inputs, panel: Panel, days: pd.DatetimeIndex, seed: int = 0
) -> Finding:
    """Noise after each of `days`: the inputs (S, …) up to it must not change."""
    check, before = "inputs after the cutoff", inputs(panel)
    for day in days:
        last = int(panel.sessions.searchsorted(day)) + 1
        after = inputs(noise_after(panel, day, seed))
        same = (before[:last] == after[:last]) | (np.isnan(before[:last]) & np.isnan(after[:last]))
        if not same.all():
            changed = panel.sessions[np.argwhere(~same)[0][0]]
            detail = f"those of {changed.date()} changed with prices after {day.date()}"
            return Finding(check, False, detail)
    return Finding(
        check, True, f"{before.shape} values are identical at {counted(len(days), 'cutoff')}"
    )


def future_of_training(
    fit: Fit, model: "Forecaster", panel: Panel, until: pd.Timestamp, horizons: tuple[int, ...]
) -> Finding:
    """Noise after `until`: a forecaster fitted up to it must be the same."""
    check = "prices after the training period"
    past = panel.select(end=until)
    origins = make_cutoffs(past, past.sessions[0]).sort_values("cutoff").tail(COMPARED)
    before = model.forecast(past, origins, horizons, LEVELS)

    def change_of(other: Panel) -> str:
        after = fit(other, until).forecast(past, origins, horizons, LEVELS)
        return _first_change(before, after, origins, horizons)

    change = change_of(noise_after(panel, until, 1))
    if not change:
        return Finding(check, True, f"{before.size:,} quantiles of a new fit are identical")
    if change_of(panel):
        detail = "cannot be tested: two fits on the same prices differ; set the seeds"
        return Finding(check, False, detail)
    return Finding(check, False, f"{change} when prices after {until.date()} changed")


def no_skill(
    name: str, fit: Fit, made_up: Panel, until: pd.Timestamp, horizons: tuple[int, ...]
) -> Finding:
    """Fit on returns that cannot be forecast: there must be no skill after `until`.

    The reference is the distribution of all h-session returns of the ticker, later ones too.
    """
    first = made_up.sessions[int(made_up.sessions.searchsorted(until, side="right"))]
    cutoffs = make_cutoffs(made_up, first, horizon=max(horizons))
    model = fit(made_up, until)
    backtest = walk_forward({"model": model}, made_up, cutoffs, horizons)
    _, ticker = made_up.locate(cutoffs)
    truth = [
        pd.DataFrame(made_up.level).diff(h).quantile(LEVELS).to_numpy().T[ticker] for h in horizons
    ]
    quantiles = backtest.quantiles | {"truth": np.stack(truth, axis=1).astype(np.float32)}
    backtest = replace(backtest, quantiles=quantiles)
    skill = skill_table(scores(backtest, made_up), ["model"], ["truth"])
    found = skill[(skill["crps_skill"] > 0) & (skill["p_value"] < ALPHA / len(skill))]
    detail = ", ".join(
        f"{100 * row['crps_skill']:+.2f} % at {row['h']} (p {row['p_value']:.2g})"
        for row in skill.to_dict("records")
    )
    return Finding(name, found.empty, f"skill against the true distribution {detail}")


def noise_after(panel: Panel, day: pd.Timestamp, seed: int) -> Panel:
    """Replace every price after `day` by another; holes stay holes."""
    rng = np.random.default_rng(seed)
    level = panel.level
    later = np.asarray(panel.sessions > day)
    spread = 0.3 if panel.scale == "log" else float(np.nanstd(level))
    shift = np.where(later[:, None], rng.normal(0, spread, level.shape), 0.0)
    return _moved(panel, shift, later)


def random_walk(panel: Panel, rng: np.random.Generator) -> Panel:
    """Return the panel with normal returns of each ticker's own deviation, without drift."""
    returns = log_returns(panel)
    drawn = returns.std().to_numpy() * rng.standard_normal(returns.shape)
    return _with_returns(panel, np.where(returns.isna(), np.nan, drawn))


def shuffled(panel: Panel, rng: np.random.Generator) -> Panel:
    """Return the panel with the returns of each ticker in another order."""
    returns = log_returns(panel).to_numpy().copy()
    for u in range(returns.shape[1]):
        there = np.flatnonzero(~np.isnan(returns[:, u]))
        returns[there, u] = returns[rng.permutation(there), u]
    return _with_returns(panel, returns)


def _with_returns(panel: Panel, returns: np.ndarray) -> Panel:
    """Move the prices of every session so that these are the returns (S, U)."""
    level = panel.level
    start = pd.DataFrame(level).bfill().iloc[0].to_numpy()
    return _moved(panel, start + np.nancumsum(returns, axis=0) - level, np.full(len(level), True))


def _moved(panel: Panel, shift: np.ndarray, rows: np.ndarray) -> Panel:
    """Add `shift` (S, U) to the level of the sessions `rows`, and to every price field alike."""
    frame = panel.frame.copy()
    for field in panel.fields:
        if field != "volume":
            values = frame[field].to_numpy()[rows]
            moved = values * np.exp(shift[rows]) if panel.scale == "log" else values + shift[rows]
            frame.loc[rows, field] = moved
    return replace(panel, frame=frame)


def _first_change(
    before: np.ndarray, after: np.ndarray, origins: pd.DataFrame, horizons: tuple[int, ...]
) -> str:
    """Describe the first quantile (N, H, Q) that differs, or return an empty string."""
    same = (before == after) | (np.isnan(before) & np.isnan(after))
    if same.all():
        return ""
    n, k, q = np.argwhere(~same)[0]
    row = origins.iloc[n]
    return (
        f"the {LEVELS[q]:g} quantile of {row['unique_id']} at {row['cutoff'].date()}, "
        f"{horizons[k]} sessions ahead, went from {before[n, k, q]:.6g} to {after[n, k, q]:.6g}"
    )
