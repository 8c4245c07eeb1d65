"""The verdict, skill and calibration."""

from collections.abc import Iterator
from typing import Any

import pandas as pd

from forecast.counts import ahead
from forecast.report.charts.scores import calibration_chart, skill_chart
from forecast.report.parts import Picture, Table, Text, Tiles
from forecast.report.reading import RunFolder
from forecast.report.words import coverage, each, number, p_value, strongest, verdict

_SKILL = ["model", "baseline", "h", "crps_skill", "ci_low", "ci_high", "p_value", "verdict"]
_CALIBRATION = ["model", "h", "level", "observed"]


def verdict_in_words(run: RunFolder) -> Iterator[Any]:
    """The headline, one line per horizon and the few numbers that matter most."""
    skill, model = run.frame("significance.csv", _SKILL), run.model
    said = verdict(skill, model)
    yield Text([said.headline], "How it ended")
    tiles = []
    for row in strongest(skill, model).to_dict("records"):
        low, high = (number(row[end], "+.1f", 100) for end in ("ci_low", "ci_high"))
        tiles.append(
            (
                f"{number(row['crps_skill'], '+.1f', 100)} %",
                f"skill against the strongest baseline, {row['baseline']}, {ahead(row['h'])}",
                f"95 % interval {low} to {high} %: {row['verdict']}",
            )
        )
    for row in _coverage(run, 90).to_dict("records"):
        if row["model"] == model and row["h"] == min(skill["h"]):
            held = f"{number(row['coverage'], '.1f', 100)} %"
            tiles.append((held, f"of outcomes in the 90 % band, {ahead(row['h'])}", ""))
    yield Tiles(tiles)
    yield Text(["By horizon:", *said.lines])


def skill_pictures(run: RunFolder) -> Iterator[Any]:
    """Skill against every baseline, one small chart per horizon."""
    skill = run.frame("significance.csv", _SKILL)
    horizons = sorted(skill["h"].unique())
    lead = strongest(skill, run.model)
    said = "; ".join(
        f"{ahead(row['h'])} {number(row['crps_skill'], '+.2f', 100)} % against {row['baseline']}"
        for row in lead.to_dict("records")
    )
    yield Picture(
        "skill",
        "Skill against each baseline",
        "Right of zero is better than the baseline, the bar is the 95 % interval, and a hollow "
        "point means that this many sessions cannot tell the two apart.",
        f"Skill of {run.model} against the baseline that came closest: {said}. All values are in "
        "the table below.",
        [(ahead(h), skill_chart(skill, int(h))) for h in horizons],
    )


def skill_table(run: RunFolder) -> Iterator[Any]:
    """Every test in numbers."""
    skill = run.frame("significance.csv", _SKILL)
    rows = [
        (
            row["model"],
            row["baseline"],
            str(row["h"]),
            number(row["crps_skill"], "+.2f", 100),
            f"{number(row['ci_low'], '+.2f', 100)} to {number(row['ci_high'], '+.2f', 100)}",
            p_value(row["p_value"]),
            str(row["verdict"]),
        )
        for row in skill.to_dict("records")
    ]
    header = ("network", "against", "sessions", "skill %", "95 % interval %", "p", "verdict")
    yield Table("Skill and verdicts", header, rows, left=(0, 1, 6), folded=len(rows) > 16)


def score_table(run: RunFolder) -> Iterator[Any]:
    """Mean scores of every model."""
    metrics = run.json("metrics.json")
    models, data = metrics.get("models", {}), metrics.get("data", {})
    factor, unit = (1e4, "1e-4 log return") if data.get("scale", "log") == "log" else (1, "value")
    horizons = sorted({h for of in models.values() for h in of.get("crps", {})}, key=int)

    def cell(of: dict[str, Any], score: str, h: str, form: str, by: float) -> str:
        return number((of.get(score) or {}).get(h), form, by)

    def first(model: tuple[str, dict[str, Any]]) -> float:
        score = (model[1].get("crps") or {}).get(horizons[0] if horizons else "")
        return score if isinstance(score, float) else float("inf")

    rows = [
        (
            name,
            *(cell(of, "crps", h, ".2f", factor) for h in horizons),
            *(cell(of, "mae", h, ".3f", 1) for h in horizons),
            *(cell(of, "coverage_90", h, ".1f", 100) for h in horizons),
        )
        for name, of in sorted(models.items(), key=first)
    ]
    header = ["model", *(f"CRPS {h}" for h in horizons), *(f"MAE {h}" for h in horizons)]
    caption = (
        f"Scores by sessions ahead: CRPS ({unit}), MAE of the median "
        f"({data.get('unit', 'adjusted close')}), share of outcomes in the 90 % band (%)"
    )
    yield Table(caption, [*header, *(f"90 % {h}" for h in horizons)], rows)


def calibration_pictures(run: RunFolder) -> Iterator[Any]:
    """Reliability, one small chart per horizon."""
    calibration, model = run.frame("calibration.csv", _CALIBRATION), run.model
    shown = [model]
    if run.has("significance.csv"):
        rivals = strongest(run.frame("significance.csv", _SKILL), model)["baseline"]
        shown += list(dict.fromkeys(rivals))
    horizons = sorted(calibration["h"].unique())
    worst = calibration.assign(off=(calibration["observed"] - calibration["level"]).abs())
    largest = worst[worst["model"] == model].groupby("h")["off"].max().rename(index=ahead)
    yield Picture(
        "calibration",
        "How far the quantiles are off",
        "Zero is calibrated; above zero at low levels, or below zero at high ones, the forecast "
        "was too sure of itself.",
        f"Difference of observed share and quantile level. Largest difference of {model}, in "
        f"percentage points: {each(largest, '.1f', 100)}.",
        [(ahead(h), calibration_chart(calibration, int(h), shown)) for h in horizons],
    )


def coverage_table(run: RunFolder) -> Iterator[Any]:
    """Share of outcomes in the central bands."""
    parts = [_coverage(run, band).assign(band=band) for band in (50, 80, 90, 98)]
    table = pd.concat(parts).pivot_table(
        values="coverage", index="model", columns=["h", "band"], sort=False
    )
    columns = [(h, band) for h in sorted(table.columns.unique("h")) for band in (50, 80, 90, 98)]
    rows = [
        (str(model), *(number(row.get(key), ".1f", 100) for key in columns))
        for model, row in zip(table.index, table.to_dict("records"), strict=True)
    ]
    header = ("model", *(f"{band} % band, {h}" for h, band in columns))
    yield Table("Share of outcomes in each band (%), by sessions ahead", header, rows, folded=True)


def _coverage(run: RunFolder, band: int) -> pd.DataFrame:
    return coverage(run.frame("calibration.csv", _CALIBRATION), band)
