"""Where and when the network was good: by year, regime and ticker; direction and risk."""

from collections.abc import Iterator
from typing import Any

import pandas as pd

from forecast.counts import ahead
from forecast.report.charts.groups import group_chart
from forecast.report.parts import Picture, Table
from forecast.report.reading import RunFolder
from forecast.report.words import number, p_value, strongest

_SCORES = ["by", "group", "model", "h", "crps", "coverage_90", "origins"]
_SKILL = ["model", "baseline", "h", "crps_skill"]
#: What the groups are called.
_TITLES = {"year": "Error by year", "regime": "Error in calm and stormy times"}
_HOWS = {
    "year": "Lower is better; years with large moves are hard for every model, so compare the "
    "points of one year with each other.",
    "regime": "The forecasts of each ticker in three thirds, by how much it moved before: lower is "
    "better; compare the points of one third with each other.",
}


def by_group(run: RunFolder) -> Iterator[Any]:
    """CRPS by year and by regime, one small chart per horizon."""
    scores, model = run.frame("scores.csv", _SCORES), run.model
    models = [model, *_rivals(run, model)]
    unit = 1e4 if run.manifest.get("data", {}).get("scale", "log") == "log" else 1.0
    for by, title in _TITLES.items():
        rows = scores[scores["by"] == by]
        mine = rows[(rows["model"] == model) & (rows["h"] == rows["h"].min())]
        said = ", ".join(
            f"{row['group']} {number(row['crps'], '.1f', unit)}" for row in mine.to_dict("records")
        )
        yield Picture(
            f"by-{by}",
            title,
            _HOWS[by],
            f"CRPS of {model} by {by}, {ahead(rows['h'].min())}: {said}.",
            [
                (ahead(h), group_chart(scores, by, int(h), models, unit))
                for h in sorted(rows["h"].unique())
            ],
        )


def by_ticker(run: RunFolder) -> Iterator[Any]:
    """CRPS, skill against the strongest baseline and coverage of every ticker."""
    scores, model = run.frame("scores.csv", _SCORES), run.model
    rows = scores[scores["by"] == "ticker"]
    rivals = strongest(run.frame("significance.csv", _SKILL), model).set_index("h")["baseline"]
    crps = rows.set_index(["group", "model", "h"])["crps"].to_dict()
    wide: dict[str, list[str]] = {}
    for row in rows[rows["model"] == model].sort_values(["group", "h"]).to_dict("records"):
        rival = crps.get((row["group"], rivals.get(row["h"]), row["h"]))
        skill = 1 - row["crps"] / rival if rival else None
        cells = [number(skill, "+.1f", 100), number(row["coverage_90"], ".1f", 100)]
        wide.setdefault(str(row["group"]), []).extend(cells)
    horizons = sorted(rows["h"].unique())
    header = ["ticker"]
    for h in horizons:
        header += [f"skill %, {h}", f"in 90 % band, {h}"]
    caption = (
        "By ticker and sessions ahead: CRPS skill against the strongest baseline "
        f"({', '.join(f'{rivals.get(h)} at {h}' for h in horizons)}), share of outcomes in the "
        "90 % band (%)"
    )
    yield Table(caption, header, [(name, *cells) for name, cells in wide.items()], folded=True)


def best_models(run: RunFolder) -> Iterator[Any]:
    """The model confidence set."""
    table = run.frame("confidence_set.csv", ["h", "model", "p_value", "included"])
    wide = table.assign(
        said=[
            number(p, ".2f") + ("" if str(inside) == "True" else ", out")
            for p, inside in zip(table["p_value"], table["included"], strict=True)
        ]
    ).pivot_table(values="said", index="model", columns="h", aggfunc="first", sort=False)
    rows = [
        (str(name), *map(str, row)) for name, row in zip(wide.index, wide.to_numpy(), strict=True)
    ]
    header = ("model", *(ahead(h) for h in wide.columns))
    yield Table(
        "Model confidence set: p-values; with 90 % probability the best model is among those that "
        "are not out",
        header,
        rows,
        folded=True,
    )


def direction(run: RunFolder) -> Iterator[Any]:
    """Signs called right, and whether the median is just today's price."""
    columns = ["model", "h", "hits", "p_value", "verdict"]
    table = run.frame("direction.csv", columns)
    rows = [
        (
            str(row["model"]),
            str(row["h"]),
            number(row["hits"], ".1f", 100),
            p_value(row["p_value"]),
            str(row["verdict"]),
        )
        for row in table.to_dict("records")
    ]
    yield Table(
        "Direction: share of signs called right (%), p of the Pesaran–Timmermann test, and whether "
        "the median is more than a copy of today's price",
        ("model", "sessions", "right %", "p", "the median is"),
        rows,
        left=(0, 4),
        folded=True,
    )


def _rivals(run: RunFolder, model: str) -> list[str]:
    if not run.has("significance.csv"):
        return []
    rows: pd.DataFrame = strongest(run.frame("significance.csv", _SKILL), model)
    return list(dict.fromkeys(rows["baseline"]))
