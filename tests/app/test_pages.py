import shutil

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from forecast.app import pages
from forecast.jobs.following import keep_progress


@pytest.fixture(scope="module")
def runs_dir(make_run, tmp_path_factory):
    folder, run = tmp_path_factory.mktemp("app"), make_run()
    shutil.copytree(run, folder / "first")
    shutil.copytree(run, folder / "second")
    (folder / "torn").mkdir()
    (folder / "torn" / "manifest.json").write_text("{")
    (folder / ".live.partial" / "checkpoint").mkdir(parents=True)
    about = {"model": "lstm", "seed": 0, "epochs": 30}
    keep = keep_progress(folder / ".live.partial", about)
    for epoch in (1, 2, 3):
        keep({"epoch": epoch, "loss": 0.6, "val_loss": 0.6 - epoch / 100, "gradient_norm": 0.02})
    return folder


@pytest.fixture
def show(runs_dir):
    """Return a function that shows a page and checks that it wrote nothing."""

    def script(name, folder):
        from pathlib import Path

        from forecast.app import pages

        getattr(pages, name)(Path(folder))

    def go(name, folder=runs_dir):
        before = {path: path.stat().st_mtime_ns for path in runs_dir.rglob("*")}
        page = AppTest.from_function(script, args=(name, str(folder)), default_timeout=30).run()
        assert {path: path.stat().st_mtime_ns for path in runs_dir.rglob("*")} == before
        assert not page.exception
        return page

    return go


def test_the_runs_are_listed_with_what_is_wrong_with_the_broken_one(show):
    page = show("runs_page")
    listed = page.dataframe[0].value.set_index("run")
    assert set(listed["state"]) == {"whole", "broken", "in progress"}
    assert "manifest.json cannot be read" in listed.loc["torn", "verdict"]
    assert page.selectbox(key="run").options == ["second", "first"]


def test_an_empty_folder_says_how_to_begin(show, tmp_path):
    assert "forecast train" in show("runs_page", tmp_path).info[0].value


def test_a_folder_that_is_gone_is_told(show, tmp_path):
    assert "cannot be read" in show("runs_page", tmp_path / "none").error[0].value


def test_two_runs_are_compared(show):
    page = show("compare_page")
    assert (page.dataframe[0].value["ratio"] == 1).all()
    assert "None." in [text.value for text in page.markdown]
    page.selectbox(key="other").select("second").run()
    assert "two different runs" in page.info[0].value


def test_a_run_that_breaks_while_it_is_looked_at_is_told(show, runs_dir, tmp_path):
    shutil.copytree(runs_dir / "first", tmp_path / "one")
    shutil.copytree(runs_dir / "first", tmp_path / "two")
    (tmp_path / "two" / "history.csv").write_text("")
    assert "history.csv cannot be read" in show("compare_page", tmp_path).error[0].value


def test_a_training_in_progress_is_followed(show):
    page = show("training_page")
    assert page.subheader[0].value == "live"
    assert "epoch 3 of at most 30; best validation CRPS 0.5700 in epoch 3" in page.markdown[0].value


def test_a_ticker_is_forecast_when_the_button_is_pressed(show, monkeypatch):
    asked = []

    def forecast_now(path, changed_at, ticker):
        asked.append((path.name, ticker))
        frame = pd.DataFrame({"unique_id": [ticker], "lstm": [1.0]})
        return {"frame": frame, "chart": "<p>chart</p>", "notes": ["a remark"]}

    monkeypatch.setattr(pages, "newest_of", forecast_now)
    page = show("forecast_page")
    assert asked == []
    page.selectbox(key="ticker").select("S01")
    page.button(key="go").click().run()
    assert asked == [("second", "S01")]
    assert page.dataframe[0].value["unique_id"].tolist() == ["S01"]
    assert "a remark" in [text.value for text in page.caption]


def test_markdown_in_the_name_of_a_run_is_text(show, tmp_path):
    (tmp_path / ".![x](http:a).partial" / "checkpoint").mkdir(parents=True)
    page = show("training_page", tmp_path)
    assert page.subheader[0].value == "!\\[x\\](http:a)"
    assert "\\[x\\]" in page.info[0].value
