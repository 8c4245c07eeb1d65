import numpy as np
import pandas as pd
import pytest

from forecast.evaluation.risk import kupiec
from forecast.report.inside import gates_and_price
from forecast.report.reading import RunFolder
from forecast.report.risk import before_and_after, value_at_risk


def test_the_bands_are_shown_before_and_after_the_adjustment(run):
    (table,) = before_and_after(RunFolder(run))
    scores = pd.read_csv(run / "scores.csv")
    every = scores[scores["by"] == "all"].set_index(["model", "h"])
    before, after = every.loc[("lstm", 5)], every.loc[("lstm+conformal", 5)]
    (row,) = (row for row in table.rows if row[0] == "90 % band, 5 ahead")
    width = 100 * (after["width_90"] / before["width_90"] - 1)
    assert row[1:3] == (f"{100 * before['coverage_90']:.1f}", f"{100 * after['coverage_90']:.1f}")
    assert row[3] == f"{width:+.1f}".replace("-", "−")


def test_value_at_risk_is_told_over_all_tickers_and_by_ticker(run):
    summary, by_ticker = value_at_risk(RunFolder(run))
    risk = pd.read_csv(run / "risk.csv")
    mine = risk[(risk["model"] == "lstm") & (risk["level"] == 0.05) & (risk["h"] == 1)]
    share = (mine["violations"] * mine["outcomes"]).sum() / mine["outcomes"].sum()
    (row,) = (row for row in summary.rows if row[:3] == ("lstm", "5 %", "1"))
    assert row[3] == f"{100 * share:.1f}"
    assert row[6] == str(len(mine))
    first = mine.iloc[0]
    (row,) = (r for r in by_ticker.rows if r[:3] == (first["unique_id"], "5 %", "1"))
    hits = np.zeros(int(first["outcomes"]))
    hits[: round(first["violations"] * first["outcomes"])] = 1
    assert row[5] == f"{kupiec(hits, 0.05):.3f}"


def test_gates_stand_under_the_price_of_the_same_sessions(copy_of):
    days = pd.bdate_range("2020-01-01", periods=30)
    rows = [
        (day, when, gate, unit, 0.5 + 0.01 * k + 0.1 * unit)
        for k, day in enumerate(days)
        for when in ("untrained", "trained")
        for gate in ("forget", "input", "output")
        for unit in (0, 1)
    ]
    gates = pd.DataFrame(rows, columns=["ds", "when", "gate", "unit", "value"])
    (copy_of / "explain" / "AAA").mkdir(parents=True)
    gates.assign(model="lstm", ticker="AAA").to_parquet(copy_of / "explain" / "AAA/gates.parquet")
    price = np.linspace(30, 10, 40)
    panel = pd.DataFrame({"ds": pd.bdate_range("2020-01-01", periods=40), "adj_close": price})
    others = panel.assign(unique_id="BBB", adj_close=price[::-1])
    both = pd.concat([panel.assign(unique_id="AAA"), others])
    both.to_parquet(copy_of / "panel.parquet")
    (picture,) = gates_and_price(RunFolder(copy_of))
    assert "0.840 at the lowest price, on 2020-02-11" in picture.alt
    ((_, stack),) = picture.charts
    above, below = stack.layout.children
    assert above.x_range is below.x_range
    assert list(above.renderers[0].data_source.data["ds"]) == list(days.to_numpy())
    trained = next(line for line in below.renderers if line.glyph.line_width == 2.2)
    assert trained.data_source.data["value"] == pytest.approx(0.55 + 0.01 * np.arange(30))


def test_a_run_nobody_looked_into_has_no_picture_of_gates(run):
    assert list(gates_and_price(RunFolder(run))) == []
