"""The page as a reader meets it, in a real browser: Debian's chromium, driven by Playwright."""

import shutil

import numpy as np
import pandas as pd
import pytest

from forecast.report import write_report

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no chromium on this machine")
#: What the fan chart draws at this moment.
DRAWN = """name => {
  const find = Bokeh.documents.map(d => d.get_model_by_name(name)).find(m => m !== null);
  return Object.fromEntries(Object.entries(find.data).map(([k, v]) => [k, Array.from(v)]));
}"""


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=BROWSER)
        yield chromium
        chromium.close()


@pytest.fixture
def open_page(browser):
    """Return a function that opens a report and returns the tab and all that it complained of."""
    contexts = []

    def go(path, **options):
        contexts.append(browser.new_context(reduced_motion="reduce", **options))
        tab, said = contexts[-1].new_page(), []
        tab.on("pageerror", lambda error: said.append(str(error)))
        tab.on("dialog", lambda dialog: (said.append(dialog.message), dialog.dismiss()))
        tab.on(
            "request", lambda request: said.append(request.url) if tab.url != "about:blank" else 0
        )
        tab.on(
            "console",
            lambda line: said.append(line.text) if line.type in {"error", "warning"} else 0,
        )
        tab.goto(path.as_uri())
        tab.wait_for_selector("html[data-drawn=yes]", state="attached")
        return tab, said

    yield go
    for context in contexts:
        context.close()


def test_it_opens_from_disk_without_a_complaint_or_a_request(open_page, page):
    tab, said = open_page(page)
    assert said == []
    drawn = tab.locator(".chart").evaluate_all("charts => charts.map(c => c.offsetHeight)")
    assert len(drawn) >= 12
    assert min(drawn) > 100


def test_choosing_a_ticker_and_walking_the_cutoff_back_show_what_was_forecast_then(
    open_page, page, run
):
    tab, said = open_page(page)
    fans = pd.read_parquet(run / "fans.parquet")
    ticker = sorted(fans["unique_id"].unique())[1]
    tab.select_option("#fans-ticker", label=ticker)
    tab.focus("#fans-cutoff")
    before = tab.inner_text("#fans-day")
    for _ in range(3):
        tab.keyboard.press("ArrowLeft")
    made = tab.inner_text("#fans-day")
    of = fans[(fans["unique_id"] == ticker) & (fans["cutoff"] == made)]
    drawn = tab.evaluate(DRAWN, "fan")
    assert made < before
    assert drawn["h"] == [0, *of["h"]]
    for column in ("lstm-lo-98", "lstm", "lstm-hi-90"):
        name = {"lstm": "mid"}.get(column, column.replace("lstm-", "").replace("-", ""))
        assert np.allclose(drawn[name][1:], of[column], rtol=1e-4)
    assert np.allclose(drawn["y"][1:], of["y"], rtol=1e-5)
    assert f"{ticker} on {made} at " in tab.inner_text("#fans-said")
    assert tab.locator("#fans-rows tr").count() == len(of)
    assert said == []


def test_the_newest_forecast_says_that_its_end_is_not_known_and_everything_can_be_seen(
    open_page, page, run
):
    tab, _ = open_page(page)
    tab.click("#fans-newest")
    newest = pd.read_parquet(run / "fans.parquet")["cutoff"].max()
    assert tab.inner_text("#fans-day") == f"{newest:%Y-%m-%d}"
    assert "not known yet" in tab.inner_text("#fans-said")
    assert tab.is_disabled("#fans-newer")
    assert not tab.is_disabled("#fans-older")
    tab.select_option("#fans-span", "0")  # all prices: the axes fit them
    prices = tab.evaluate(DRAWN, "prices")
    view, height = (
        tab.evaluate(
            "name => { const r = Bokeh.documents.map(d => d.get_model_by_name(name))"
            ".find(m => m !== null); return [r.start, r.end]; }",
            name,
        )
        for name in ("view", "height")
    )
    assert view[0] == prices["x"][0]
    assert height[0] < min(prices["y"])
    assert height[1] > max(prices["y"])


@pytest.mark.parametrize("pointer", ["mouse", "finger"])
def test_values_show_under_a_mouse_and_under_a_tap(open_page, page, pointer):
    tab, _ = open_page(page, has_touch=pointer == "finger")
    chart = tab.locator("#chart-fans")
    chart.scroll_into_view_if_needed()
    box = chart.bounding_box()
    x, y = box["x"] + 0.5 * box["width"], box["y"] + 150
    if pointer == "mouse":
        tab.mouse.move(x - 30, y)
        tab.mouse.move(x, y)
    else:
        tab.touchscreen.tap(x, y)
    tooltip = tab.locator(".bk-Tooltip").first
    tooltip.wait_for(state="attached", timeout=5000)
    assert "price" in tooltip.evaluate("shown => shown.shadowRoot.textContent")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_fault_and_it_fits_phone_and_desk_in_light_and_dark(open_page, page, scheme):
    from axe_playwright_python.sync_playwright import Axe

    tab, said = open_page(page, bypass_csp=True, color_scheme=scheme)
    found = Axe().run(tab).response["violations"]
    assert [(fault["id"], fault["impact"]) for fault in found] == []
    for width in (1280, 360):
        tab.set_viewport_size({"width": width, "height": 800})
        tab.wait_for_function("width => document.documentElement.scrollWidth <= width", arg=width)
    ground = tab.evaluate("getComputedStyle(document.body).backgroundColor")
    brightness = sum(int(part) for part in ground.strip("rgb()").split(",")) / 3
    assert brightness > 200 if scheme == "light" else brightness < 60
    assert said == []


def test_a_ticker_named_like_a_script_is_text_and_runs_nowhere(open_page, make_run):
    ticker = "<script>alert(1)</script>"
    tab, said = open_page(write_report(make_run(names=[ticker, "</script>$$x$$"])))
    assert tab.locator("#fans-ticker option").all_inner_texts() == ["</script>$$x$$", ticker]
    tab.select_option("#fans-ticker", label=ticker)
    assert tab.inner_text("#fans-said").startswith(f"{ticker} on ")
    assert said == []


def test_it_prints_in_light_colours_without_controls(open_page, page):
    tab, _ = open_page(page, color_scheme="dark")
    paper = 688
    screen = tab.evaluate("document.querySelector('section').clientWidth")
    tab.evaluate("dispatchEvent(new Event('beforeprint'))")
    tab.emulate_media(media="print", color_scheme="dark")
    zoom = float(tab.evaluate("getComputedStyle(document.querySelector('.chart')).zoom"))
    assert zoom == pytest.approx(paper / screen, rel=1e-3)
    assert tab.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert tab.evaluate("getComputedStyle(document.querySelector('.chart')).filter") == "none"
    assert not tab.is_visible("#fans-controls")
    assert tab.pdf(format="A4").startswith(b"%PDF")
