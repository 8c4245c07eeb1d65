"""Who is forecast of an evening, and who is not."""

import numpy as np
import pytest

from forecast.command_settings import DailySettings
from forecast.errors import InputError
from forecast.jobs import daily as job
from forecast.jobs.evening import Evening
from forecast.jobs.terminal import Terminal
from forecast.ledger import open_ledger


def test_days_the_network_has_seen_are_refused(evenings):
    settings = DailySettings(pretrained=True, source="bundled", ledger=evenings.ledger)
    with pytest.raises(InputError, match="has learned from prices up to 2015-12-31"):
        job.daily(settings, Terminal(), evenings.now(0))
    with open_ledger(evenings.ledger) as ledger:
        assert ledger.forecasts().empty


def test_a_listing_too_short_to_forecast_is_told_and_waits(evenings, network, monkeypatch, capsys):
    class Blind(network):
        def forecast(self, panel, cutoffs, horizons, levels):
            found = super().forecast(panel, cutoffs, horizons, levels)
            found[cutoffs["unique_id"] == "S01"] = np.nan
            return found

    monkeypatch.setattr(Evening, "load", lambda self: Blind())
    assert evenings.evening(200)
    assert "not forecast yet, for want of history: S01" in capsys.readouterr().out
    assert set(evenings.frames()[0]["unique_id"]) == {"S00", "S02"}
