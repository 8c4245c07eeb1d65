import shutil
import socket
import subprocess
import time
import urllib.request

import pytest
from streamlit.testing.v1 import AppTest

from forecast.app import serving
from forecast.cli import main
from forecast.errors import InputError

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")


@pytest.mark.parametrize("address", ["127.0.0.1", "127.5.5.5", "::1", "localhost"])
def test_this_machine_is_served(address, tmp_path):
    assert f"--server.address={address}" in serving.command(tmp_path, address, 8501, False)


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "192.168.1.5", "example.org", ""])
def test_an_address_that_others_reach_is_refused(address, tmp_path):
    with pytest.raises(InputError, match="can be reached from other machines"):
        serving.command(tmp_path, address, 8501, False)


def test_the_command_refuses_with_exit_code_2(tmp_path, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["app", str(tmp_path), "--address", "0.0.0.0"])
    assert stopped.value.code == 2
    assert "use 127.0.0.1 or ::1" in capsys.readouterr().err


def test_a_folder_that_is_not_there_is_told(tmp_path):
    with pytest.raises(InputError, match=r"there is no folder .*none"):
        serving.command(tmp_path / "none", "127.0.0.1", 8501, False)


def test_without_streamlit_the_command_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setattr(serving, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install 'forecast\[app\]'"):
        serving.command(tmp_path, "127.0.0.1", 8501, False)


def test_started_by_other_means_on_every_address_it_shows_nothing(tmp_path):
    def script(folder):
        from pathlib import Path

        from forecast.app.main import main

        main(Path(folder))

    page = AppTest.from_function(script, args=(str(tmp_path),), default_timeout=30).run()
    assert "bound to every address of this machine" in page.error[0].value
    assert not page.title


@pytest.fixture(scope="module")
def app(make_run):
    """Address of the app, served for a folder with one run."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = serving.command(make_run().parent, "127.0.0.1", port, browser=False)
    address = f"http://127.0.0.1:{port}"
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        for _ in range(300):
            try:
                urllib.request.urlopen(f"{address}/_stcore/health", timeout=5).close()
                break
            except OSError:
                time.sleep(0.1)
        yield address
        process.terminate()


@pytest.mark.skipif(BROWSER is None, reason="no chromium on this machine")
def test_a_browser_sees_the_runs_and_a_report_and_asks_only_this_machine(app):
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER)
        page, asked = browser.new_page(), set()
        page.on("request", lambda request: asked.add(request.url.split("?")[0]))
        page.goto(app)
        page.get_by_role("heading", name="Runs").wait_for()
        report = page.frame_locator("iframe[srcdoc]")
        report.locator("html[data-drawn=yes]").wait_for(state="attached")
        assert "distinguishable" in report.locator("#verdict").inner_text()
        report.locator("#fans-newest").click()
        assert "not known yet" in report.locator("#fans-said").inner_text()
        page.get_by_role("link", name="Training").click()
        page.get_by_text("No training is in progress here").wait_for()
        browser.close()
    elsewhere = [u for u in asked if not u.startswith((app, "data:", "blob:", "about:"))]
    assert elsewhere == []
