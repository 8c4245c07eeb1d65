import json
import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from forecast.cli import main
from forecast.errors import InputError
from forecast.jobs.reporting import add_report
from forecast.jobs.terminal import Terminal
from forecast.report import build_report
from forecast.report.reading import RunFolder
from forecast.report.sections import build_sections

MEGABYTE = 2**20
EVERY_FILE = (
    *("significance.csv", "calibration.csv", "history.csv", "metrics.json", "scores.csv"),
    *("confidence_set.csv", "direction.csv"),
    *("telemetry.parquet", "fans.parquet", "prices.parquet", "settings.yaml"),
)


class Outline(HTMLParser):
    """Headings, attributes and text of a page."""

    def __init__(self, html):
        super().__init__()
        self.headings, self.tags, self.texts, self._open = [], [], [], []
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self._open.append(tag)
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))

    def handle_endtag(self, tag):
        while self._open and self._open.pop() != tag:
            pass

    def handle_data(self, data):
        if not self._open or self._open[-1] not in {"script", "style"}:
            self.texts.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.texts).split())


@pytest.fixture(scope="module")
def outline(page):
    return Outline(page.read_text(encoding="utf-8"))


def test_headings_go_down_one_level_at_a_time(outline):
    assert outline.headings[0] == 1
    assert outline.headings.count(1) == 1
    steps = zip(outline.headings, outline.headings[1:], strict=False)
    assert all(later <= earlier + 1 for earlier, later in steps)


def test_every_chart_is_described_and_every_id_is_there_once(outline):
    charts = [of for _, of in outline.tags if "chart" in (of.get("class") or "").split()]
    assert len(charts) >= 12
    assert all(len(of["aria-label"]) > 40 for of in charts)
    ids = [of["id"] for _, of in outline.tags if "id" in of]
    assert len(ids) == len(set(ids))
    inside = {of["href"][1:] for tag, of in outline.tags if tag == "a"}
    assert inside <= set(ids)


def test_nothing_points_outside_the_file_and_nothing_else_may_run(outline):
    targets = [of[key] for _, of in outline.tags for key in ("src", "href") if key in of]
    assert all(target.startswith("#") for target in targets)
    assert not {"link", "iframe", "object", "img"} & {tag for tag, _ in outline.tags}
    policy = next(of["content"] for _, of in outline.tags if "http-equiv" in of)
    assert "default-src 'none'" in policy
    assert "unsafe-eval" not in policy
    assert "'unsafe-inline'" not in policy.split("script-src")[1].split(";")[0]


def test_the_page_says_what_was_asked_on_which_data_and_how_it_ended(outline, run):
    tickers = json.loads((run / "manifest.json").read_text())["data"]["tickers"]
    assert f"How far may the price of {tickers[0]} and {tickers[1]} move" in outline.text
    assert "600 sessions from" in outline.text
    assert "better" in outline.text.split("How it ended")[1]
    assert "AAA 2001-01-02: large step: taken as real" in outline.text
    assert "forecast rerun small --runs-dir . --name again" in outline.text


def test_the_file_stays_under_five_megabytes_however_much_was_forecast(copy_of, page):
    assert page.stat().st_size < 5 * MEGABYTE
    days = pd.bdate_range("2000-01-03", periods=1500)
    keys = ([f"T{k:02d}" for k in range(20)], days[:400], range(1, 21))
    fans = pd.MultiIndex.from_product(keys, names=["unique_id", "cutoff", "h"]).to_frame(
        index=False
    )
    fans["ds"] = fans["cutoff"] + pd.to_timedelta(fans["h"], unit="D")
    rng = np.random.default_rng(0)
    for column in pd.read_parquet(copy_of / "fans.parquet").columns[4:]:
        fans[column] = rng.lognormal(size=len(fans)).astype(np.float32)
    prices = pd.MultiIndex.from_product((keys[0], days), names=["unique_id", "ds"])
    prices = prices.to_frame(index=False).assign(adj_close=rng.lognormal(size=len(prices)))
    fans.to_parquet(copy_of / "fans.parquet")
    prices.to_parquet(copy_of / "prices.parquet")
    html = build_report(copy_of)
    assert "T19" in html
    assert 3 * MEGABYTE < len(html.encode()) < 5 * MEGABYTE


def test_names_and_notes_that_look_like_html_are_text(make_run):
    ticker, note = "<script>alert(1)</script>", "<img src=x onerror=alert(2)> & </script>"
    html = build_report(make_run(names=[ticker, "$$x$$"], notes=[note]))
    outline = Outline(html)
    assert f"How far may the price of $$x$$ and {ticker} move" in outline.text
    assert note in outline.text
    assert sum(tag == "script" for tag, _ in outline.tags) == 4
    assert "img" not in {tag for tag, _ in outline.tags}


def gaps(sections):
    """What the sections say is missing, in one text."""
    parts = [part for section in sections for part in section.parts]
    return " ".join(part.why for part in parts if part.kind == "gap")


def test_every_missing_file_is_named_and_the_page_stands(copy_of):
    missing = {*EVERY_FILE, "forecasts.parquet"} - {"settings.yaml"}
    for name in missing:
        (copy_of / name).unlink()
    outline = Outline(build_report(copy_of))
    assert outline.headings.count(2) == 9
    for name in missing - {"fans.parquet", "prices.parquet"}:  # others stand in for these
        assert name in outline.text


@pytest.mark.parametrize(
    "content", [b"", b"\x00\xff not what it was", b"[1, 2]", b"model,h\na,1\n"]
)
def test_a_page_is_made_of_files_that_are_all_broken(copy_of, content):
    for name in (*EVERY_FILE, "manifest.json"):
        (copy_of / name).write_bytes(content)
    assert Outline(build_report(copy_of)).headings.count(2) == 9


@pytest.mark.parametrize("name", EVERY_FILE)
def test_one_broken_file_spoils_only_its_own_parts(copy_of, name):
    (copy_of / name).write_bytes(b"\x00\xff not what it was")
    sections = build_sections(RunFolder(copy_of))
    assert name in gaps(sections)
    kinds = [part.kind for section in sections for part in section.parts]
    assert kinds.count("picture") + kinds.count("fans") >= 3


@pytest.mark.parametrize(
    "panel", [pd.DataFrame({"unique_id": ["A"]}), pd.DataFrame({"unique_id": [[1.5]], "ds": [1]})]
)
def test_a_panel_of_other_columns_is_told_in_one_line(copy_of, panel):
    panel.to_parquet(copy_of / "panel.parquet")
    with pytest.raises(InputError, match=r"^panel.parquet cannot be read: .+$"):
        RunFolder(copy_of).rows_of("A", "panel.parquet", ["ds", "adj_close"])


def test_a_run_without_fans_shows_the_forecasts_that_were_scored(copy_of):
    (copy_of / "fans.parquet").unlink()
    (copy_of / "prices.parquet").unlink()
    packed = json.loads(build_report(copy_of).split('id="fans-data">')[1].split("</script>")[0])
    assert packed["horizons"] == [1, 5]


def test_the_command_writes_the_page_and_prints_its_path(run, tmp_path, capsys):
    out = tmp_path / "page.html"
    with pytest.raises(SystemExit) as stopped:
        main(["report", str(run), "--out", str(out)])
    assert stopped.value.code == 0
    assert capsys.readouterr().out.splitlines()[-1] == str(out)
    assert out.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_a_page_that_cannot_be_written_is_told(run, tmp_path, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["report", str(run), "--out", str(tmp_path / "none" / "page.html")])
    assert stopped.value.code == 2
    assert "cannot be written: No such file or directory; choose another --out" in (
        capsys.readouterr().err
    )


def test_a_report_that_fails_never_spoils_the_run(tmp_path, capsys):
    (tmp_path / "report.html").mkdir()
    add_report(tmp_path, Terminal())
    assert "no report: IsADirectoryError" in capsys.readouterr().out
