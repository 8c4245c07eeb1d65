"""`forecast daily`."""

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from forecast.cli.app import FAILED, Json, app
from forecast.command_settings import DailySettings

EVENING = DailySettings()


@app.command
def daily(
    *,
    settings: Annotated[DailySettings, Parameter(name="*")] = EVENING,
    config: Annotated[
        Path | None, Parameter(help="YAML file of settings; flags go over it")
    ] = None,
    json: Json = False,
) -> None:
    """Fetch what is new, forecast it, score what has come true, print the live track record.

    Forecasts go to a ledger that only grows; doing it twice is doing it once, and missed days are
    made up for. Exit code 1 when something needs a person.
    """
    from forecast.jobs.daily import daily
    from forecast.jobs.terminal import Terminal

    with Terminal(settings.quiet, json=json) as terminal:
        done = daily(settings, terminal)
    if not done:
        sys.exit(FAILED)
