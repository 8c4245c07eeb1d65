"""What the conformal adjustment changed, and whether the low quantiles can carry a risk report."""

from collections.abc import Iterator
from typing import Any

import pandas as pd

from forecast.evaluation.conformal import SUFFIX
from forecast.evaluation.risk import risk_summary
from forecast.report.parts import Table
from forecast.report.reading import RunFolder
from forecast.report.words import number, p_value

_BANDS = (50, 80, 90, 98)
_RISK = ["model", "h", "level", "unique_id", "outcomes", "violations"]
_TESTS = ["kupiec", "christoffersen", "kupiec_holm", "christoffersen_holm"]


def before_and_after(run: RunFolder) -> Iterator[Any]:
    """Coverage and width of the bands, as forecast and after the conformal adjustment."""
    columns = [f"{what}_{band}" for what in ("coverage", "width") for band in _BANDS]
    scores = run.frame("scores.csv", ["by", "model", "h", *columns])
    means = scores[scores["by"] == "all"].set_index(["model", "h"])
    model, rows = run.model, []
    for h in sorted(means.loc[model].index):
        before = means.loc[(model, h)]
        for band in _BANDS:
            after = means.loc[(model + SUFFIX, h)]
            change = after[f"width_{band}"] / before[f"width_{band}"] - 1
            rows.append(
                (
                    f"{band} % band, {h} ahead",
                    number(before[f"coverage_{band}"], ".1f", 100),
                    number(after[f"coverage_{band}"], ".1f", 100),
                    number(change, "+.1f", 100),
                )
            )
    yield Table(
        f"Bands of {model} as forecast and after the conformal adjustment, which widens or narrows "
        "them by what earlier test forecasts got wrong: outcomes inside (%), change of the mean "
        "width (%)",
        ("band", "inside before", "inside after", "width"),
        rows,
    )


def value_at_risk(run: RunFolder) -> Iterator[Any]:
    """The 1 and 5 % quantiles with the tests of Kupiec and Christoffersen, over all tickers."""
    risk = run.frame("risk.csv", [*_RISK, *_TESTS])
    summary = risk_summary(risk).sort_values(["level", "h"])
    yield Table(
        "Value at risk: share of outcomes below the 1 and 5 % quantiles (%), and of how many "
        "tickers that share (Kupiec) or its clustering (Christoffersen) is beyond chance "
        "(5 %, Holm over tickers)",
        ("model", "quantile", "sessions", "below %", "Kupiec", "Christoffersen", "tickers"),
        [
            (
                str(row["model"]),
                f"{number(row['level'], 'g', 100)} %",
                str(row["h"]),
                number(row["violations"], ".1f", 100),
                str(row["kupiec_rejected"]),
                str(row["christoffersen_rejected"]),
                str(row["tickers"]),
            )
            for row in summary.to_dict("records")
        ],
        folded=True,
    )
    yield _by_ticker(risk[risk["model"] == run.model], run.model)


def _by_ticker(risk: pd.DataFrame, model: str) -> Table:
    return Table(
        f"Value at risk of {model} by ticker: share of outcomes below the quantile (%), p-values "
        "before Holm's correction",
        ("ticker", "quantile", "sessions", "outcomes", "below %", "Kupiec", "Christoffersen"),
        [
            (
                str(row["unique_id"]),
                f"{number(row['level'], 'g', 100)} %",
                str(row["h"]),
                str(row["outcomes"]),
                number(row["violations"], ".1f", 100),
                p_value(row["kupiec"]),
                p_value(row["christoffersen"]),
            )
            for row in risk.sort_values(["unique_id", "level", "h"]).to_dict("records")
        ],
        folded=True,
    )
