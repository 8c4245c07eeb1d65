"""`forecast scores`: every table behind the verdicts, from the files of a run."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from forecast import runs
from forecast.counts import ahead, counted
from forecast.evaluation.backtest import BANDS
from forecast.evaluation.risk import FEWEST, risk_summary
from forecast.evaluation.scorecard import Scorecard
from forecast.evaluation.scores import PINBALL_PERCENT
from forecast.evaluation.significance import BETTER, WORSE
from forecast.jobs.terminal import Terminal
from forecast.jobs.units import CrpsUnit, crps_unit
from forecast.jobs.verdicts import alike, number, p_value, say_verdicts

#: Title, header and rows.
Table = tuple[str, list[str], list[tuple[str, ...]]]
#: What groups of origins are called in a title.
_GROUPS = {"ticker": "ticker", "year": "year of the cutoff", "regime": "volatility at the cutoff"}


def show_scores(run: Path, terminal: Terminal) -> None:
    """Print the verdicts of a run and all tables behind them; InputError if a file is missing."""
    data = runs.read_manifest(run)["data"]
    card, unit = Scorecard.read(run), crps_unit(data["scale"])
    terminal.data(**vars(card))
    say_verdicts(card, data["scale"], terminal)
    for _, means in card.means.groupby("h"):
        terminal.table(*means_table(means, unit, data["unit"]))
    for _, means in card.means.groupby("h"):
        terminal.table(*bands_table(means, data["scale"]))
    terminal.table(*direction_of(card))
    for level, rows in risk_summary(card.risk).groupby("level"):
        terminal.table(*risk_of(rows, float(str(level))))
    if card.risk.empty:
        terminal.result(f"Value at risk: no ticker has {FEWEST} outcomes that do not overlap")
    if not card.confidence_set.empty:
        terminal.table(*confidence_of(card))
    by_network = {
        name: [tickers_of(card, name), *(group_of(card, name, by, unit) for by in _GROUPS)]
        for name in card.networks
    }
    for names, tables in alike(by_network):
        for title, header, rows in tables:
            terminal.table(f"{names} {title}", header, rows)
    terminal.path(run)


def means_table(means: pd.DataFrame, unit: CrpsUnit, price: str) -> Table:
    """Every score of every model at one horizon."""
    columns = {"crps": ("CRPS", unit.factor, unit.form)}
    for percent in PINBALL_PERCENT:
        columns[f"pinball_{percent}"] = (f"pinball {percent} %", unit.factor, unit.form)
    columns |= {
        "log_score": ("log score", 1, ".3f"),
        "mae": ("MAE", 1, ".3f"),
        "mase": ("MASE", 1, ".3f"),
        "r2_oos": ("R² %", 100, "z.2f"),
    }
    without = means.loc[means["density"] < 1, ["model", "density"]].to_dict("records")
    note = ", ".join(f"{row['model']} {100 * row['density']:.1f} %" for row in without)
    note = f"; share of origins with a density, to which the log score is limited: {note}"
    return (
        f"{_title(means)}: CRPS and pinball loss ({unit.name}), log score (minus log density), "
        f"MAE of the median ({price}), MASE (over the mean change per session in training), "
        f"out-of-sample R² against zero{note if without else ''}",
        ["", *(name for name, _, _ in columns.values())],
        _rows(means.sort_values("crps"), columns),
    )


def bands_table(means: pd.DataFrame, scale: str) -> Table:
    """Coverage and width of the bands at one horizon, before and after the adjustment."""
    width = ("1e-2 log return", 100, ".2f") if scale == "log" else ("value", 1, ".3g")
    columns = {f"coverage_{band}": (f"in {band} %", 100, ".1f") for band in BANDS}
    columns |= {f"width_{band}": (f"width {band} %", *width[1:]) for band in BANDS}
    return (
        f"{_title(means)}: share of outcomes in each band (%) and its mean width ({width[0]}); "
        "+conformal is after the conformal adjustment",
        ["", *(name for name, _, _ in columns.values())],
        _rows(means.sort_values("model"), columns),
    )


def direction_of(card: Scorecard) -> Table:
    """The share of signs called right, its test, and what the copy detector found."""

    def cell(row: Mapping[Any, Any]) -> str:
        if pd.isna(row["hits"]):
            return f"no direction; {row['verdict']}"
        called, test = 100 * row["up_called"], p_value(row["p_value"], "no test")
        return f"{100 * row['hits']:.1f} ({test}), up {called:.0f}; {row['verdict']}"

    return (
        "Direction by sessions ahead: share of signs called right (%; Pesaran–Timmermann p), share "
        "called up (%), and the copy detector",
        *_wide(card.direction, cell),
    )


def risk_of(risk: pd.DataFrame, level: float) -> Table:
    """How often the value at risk was exceeded, and the tickers where a test fails."""

    def cell(row: Mapping[Any, Any]) -> str:
        failed = f"{row['kupiec_rejected']} and {row['christoffersen_rejected']}"
        return f"{100 * row['violations']:.1f}, {failed} of {row['tickers']}"

    return (
        f"Value at risk {100 * level:g} % by sessions ahead: outcomes below it (%), tickers where "
        "Kupiec's and Christoffersen's tests fail (5 %, Holm)",
        *_wide(risk, cell),
    )


def confidence_of(card: Scorecard) -> Table:
    """The p-values of the model confidence set."""

    def cell(row: Mapping[Any, Any]) -> str:
        return f"{p_value(row['p_value'])}{'' if row['included'] else ', out'}"

    return "Model confidence set (90 %) by sessions ahead", *_wide(card.confidence_set, cell)


def tickers_of(card: Scorecard, network: str) -> Table:
    """How many tickers there are where a network is better or worse than each baseline."""
    mine = card.significance_by_ticker
    counted = [
        {
            "model": baseline,
            "h": h,
            "better": (rows["verdict"] == BETTER).sum(),
            "worse": (rows["verdict"] == WORSE).sum(),
            "tickers": len(rows),
        }
        for (baseline, h), rows in mine[mine["model"] == network].groupby(
            ["baseline", "h"], sort=False
        )
    ]

    def cell(row: Mapping[Any, Any]) -> str:
        return f"better {row['better']}, worse {row['worse']} of {row['tickers']}"

    return (
        "by sessions ahead: tickers with a verdict (5 %, Holm over tickers)",
        *_wide(pd.DataFrame(counted), cell),
    )


def group_of(card: Scorecard, network: str, by: str, unit: CrpsUnit) -> Table:
    """CRPS, skill against the strongest baseline and coverage by ticker, year or regime."""
    means = card.means[card.means["model"].isin(card.baselines)]
    best = means.loc[means.groupby("h")["crps"].idxmin()].set_index("h")["model"].astype(str)
    rows = card.scores[card.scores["by"] == by]
    index = ["group", "h"]
    mine = rows[rows["model"] == network].set_index(index)
    rival = rows[rows["model"].astype(str) == rows["h"].map(best)].set_index(index)["crps"]
    mine = mine.assign(skill=1 - mine["crps"] / rival.reindex(mine.index)).reset_index()

    def cell(row: Mapping[Any, Any]) -> str:
        crps = f"{row['crps'] * unit.factor:{unit.form}}"
        return f"{crps}, {100 * row['skill']:+.1f}, {100 * row['coverage_90']:.1f}"

    against = ", ".join(f"{name} at {h}" for h, name in best.items())
    return (
        f"by {_GROUPS[by]} and sessions ahead: CRPS ({unit.name}), skill (%) against the "
        f"strongest baseline ({against}), outcomes in the 90 % band (%)",
        *_wide(mine.assign(model=mine["group"]), cell),
    )


def _title(means: pd.DataFrame) -> str:
    origins = counted(means["origins"].max(), "origin")
    return f"{ahead(int(means['h'].iloc[0])).capitalize()}, {origins}"


def _rows(
    means: pd.DataFrame, columns: Mapping[str, tuple[str, float, str]]
) -> list[tuple[str, ...]]:
    """One row per model; a column has a name, a factor and a format."""
    return [
        (str(row["model"]), *(number(row[c] * f, form) for c, (_, f, form) in columns.items()))
        for row in means.to_dict("records")
    ]


def _wide(
    frame: pd.DataFrame, cell: Callable[[Mapping[Any, Any]], str]
) -> tuple[list[str], list[tuple[str, ...]]]:
    """Header and rows of a table with a row per model and a column per horizon."""
    horizons = sorted(frame["h"].unique())
    cells = {(str(row["model"]), row["h"]): cell(row) for row in frame.to_dict("records")}
    models = list(dict.fromkeys(model for model, _ in cells))
    rows = [(model, *(cells.get((model, h), "–") for h in horizons)) for model in models]
    return ["", *map(str, horizons)], rows
