"""The page of measured skill says what its results say, and keeps those of earlier runs."""

import copy

import pytest

from forecast import runs
from forecast.errors import InputError
from forecast.jobs.skill_page import name_of, publish

RESULT = {
    "benchmark": "skill",
    "name": "sp500-2016-2022",
    "arguments": "--source sp500 --seeds 3",
    "splits": {
        "train": {"first": "1990-03-28", "last": "2012-11-30"},
        "validation": {"first": "2013-01-02", "last": "2015-12-02"},
        "test": {"first": "2016-01-04", "last": "2022-11-29"},
    },
    "tickers": 20,
    "horizon": 20,
    "origins": 34800,
    "cores": 2,
    "crps_1e4": {"lstm": {"5": 95.644, "20": 215.7}, "gjr": {"5": 96.29, "20": 216.3}},
    "coverage_90": {"lstm": {"5": 0.902, "20": 0.896}, "gjr": {"5": 0.909, "20": 0.908}},
    "skill": [
        {"baseline": name, "h": h, "crps_skill": skill, "p_value": 0.0314}
        for name, skill in (("ewma-t", 0.0086), ("gjr", -0.0027))
        for h in (5, 20)
    ],
    "skill_of_best": {"5": 0.68, "20": -0.27},
    "cost": {
        "fit_seconds": [18.2, 11.5],
        "seconds_to_beat_ewma_on_validation": [8.48, None],
        "forecast_seconds": 1.4153,
        "forecast_origins": 35200,
    },
}


@pytest.fixture
def figure(tmp_path):
    path = tmp_path / "figure.png"
    path.write_bytes(b"picture")
    return path


def test_a_skill_that_is_negative_or_never_reached_is_on_the_page(tmp_path, figure):
    page = tmp_path / "docs" / "skill.md"
    page.parent.mkdir()
    publish(RESULT, figure, page)
    text = page.read_text(encoding="utf-8")
    assert "% at 5 / 20 sessions" in text
    assert "+0.68 / -0.27" in text
    assert "-0.27 (0.031) / -0.27 (0.031)" in text
    assert "| lstm | 95.64 | 215.70 | 90.2 | 89.6 |" in text
    assert "after 8.5, never s" in text
    assert "`python scripts/bench_skill.py --source sp500 --seeds 3`" in text
    assert "2016-01-04 to 2022-11-29" in text
    assert (page.parent / "skill" / "sp500-2016-2022.png").read_bytes() == b"picture"
    assert runs.read_json(page.parent / "skill" / "sp500-2016-2022.json") == RESULT


def test_a_second_result_joins_the_first_and_replaces_its_own(tmp_path, figure):
    page = tmp_path / "skill.md"
    publish(RESULT, figure, page)
    other = copy.deepcopy(RESULT) | {"name": "bundled-2010-2012", "origins": 1}
    publish(other, figure, page)
    for row in other["skill"]:
        row["p_value"] = 1e-5
    publish(other | {"origins": 4321}, figure, page)
    text = page.read_text(encoding="utf-8")
    assert text.count("## bundled-2010-2012") == text.count("## sp500-2016-2022") == 1
    assert "4,321" in text
    assert "-0.27 (< 0.001) / -0.27 (< 0.001)" in text
    assert text.index("## bundled-2010-2012") < text.index("## sp500-2016-2022")


def test_peers_stand_apart_with_what_they_cost(tmp_path):
    cost = {"lstm": {"params": 5000, "fit_seconds": 12.4, "backtest_seconds": 1.41}}
    peers = {name: RESULT[name] for name in ("splits", "origins", "crps_1e4", "coverage_90")} | {
        "benchmark": "peers",
        "name": "peers-sp500-2016-2022",
        "cost": cost,
    }
    page = tmp_path / "skill.md"
    publish(peers, None, page)
    text = page.read_text(encoding="utf-8")
    assert "| lstm | 5,000 | 12 | 1.4 |" in text
    assert "By part of the history" not in text


def test_a_page_in_no_folder_is_told(tmp_path, figure):
    (tmp_path / "skill").write_text("a file where the results should lie")
    with pytest.raises(InputError, match="--page"):
        publish(RESULT, figure, tmp_path / "skill.md")


def test_the_name_says_source_and_years():
    assert name_of("bundled", RESULT["splits"]) == "bundled-2016-2022"
