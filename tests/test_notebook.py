"""What objects show of themselves in a notebook."""

from html.parser import HTMLParser

import numpy as np
import pytest

from forecast import RunFolder
from forecast.evaluation.scorecard import Scorecard
from forecast.markup import MOST_ROWS, html_table
from forecast.prices import clean, garch_prices

HOSTILE = "<img src=x onerror=alert(1)>"


class Page(HTMLParser):
    """The tags of a page, and the text in its cells."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.text = [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)

    def handle_data(self, data):
        self.text.append(data)


@pytest.fixture(scope="module")
def run(make_run):
    return make_run(tickers=2, names=["AAA", HOSTILE])


def test_a_table_escapes_everything_and_counts_what_it_leaves_out():
    rows = [(HOSTILE, n) for n in range(MOST_ROWS + 3)]
    page = Page(html_table(HOSTILE, [HOSTILE], rows, HOSTILE))
    assert set(page.tags) == {"table", "caption", "thead", "tbody", "tr", "th", "td", "p"}
    assert page.text.count(HOSTILE) == MOST_ROWS + 3
    assert "… and 3 more" in page.text


def test_a_panel_shows_its_series_and_how_much_of_each_there_is():
    rows = garch_prices(2, 300, 0)
    rows["unique_id"] = rows["unique_id"].replace("S01", HOSTILE)
    panel, _ = clean(
        rows.drop(index=[*range(300, 310), 340, 341]), source="made up", sha256="0", calendar="XNYS"
    )
    page = Page(panel._repr_html_())
    assert "img" not in page.tags
    assert "Panel: 2 series from made up, 300 sessions" in "".join(page.text)
    summary = panel.summary().loc[HOSTILE]
    assert page.text[page.text.index(HOSTILE) :][1] == str(summary["sessions"]) == "288"
    assert (summary["holes"], summary["first"]) == (2, panel.sessions[10])
    value = panel.field("adj_close")[HOSTILE].dropna()
    assert (summary["lowest"], summary["highest"]) == (value.min(), value.max())
    assert summary["largest_step"] == pytest.approx(np.abs(np.diff(np.log(value))).max())


def test_a_run_shows_its_verdict(run):
    page = Page(RunFolder(run)._repr_html_())
    said = "".join(page.text)
    assert "img" not in page.tags
    assert HOSTILE in said
    assert "sessions ahead" in said


def test_a_folder_that_is_no_run_says_so(tmp_path):
    said = "".join(Page(RunFolder(tmp_path)._repr_html_()).text)
    assert "significance.csv is not in this run folder" in said


def test_a_scorecard_shows_crps_and_coverage_the_best_first(run):
    card = Scorecard.read(run)
    said = Page(card._repr_html_()).text
    means = card.means[card.means["h"] == 1].sort_values("crps")
    names = [text for text in said if text in set(means["model"])]
    assert names == list(means["model"])
    best = means.iloc[0]
    assert f"{best['crps']:.5g}" in said
    assert f"{100 * best['coverage_90']:.1f}" in said
