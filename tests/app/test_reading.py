import json
import shutil

import pytest

from forecast.app import reading
from forecast.errors import InputError
from forecast.jobs.following import keep_progress
from forecast.report.reading import RunFolder


@pytest.fixture(scope="module")
def run(make_run):
    return make_run()


@pytest.fixture
def runs_dir(run, tmp_path):
    """A folder with two runs, a broken one, one in progress and what else lies about."""
    for name in ("first", "second", "torn"):
        shutil.copytree(run, tmp_path / name)
    (tmp_path / "torn" / "manifest.json").write_text('{"data": ')
    (tmp_path / ".third.partial").mkdir()
    (tmp_path / ".hidden").mkdir()
    (tmp_path / "studies").mkdir()
    (tmp_path / "note.txt").write_text("no run")
    (tmp_path / "latest").symlink_to("second", target_is_directory=True)
    return tmp_path


def change(run, name, **what):
    """Change a JSON file of a run."""
    content = json.loads((run / name).read_text())
    content |= what
    (run / name).write_text(json.dumps(content))


def test_whole_broken_and_unfinished_runs_are_listed_and_nothing_else(runs_dir):
    entries = {entry.name: entry for entry in reading.list_runs(runs_dir)}
    states = {name: entry.state for name, entry in entries.items()}
    assert states == {
        "first": "whole", "second": "whole", "torn": "broken", "third": "in progress"
    }  # fmt: skip
    assert "manifest.json cannot be read" in entries["torn"].problem
    assert entries["first"].tickers == 2
    assert list(entries["first"].crps) == [1, 5]


def test_the_newest_comes_first_after_those_in_progress(runs_dir):
    change(runs_dir / "first", "manifest.json", created="2026-01-02T00:00:00+00:00")
    change(runs_dir / "second", "manifest.json", created="2026-01-01T00:00:00+00:00")
    names = [entry.name for entry in reading.list_runs(runs_dir)]
    assert names[:3] == ["third", "first", "second"]


@pytest.mark.parametrize("name", ["metrics.json", "significance.csv", "manifest.json"])
@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"a,b\n1,2\n", b"\x00\xff"])
def test_whatever_a_run_holds_the_others_are_listed(runs_dir, name, content):
    (runs_dir / "first" / name).write_bytes(content)
    states = {entry.name: entry.state for entry in reading.list_runs(runs_dir)}
    assert states["first"] == "broken"
    assert states["second"] == "whole"


def test_a_folder_that_is_not_there_is_told(tmp_path):
    with pytest.raises(InputError, match=r"none cannot be read: No such file.*folder of your runs"):
        reading.list_runs(tmp_path / "none")


def test_two_runs_are_compared_score_by_score(runs_dir):
    metrics = json.loads((runs_dir / "second" / "metrics.json").read_text())["models"]
    metrics["lstm"]["crps"]["5"] *= 1.5
    change(runs_dir / "second", "metrics.json", models=metrics)
    frame = reading.compare_scores(RunFolder(runs_dir / "first"), RunFolder(runs_dir / "second"))
    assert frame.loc["CRPS (log return), 5 ahead", "ratio"] == pytest.approx(1.5)
    assert frame.loc["CRPS (log return), 1 ahead", "ratio"] == 1


def test_only_the_settings_that_differ_are_compared(runs_dir):
    path = runs_dir / "second" / "settings.yaml"
    path.write_text(path.read_text().replace("units: 4", "units: 9"))
    one, other = RunFolder(runs_dir / "first"), RunFolder(runs_dir / "second")
    frame = reading.compare_settings(one, other)
    assert frame.to_dict("index") == {"units": {"first": "4", "second": "9"}}


def test_runs_on_other_prices_or_dates_are_not_called_comparable(runs_dir):
    one, other = RunFolder(runs_dir / "first"), RunFolder(runs_dir / "second")
    assert reading.comparable(one, other) == ""
    data, splits = other.manifest["data"], other.manifest["splits"]
    late = splits | {"test": {"first": "2020-01-01", "last": "2021-01-01"}}
    change(runs_dir / "second", "manifest.json", splits=late)
    assert "other dates" in reading.comparable(one, other)
    fewer = data | {"tickers": data["tickers"][1:]}
    change(runs_dir / "second", "manifest.json", data=fewer)
    assert f"scored on {data['tickers'][0]}" in reading.comparable(one, other)
    change(runs_dir / "second", "manifest.json", data=data | {"sha256": "other"})
    assert "other prices" in reading.comparable(one, other)


def test_progress_is_read_and_its_absence_told(tmp_path):
    with pytest.raises(InputError, match="has not finished an epoch yet"):
        reading.read_progress(tmp_path)
    (tmp_path / "checkpoint").mkdir()
    keep = keep_progress(tmp_path, {"model": "lstm", "seed": 0, "epochs": 30})
    for loss in (0.59, 0.58):  # the same epoch, done again after a stop
        keep({"epoch": 1, "val_loss": loss})
    assert reading.read_progress(tmp_path)["val_loss"].tolist() == [0.58]
