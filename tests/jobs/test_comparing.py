"""What benchmarks are asked, and what they print and write."""

import io

import pandas as pd
from rich.console import Console

from forecast import runs
from forecast.jobs.comparing import make_parser, say_skill, settings_of, told, write_result
from forecast.jobs.terminal import Terminal
from forecast.plots import plot_skill


def test_borders_that_are_given_go_before_those_of_the_source():
    parser = make_parser("what it does", "skill", seeds=3)
    plain, given = (parser.parse_args(a) for a in ([], ["--test-start", "2017-01-03"]))
    assert str(settings_of(plain).test_start) == "2016-01-01"
    assert str(settings_of(given).test_start) == "2017-01-03"
    assert settings_of(parser.parse_args(["--source", "bundled"])).test_start is None
    assert told(given) == "--source sp500 --test-start 2017-01-03 --seeds 3"


def skill():
    rows = [
        ("lstm", name, h, s, p, "better")
        for name, s, p in (("gjr", 0.0067, 0.0), ("ewma-t", -0.002, 0.0314))
        for h in (1, 5)
    ]
    columns = ["model", "baseline", "h", "crps_skill", "p_value", "verdict"]
    return pd.DataFrame(rows, columns=columns)


def test_skill_is_printed_in_per_cent_with_its_p_value():
    out = io.StringIO()
    say_skill(skill(), ["ewma-t", "gjr"], Terminal(console=Console(file=out, width=120)))
    said = [line.split() for line in out.getvalue().splitlines()]
    assert ["ewma-t", *["-0.20", "(p", "0.031)"] * 2] in said
    assert ["gjr", *["+0.67", "(p", "<", "0.001)"] * 2] in said


def test_a_result_is_written_beside_its_figure_and_said(tmp_path, capsys):
    path = tmp_path / "skill.json"
    arguments = make_parser(None, "skill", seeds=1).parse_args(["--json", str(path)])
    write_result({"benchmark": "skill", "crps": 1.5}, arguments, plot_skill(skill()))
    assert runs.read_json(path)["crps"] == 1.5
    assert path.with_suffix(".png").stat().st_size > 10_000
    assert f"written: {path}, {path.with_suffix('.png')}" in capsys.readouterr().out
