"""What the forecasts of a run were worth, evening by evening: from the ledger beside the runs."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
from bokeh.models import ColumnDataSource, Span
from bokeh.plotting import figure

from forecast.command_settings import LEDGER
from forecast.counts import ahead
from forecast.evaluation.track import RECENT, drift_alarms, rolling_coverage, track_record
from forecast.ledger import open_ledger
from forecast.plots.style import REFERENCE
from forecast.report.charts.look import date_axis, hover, ink_of, legend_below, new_figure
from forecast.report.parts import Picture, Table, Text
from forecast.report.reading import RunFolder
from forecast.report.words import number, p_value
from forecast.runs import networks_sha256

HEADER = (
    "network", "against", "made", "sessions ahead", "outcomes", "CRPS skill (%)", "p",
    "in 90 % band (%)", "verdict",
)  # fmt: skip
#: What the words of the table mean.
MEANING = (
    "Skill is the share of the baseline's CRPS that the network saved, p that of a Diebold–Mariano "
    "test. Live forecasts were made before the next session had closed, caught up ones later, from "
    "data up to their close alone."
)


def live_record(run: RunFolder) -> Iterator[Any]:
    """The track record of a run; nothing where there is no ledger or none of its forecasts."""
    path = run.path.resolve().parent / LEDGER
    if not path.is_file():
        return
    sha256 = networks_sha256(run.manifest, run.model)
    scores = scores_of(path)
    mine = scores["model_sha256"] == sha256
    if mine.any():
        others = scores["model"] != run.model
        yield from record_parts(scores[mine | others], run.model)


def scores_of(path: Path) -> pd.DataFrame:
    """Every scored forecast of a ledger."""
    with open_ledger(path, read_only=True) as ledger:
        return ledger.scores()


def record_parts(scores: pd.DataFrame, network: str) -> Iterator[Any]:
    """Alarms, rolling coverage and the table of one network's track record."""
    alarms = [alarm.words for alarm in drift_alarms(scores, [network])]
    lines = ["Recent forecasts are off:", *alarms] if alarms else ["None, as far as one can tell."]
    yield Text(lines, "Drift alarms")
    rolled = rolling_coverage(scores[scores["model"] == network])
    if len(rolled):
        last = rolled.groupby("h")["coverage_90"].last()
        said = "; ".join(f"{ahead(h)} {number(of, '.0f', 100)} %" for h, of in last.items())
        yield Picture(
            "live-coverage",
            f"Share of outcomes in the 90 % band over {RECENT} cutoffs",
            "Near 90 % the bands hold what they promise; below it the network is too sure of "
            "itself.",
            f"Rolling coverage of the 90 % band of {network}; at the end: {said}.",
            [("", coverage_chart(rolled, network))],
        )
    yield Table(
        "Track record by sessions ahead", HEADER, record_rows(scores, network), (0, 1, 2, 8)
    )
    yield Text([MEANING])


def record_rows(scores: pd.DataFrame, network: str) -> list[tuple[str, ...]]:
    """The track record as text, one row per baseline, horizon and way the forecasts were made."""
    return [
        (
            str(row["model"]),
            str(row["baseline"]),
            str(row["made"]),
            str(row["h"]),
            number(row["origins"], ","),
            number(row["crps_skill"], "+.2f", 100),
            p_value(row["p_value"]),
            number(row["coverage_90"], ".1f", 100),
            str(row["verdict"]),
        )
        for row in track_record(scores, [network]).to_dict("records")
    ]


def coverage_chart(rolled: pd.DataFrame, network: str) -> figure:
    """Draw `rolling_coverage` (%) by cutoff, one line per horizon."""
    low = min(80.0, 100 * rolled["coverage_90"].min() - 2)
    chart = new_figure(260, y="in the 90 % band (%)", x_axis_type="datetime", y_range=(low, 101.0))
    date_axis(chart)
    chart.add_layout(Span(location=90, dimension="width", line_color=REFERENCE))
    items = []
    dashes: list[Any] = ["solid", (6, 3), (2, 2), (8, 2, 2, 2)]
    for place, (h, of) in enumerate(rolled.groupby("h")):
        source = ColumnDataSource({"x": of["cutoff"], "y": 100 * of["coverage_90"]})
        dash = dashes[place % len(dashes)]
        line = chart.line(
            "x", "y", source=source, color=ink_of(network), line_width=2, line_dash=dash
        )
        hover(chart, [("", ahead(h)), ("in the band", "@y{0.0} %")], [line])
        items.append((ahead(h), [line]))
    legend_below(chart, items)
    return chart
