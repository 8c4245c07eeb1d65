"""What is printed of a backtest: scores, verdicts in words, and how far to trust them."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from forecast.counts import ahead, counted
from forecast.evaluation.scorecard import Scorecard
from forecast.evaluation.significance import (
    BETTER,
    NOT_DISTINGUISHABLE,
    WORSE,
    power_notes,
)
from forecast.jobs.terminal import Terminal
from forecast.jobs.units import crps_unit
from forecast.report.words import p_value as printed_p

#: How a verdict goes on, in the order of printing.
_WORDS = {
    BETTER: "better than",
    NOT_DISTINGUISHABLE: "not distinguishable from",
    WORSE: "worse than",
}


def say_verdicts(card: Scorecard, scale: str, terminal: Terminal) -> None:
    """Print the scores one can act on, the verdicts in words and what they rest on."""
    say_scores(card, scale, terminal)
    terminal.result(
        "Verdicts at 5 %: CRPS skill in % (p of the Diebold–Mariano test; a market day counts once)"
    )
    for names, lines in alike({name: _verdict_lines(card, name) for name in card.networks}):
        terminal.result(f"  {names}")
        for line in lines:
            terminal.result(line)
    notes = {name: [_copy_note(card, name), *_power_lines(card, name)] for name in card.networks}
    for line in _confidence_lines(card):
        terminal.result(line)
    for names, lines in alike(notes):
        for line in lines:
            terminal.result(line.replace("{}", names))
    terminal.line("All tables behind this: forecast scores")


def say_scores(card: Scorecard, scale: str, terminal: Terminal) -> None:
    """Print CRPS and coverage of the 90 % band by horizon, the best first."""
    unit, means = crps_unit(scale), card.means
    horizons = sorted(means["h"].unique())
    members = {name: card.seeds_of(name) for name in card.networks}
    apart = {member for names in members.values() for member in names}
    wide = means.pivot_table(
        values=["crps", "coverage_90"], index="model", columns="h", observed=True, dropna=False
    )
    wide["crps"] *= unit.factor
    wide["coverage_90"] *= 100
    columns = [("crps", unit.form), ("coverage_90", ".1f")]
    rows = []
    for model, row in wide.sort_values(("crps", horizons[0])).iterrows():
        if model in apart:
            continue
        told = [number(row[name, h], form) for name, form in columns for h in horizons]
        seeds = members.get(str(model), [])
        rows.append((f"{model} ({len(seeds)} seeds together)" if seeds else str(model), *told))
        if seeds:
            each = wide.loc[seeds]
            spread = [
                f"{each[name, h].mean():{form}} ±{each[name, h].std():{form}}"
                for name, form in columns
                for h in horizons
            ]
            rows.append((f"{model}, one seed alone", *spread))
    note = "; ±: standard deviation over seeds" if apart else ""
    terminal.table(
        f"Test part, {counted(means['origins'].max(), 'origin')}, by sessions ahead: CRPS "
        f"({unit.name}, lower is better) and share of outcomes in the 90 % band (%){note}",
        ("", *(f"{name} {h}" for name in ("CRPS", "90 %") for h in horizons)),
        rows,
    )


def number(value: float, form: str) -> str:
    """Put a number into a table; a dash where there is none."""
    return f"{value:{form}}" if pd.notna(value) else "–"


def p_value(p: float, reason: str = "") -> str:
    """Put a p-value into words, or the reason why there is none."""
    return reason if pd.isna(p) else f"p {printed_p(p)}"


def alike(said: Mapping[str, list[Any]]) -> list[tuple[str, list[Any]]]:
    """Join the networks of which the same is said: equal cells are told once."""
    groups: dict[str, tuple[list[str], list[Any]]] = {}
    for name, things in said.items():
        groups.setdefault(repr(things), ([], things))[0].append(name)
    return [(" and ".join(names), things) for names, things in groups.values()]


def _verdict_lines(card: Scorecard, network: str) -> list[str]:
    """For each horizon the baselines it is better than, not distinguishable from, worse than."""
    lines = []
    mine = card.significance[card.significance["model"] == network]
    for h, rows in mine.sort_values("crps_skill", ascending=False).groupby("h"):
        lines.append(f"    {ahead(int(str(h)))}")
        for verdict, words in _WORDS.items():
            told = [_against(row) for row in rows[rows["verdict"] == verdict].to_dict("records")]
            if told:
                lines.append(f"      {words} {', '.join(told)}")
    return lines


def _against(row: Mapping[Any, Any]) -> str:
    test = p_value(row["p_value"], str(row["reason"]))
    return f"{row['baseline']} {100 * row['crps_skill']:+.2f} ({test})"


def _confidence_lines(card: Scorecard) -> list[str]:
    """Name the models that may be the best, by horizon."""
    best = card.confidence_set[card.confidence_set["included"].astype(bool)]
    if best.empty:
        return ["Models that may be the best: too few dates for a confidence set"]
    lines = ["Models that may be the best (model confidence set, 90 %)"]
    for h, rows in best.groupby("h"):
        names = rows.sort_values("p_value", ascending=False)["model"]
        lines.append(f"    {ahead(int(str(h)))}: {', '.join(names)}")
    return lines


def _copy_note(card: Scorecard, network: str) -> str:
    """Say whether the median is more than today's price."""
    rows = card.direction[card.direction["model"] == network]
    copies = rows[rows["verdict"] == "today's price"]
    told = ", ".join(
        f"{row['corr_today']:.4f} and {row['corr_future']:.4f} at {row['h']}"
        for row in rows.to_dict("records")
    )
    correlation = f"correlation with today's price and with the one forecast: {told}"
    if len(copies) == len(rows):
        return f"Copy detector: the median of {{}} is today's price ({correlation}): read the bands"
    where = ", ".join(str(h) for h in sorted(set(rows["h"]) - set(copies["h"])))
    return (
        f"Copy detector: the median of {{}} says more than today's price at {where} ({correlation})"
    )


def _power_lines(card: Scorecard, network: str) -> list[str]:
    """Say what an edge over the strongest baseline would need where it was not found."""
    means = card.means[card.means["model"].isin(card.baselines)]
    best = means.loc[means.groupby("h")["crps"].idxmin(), ["model", "h"]]
    best = best.rename(columns={"model": "baseline"}).astype({"baseline": str})
    mine = card.significance[card.significance["model"] == network]
    mine = mine.assign(model="{}").astype({"baseline": str}).merge(best, on=["baseline", "h"])
    return [f"Power: {note}" for note in power_notes(mine)]
