import io
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from forecast.evaluation.backtest import make_cutoffs, walk_forward
from forecast.evaluation.risk import risk_summary
from forecast.evaluation.scorecard import make_scorecard, with_conformal
from forecast.jobs.details import (
    bands_table,
    direction_of,
    group_of,
    means_table,
    risk_of,
    tickers_of,
)
from forecast.jobs.terminal import Terminal
from forecast.jobs.units import crps_unit
from forecast.jobs.verdicts import alike, p_value, say_verdicts
from forecast.models.baselines import BASELINES


@pytest.fixture(scope="module")
def card(make_panel):
    """An EWMA whose bands are half as wide as they should be, against two baselines."""
    panel = make_panel(tickers=2, sessions=700, seed=3)
    until = panel.sessions[399]
    models = {name: BASELINES[name]().fit(panel, until) for name in ("ewma-t", "drift")}
    walked = walk_forward(
        models, panel, make_cutoffs(panel, panel.sessions[400], horizon=5), (1, 5)
    )
    narrow = walked.quantiles["ewma-t"] / 2
    backtest = replace(walked, quantiles={"net": narrow, "twin": narrow, **walked.quantiles})
    networks = ["net", "twin"]
    whole = with_conformal(backtest, panel, networks)
    return make_scorecard(whole, panel, until, networks, ["ewma-t", "drift"])


def said(card, quiet=False):
    screen = io.StringIO()
    say_verdicts(card, "log", Terminal(quiet, Console(file=screen, width=300)))
    return screen.getvalue()


def test_the_verdict_says_in_words_what_the_frame_says(card):
    text = said(card)
    row = card.significance.set_index(["model", "baseline", "h"]).loc[("net", "ewma-t", 1)]
    assert row["verdict"] == "worse"
    told = f"ewma-t {100 * row['crps_skill']:+.2f} ({p_value(row['p_value'])})"
    lines = [line.strip() for line in text.splitlines()]
    one = lines[lines.index("1 session ahead") + 1 : lines.index("5 sessions ahead")]
    (worse,) = [line for line in one if line.startswith("worse than ")]
    assert told in worse


def test_two_networks_of_which_the_same_is_said_are_told_once(card):
    text = said(card)
    assert text.count("net and twin\n") == 1
    assert text.count("1 session ahead\n") == 1
    assert alike({"a": [1], "b": [2], "c": [1]}) == [("a and c", [1]), ("b", [2])]


def test_scores_are_printed_best_first_with_the_adjusted_beside_them(card):
    table = [line.split() for line in said(card).split("Verdicts")[0].splitlines()]
    rows = {row[0]: row for row in table if len(row) == 5}
    means = card.means[card.means["h"] == 1].sort_values("crps")
    assert list(rows) == list(means["model"])
    drift = means.set_index("model").loc["drift"]
    assert rows["drift"][1] == f"{1e4 * drift['crps']:.2f}"
    assert rows["drift"][3] == f"{100 * drift['coverage_90']:.1f}"


def test_the_copy_detector_and_the_power_note_stand_with_the_verdicts(card):
    text = said(card, quiet=True)
    assert "Copy detector: the median of net and twin is today's price" in text
    row = card.direction.set_index(["model", "h"]).loc[("net", 5)]
    assert f"{row['corr_today']:.4f} and {row['corr_future']:.4f} at 5" in text
    assert "Models that may be the best (model confidence set, 90 %)" in text


def test_tables_hold_the_numbers_of_the_files(card):
    one = card.means[card.means["h"] == 1]
    net = one.set_index("model").loc["net"]
    _, header, rows = means_table(one, crps_unit("log"), "USD")
    row = dict(zip(header, next(r for r in rows if r[0] == "net"), strict=True))
    assert row["CRPS"] == f"{1e4 * net['crps']:.2f}"
    assert row["pinball 95 %"] == f"{1e4 * net['pinball_95']:.2f}"
    assert row["R² %"] == "0.00"
    title, header, rows = bands_table(one, "log")
    cells = {r[0]: dict(zip(header, r, strict=True)) for r in rows}
    assert cells["net"]["in 90 %"] == f"{100 * net['coverage_90']:.1f}"
    assert float(cells["net+conformal"]["in 90 %"]) > float(cells["net"]["in 90 %"])
    assert "1e-2 log return" in title
    title, _, _ = bands_table(one, "linear")
    assert "(value)" in title


def test_direction_and_risk_are_told_with_their_tests(card):
    _, header, rows = direction_of(card)
    cells = {row[0]: row for row in rows}
    assert header == ["", "1", "5"]
    assert cells["net"][1] == "no direction; today's price"
    drift = card.direction.set_index(["model", "h"]).loc[("drift", 1)]
    assert cells["drift"][1].startswith(f"{100 * drift['hits']:.1f} ({p_value(drift['p_value'])}")
    level = risk_summary(card.risk).query("level == 0.05")
    _, _, rows = risk_of(level, 0.05)
    assert next(row for row in rows if row[0] == "net")[1].endswith(", 2 and 2 of 2")


def test_groups_and_tickers_are_told_for_each_horizon(card):
    _, _, rows = tickers_of(card, "net")
    assert {row[0]: row[1] for row in rows}["ewma-t"] == "better 0, worse 2 of 2"
    title, _, rows = group_of(card, "net", "regime", crps_unit("log"))
    assert [row[0] for row in rows] == ["calm", "normal", "stormy"]
    assert "ewma-t at 1" in title
    table = card.scores.set_index(["by", "group", "model", "h"])["crps"]
    mine, rival = (table["regime", "calm", name, 1] for name in ("net", "ewma-t"))
    assert rows[0][1].startswith(f"{1e4 * mine:.2f}, {100 * (1 - mine / rival):+.1f}, ")


def test_a_p_value_is_never_told_as_zero():
    assert p_value(0.0004) == "p < 0.001"
    assert p_value(0.0421) == "p 0.042"
    assert p_value(np.nan, "12 dates; 20 are needed") == "12 dates; 20 are needed"
