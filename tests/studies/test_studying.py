import io
from contextlib import nullcontext

import pandas as pd
import pytest
from PIL import Image
from rich.console import Console

from forecast import runs
from forecast.cli import main
from forecast.command_settings import StudySettings
from forecast.engine import Here
from forecast.errors import InputError
from forecast.jobs import studying
from forecast.jobs.terminal import Terminal
from forecast.studies import NAMES, Study, chosen


@pytest.fixture
def run(doubling, tmp_path, monkeypatch):
    """Run the study that doubles in this process; return the numbers measured and what was said."""

    monkeypatch.setattr(studying, "workers", lambda how, apart: nullcontext(Here()))

    def call(**how):
        calls = []
        console = Console(width=160, file=io.StringIO())
        study = doubling(calls)
        studying.run_studies([study], StudySettings(**how), tmp_path, Terminal(console=console))
        return calls, console.file.getvalue()

    return call


def test_a_study_writes_frame_figure_and_result_and_tells_its_verdict(run, tmp_path):
    calls, said = run()
    folder = tmp_path / "doubling"
    assert len(calls) == 6
    assert len(pd.read_parquet(folder / "result.parquet")) == 12
    with Image.open(folder / "figure.png") as figure:
        assert figure.width > 400
    result = runs.read_json(folder / "result.json")
    assert result["seeds"] == 3
    assert result["claims"] == [
        {
            "says": "Twice two is four",
            "published": "4",
            "paper": "Peano 1889",
            "ours": "6",
            "verdict": "confirmed",
        }
    ]
    assert "claim      Twice two is four" in said
    assert "published  4 (Peano 1889)" in said
    assert "ours       6" in said
    assert "verdict    confirmed" in said


def test_what_is_finished_is_not_measured_again(run):
    assert len(run(seeds=1)[0]) == 2
    calls, said = run(seeds=2)
    assert len(calls) == 2
    assert "4 measurements, 2 done before" in said
    assert run(seeds=2)[0] == []


def test_a_damaged_unit_alone_is_measured_again(run, tmp_path):
    run(seeds=2)
    damaged = next((tmp_path / "doubling" / "units").iterdir())
    damaged.write_bytes(b"")
    assert len(run(seeds=2)[0]) == 1


def test_quick_results_never_replace_full_ones(run, tmp_path):
    run()
    full = (tmp_path / "doubling" / "result.json").read_text()
    assert len(run(quick=True)[0]) == 1
    assert (tmp_path / "doubling" / "result.json").read_text() == full
    assert runs.read_json(tmp_path / "doubling-quick" / "result.json")["quick"] is True


def test_the_page_holds_the_claims_and_figures_of_all_results_beside_it(run, tmp_path, monkeypatch):
    monkeypatch.setattr("forecast.studies.page.NAMES", ("absent", "doubling"))
    page = tmp_path / "docs" / "studies.md"
    run(page=page)
    text = page.read_text()
    assert "| [doubling](#doubling) | Twice two is four | 4 (Peano 1889) | 6 | confirmed |" in text
    assert "Two numbers | doubled (3 seeds)" in text
    assert "![Twice a number](studies/doubling.png)" in text
    assert (page.parent / "studies" / "doubling.png").is_file()
    assert "absent" not in text


def test_a_folder_that_cannot_be_made_is_told(run, tmp_path):
    (tmp_path / "doubling").write_text("a file")
    with pytest.raises(InputError, match=r"doubling cannot be made: .*; choose another --out"):
        run()


def test_ctrl_c_says_where_the_finished_part_is(run, tmp_path, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt
        yield

    monkeypatch.setattr(studying, "run_units", interrupted)
    lines = []
    monkeypatch.setattr(Terminal, "line", lambda self, text: lines.append(text))
    with pytest.raises(KeyboardInterrupt):
        run()
    assert f"finished is kept in {tmp_path / 'doubling'}; the same command goes on" in lines[-1]


@pytest.mark.parametrize("name", ["costs", "", "ALL"])
def test_an_unknown_study_is_told_with_the_nearest_name(name, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["study", name])
    assert stopped.value.code == 2
    said = capsys.readouterr().err
    assert f"there is no study {name!r}" in said
    assert "cost" in said
    if name == "costs":
        assert "did you mean cost? " in said


def test_every_study_is_listed_and_complete():
    studies = chosen("all")
    assert [study.name for study in studies] == list(NAMES)
    for study in studies:
        assert isinstance(study, Study)
        assert study.claims
        for quick in (True, False):
            units = study.units(quick)
            keys = {study.key(unit) for unit in units}
            assert len(keys) == len(units) > 0
        assert study.seeds >= 3
