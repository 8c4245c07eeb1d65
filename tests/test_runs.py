import json
from datetime import date, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from forecast import runs
from forecast.drafts import new_run
from forecast.errors import InputError
from forecast.settings import Settings


def test_a_run_is_found_by_path_by_name_and_as_the_newest(tmp_path, finish):
    old, new = finish(tmp_path, "old"), finish(tmp_path, "new")
    assert runs.find_run(old, tmp_path / "elsewhere") == old
    assert runs.find_run(Path("old"), tmp_path) == old
    assert runs.find_run(None, tmp_path) == new
    assert runs.find_run(tmp_path / "latest", tmp_path) == new


def test_without_any_run_the_user_is_told_to_train_first(tmp_path):
    with pytest.raises(InputError, match=r"no run at .*latest; train first: forecast train"):
        runs.find_run(None, tmp_path / "nowhere")


def test_for_an_unknown_run_those_there_are_listed_without_drafts_and_links(tmp_path, finish):
    finish(tmp_path, "one")
    finish(tmp_path, "two")
    draft = tmp_path / ".three.partial"
    draft.mkdir()
    (draft / "manifest.json").write_text("{}")
    with pytest.raises(InputError, match=r"no run at three; runs there are: one, two\.$"):
        runs.find_run(Path("three"), tmp_path)


def test_a_folder_without_a_manifest_is_no_run(tmp_path):
    (tmp_path / "a").mkdir()
    with pytest.raises(InputError, match="no run at"):
        runs.find_run(tmp_path / "a", tmp_path)


def test_the_default_name_is_time_and_source(tmp_path):
    now = datetime(2026, 1, 31, 17, 5, 9)
    assert runs.default_name(tmp_path, "bundled", now) == "2026-01-31_17-05-09_bundled"
    assert Settings(name=runs.default_name(tmp_path, "sp500")).name


def test_default_names_of_one_second_differ_whether_the_other_run_is_done_or_not(
    tmp_path, everything
):
    now, names = datetime(2026, 1, 31, 17, 5, 9), []

    def another():
        names.append(runs.default_name(tmp_path, "csv", now))
        return new_run(tmp_path, names[-1])

    with another(), another():
        pass
    with another():
        pass
    assert names == [f"2026-01-31_17-05-09_csv{end}" for end in ("", "-2", "-3")]
    assert everything(tmp_path) == [*names, "latest"]


def test_json_knows_no_nan_and_no_numpy(tmp_path):
    path = tmp_path / "a.json"
    content = {
        "b": [float("nan"), np.float32(0.5), float("-inf"), np.int64(3)],
        "a": {1: None, "x": (True, np.bool_(False), "NaN")},
    }
    runs.write_json(path, content)
    assert path.read_text().index('"a"') < path.read_text().index('"b"')
    assert json.loads(path.read_text(), parse_constant=pytest.fail) == {
        "a": {"1": None, "x": [True, False, "NaN"]},
        "b": [None, 0.5, None, 3],
    }
    assert runs.read_json(path)["b"][3] == 3


def test_a_write_that_fails_leaves_the_old_file_whole(tmp_path, everything):
    path = tmp_path / "a.json"
    runs.write_json(path, {"old": 1})
    with pytest.raises(TypeError):
        runs.write_json(path, {"new": object()})
    assert runs.read_json(path) == {"old": 1}
    assert everything(tmp_path) == ["a.json"]


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_frame_is_written_without_its_index_and_nothing_beside_it(tmp_path, suffix, everything):
    frame = pd.DataFrame({"x": [1.5, np.nan], "name": ["a", "b"]}, index=[7, 8])
    path = tmp_path / f"a.{suffix}"
    runs.write_frame(path, frame)
    read = pd.read_csv(path) if suffix == "csv" else pd.read_parquet(path)
    pd.testing.assert_frame_equal(read, frame.reset_index(drop=True))
    assert everything(tmp_path) == [path.name]


@pytest.mark.parametrize("content", [None, "{", ""])
def test_a_manifest_that_is_missing_or_damaged_is_told(tmp_path, content):
    path = tmp_path / "manifest.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(InputError, match=r"manifest.json cannot be read: .*; train the run again"):
        runs.read_json(path)


def test_settings_come_back_as_they_were(tmp_path):
    settings = Settings(
        source="csv", csv=("a b.csv",), start=date(2001, 2, 3), tickers=("ON", "1e3")
    )
    runs.write_settings(tmp_path, settings)
    assert runs.read_settings(tmp_path) == settings


def test_the_name_of_a_run_is_not_among_its_settings_since_no_other_run_may_have_it(tmp_path):
    runs.write_settings(tmp_path, Settings(name="first", units=3))
    assert runs.read_settings(tmp_path) == Settings(units=3)


@pytest.mark.parametrize("content", ["units: nonsense", "units: [", "- 1", "unitz: 1", None])
def test_settings_that_were_spoiled_are_told(tmp_path, content):
    if content is not None:
        (tmp_path / "settings.yaml").write_text(content)
    with pytest.raises(InputError, match=r"settings.yaml cannot be read"):
        runs.read_settings(tmp_path)


def test_a_changed_byte_is_noticed(tmp_path):
    model = tmp_path / "a.keras"
    model.write_bytes(b"weights")
    runs.write_json(tmp_path / "manifest.json", {"files": {"a.keras": runs.file_sha256(model)}})
    assert runs.check_file(tmp_path, "a.keras") == model
    model.write_bytes(b"weighty")
    with pytest.raises(InputError, match=r"a.keras was changed since it was written"):
        runs.check_file(tmp_path, "a.keras")


def test_a_file_the_manifest_does_not_know_is_not_trusted(tmp_path):
    runs.write_json(tmp_path / "manifest.json", {"files": {}})
    (tmp_path / "b.keras").write_bytes(b"weights")
    with pytest.raises(InputError, match="do not trust it"):
        runs.check_file(tmp_path, "b.keras")
    with pytest.raises(InputError, match=r"c.keras is missing; train the run again"):
        runs.check_file(tmp_path, "c.keras")


def test_a_run_of_another_version_is_told_by_what_its_manifest_lacks(tmp_path, finish):
    run = finish(tmp_path, "old")
    with pytest.raises(
        InputError, match=r"has no data, splits, backtest, seeds: .* Train it again"
    ):
        runs.read_manifest(run)
    part = {"first": "2010-01-04", "last": "2011-01-03"}
    whole = {"data": {"tickers": ["A"]}, "splits": {"validation": part, "test": part}}
    whole |= {"backtest": {}, "files": {}, "seeds": [0]}
    runs.write_json(run / "manifest.json", whole)
    assert runs.read_manifest(run) == whole


@pytest.mark.parametrize(
    ("key", "value"), [("data", 1), ("data", {"tickers": []}), ("seeds", ["../x"]), ("splits", {})]
)
def test_a_manifest_that_was_tampered_with_is_told_by_the_part(tmp_path, key, value):
    part = {"first": "2010-01-04"}
    whole = {"data": {"tickers": ["A"]}, "splits": {"validation": part, "test": part}}
    whole |= {"backtest": {}, "files": {}, "seeds": [0]} | {key: value}
    runs.write_json(tmp_path / "manifest.json", whole)
    with pytest.raises(InputError, match=rf"cannot be used: {key}.*; train the run again"):
        runs.read_manifest(tmp_path)
