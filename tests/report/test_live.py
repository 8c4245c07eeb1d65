from itertools import pairwise

import pandas as pd
import pytest

from forecast import runs
from forecast.command_settings import LEDGER
from forecast.ledger import open_ledger, pack
from forecast.models.baselines.ewma import unit_student_t
from forecast.models.levels import LEVELS
from forecast.report import build_report
from forecast.report.reading import RunFolder
from forecast.report.sections import build_sections


@pytest.fixture
def lived(copy_of):
    """A run with a ledger beside it: 80 evenings of two tickers, all outcomes far out."""
    manifest = runs.read_json(copy_of / "manifest.json")
    manifest["files"] = {"models/lstm-seed0.keras": "f00d"}
    runs.write_json(copy_of / "manifest.json", manifest)
    sha256 = runs.networks_sha256(manifest, "lstm")
    unit = unit_student_t(LEVELS, 5.0)
    days = pd.bdate_range("2026-01-01", periods=81).strftime("%Y-%m-%d")
    forecasts, scores = [], []
    for cutoff, ds in pairwise(days):
        for ticker in ("AAA", "BBB"):
            for model, sha, loss, pit in (("lstm", sha256, 0.02, 0.99), ("ewma-t", "f", 0.01, 0.4)):
                key = {"unique_id": ticker, "cutoff": cutoff, "h": 1, "model": model}
                forecasts.append(
                    key
                    | {"ds": ds, "last_value": 1.0, "scale": "log", "quantiles": pack(unit)}
                    | {"model_sha256": sha, "data_sha256": "d", "made_at": ds, "caught_up": 0}
                )
                told = {"log_return": 0.1, "crps": loss, "pit": pit}
                scores.append(key | told | {"data_sha256": "d", "scored_at": ds})
    with open_ledger(copy_of.parent / LEDGER) as ledger:
        ledger.append(forecasts=forecasts, scores=scores)
    return copy_of


def live_parts(run):
    return [s.parts for s in build_sections(RunFolder(run)) if s.name == "live"]


def test_the_track_record_of_a_run_is_on_its_page(lived):
    ((alarms, coverage, table, _),) = live_parts(lived)
    assert any("too sure of itself" in line for line in alarms.lines)
    assert any("above that of ewma-t" in line for line in alarms.lines)
    assert "at the end: 1 session ahead 0 %" in coverage.alt
    (row,) = table.rows
    assert row[:6] == ("lstm", "ewma-t", "live", "1", "160", "−100.00")
    assert "Live track record" in build_report(lived)


def test_a_run_without_evenings_has_no_such_section(run):
    assert live_parts(run) == []


def test_evenings_of_another_network_are_not_those_of_the_run(lived):
    manifest = runs.read_json(lived / "manifest.json")
    manifest["files"] = {"models/lstm-seed0.keras": "other"}
    runs.write_json(lived / "manifest.json", manifest)
    assert live_parts(lived) == []


def test_a_damaged_ledger_spoils_its_own_part_alone(lived):
    (lived.parent / LEDGER).write_text("no ledger " * 100)
    ((gap,),) = live_parts(lived)
    assert "is no ledger or is damaged" in gap.why


def test_the_app_shows_the_track_record(lived):
    from streamlit.testing.v1 import AppTest

    def script(folder):
        from pathlib import Path

        from forecast.app.live import live_page

        live_page(Path(folder))

    page = AppTest.from_function(script, args=(str(lived.parent),), default_timeout=30).run()
    assert not page.exception
    assert "too sure of itself" in " ".join(warning.value for warning in page.warning)
    assert page.dataframe[0].value["outcomes"].iloc[0] == "160"
