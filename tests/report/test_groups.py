import pandas as pd
import pytest

from forecast.report.charts.groups import group_chart
from forecast.report.groups import by_ticker
from forecast.report.reading import RunFolder


def test_a_chart_shows_the_scores_of_its_groups_and_models_alone(run):
    scores = pd.read_csv(run / "scores.csv", dtype={"group": "str"})
    chart = group_chart(scores, "regime", 5, ["lstm", "drift"], 1e4)
    assert list(chart.x_range.factors) == ["calm", "normal", "stormy"]
    rows = scores[(scores["by"] == "regime") & (scores["h"] == 5)]
    for glyph, model in zip(chart.renderers, ["lstm", "drift"], strict=True):
        expected = 1e4 * rows[rows["model"] == model]["crps"]
        assert glyph.data_source.data["crps"] == pytest.approx(expected.to_numpy())


def test_the_skill_of_a_ticker_is_against_the_strongest_baseline(run):
    (table,) = by_ticker(RunFolder(run))
    skill = pd.read_csv(run / "significance_by_ticker.csv")
    ticker, first, *_ = table.rows[0]
    baseline = table.caption.split("strongest baseline (")[1].split(" at 1")[0]
    row = skill[
        (skill["unique_id"] == ticker) & (skill["h"] == 1) & (skill["baseline"] == baseline)
    ].iloc[0]
    assert first == f"{100 * row['crps_skill']:+.1f}".replace("-", "−")


def test_nothing_to_draw_is_told(run):
    scores = pd.read_csv(run / "scores.csv", dtype={"group": "str"})
    with pytest.raises(ValueError, match="by regime for h = 3 got a frame without rows"):
        group_chart(scores, "regime", 3, ["lstm"], 1)
