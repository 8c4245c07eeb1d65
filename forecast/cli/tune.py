"""`forecast tune`."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from forecast.cli.app import Json, app
from forecast.command_settings import TuneSettings
from forecast.settings import Settings

DEFAULTS, HOW = Settings(), TuneSettings()


@app.command
def tune(
    *,
    settings: Annotated[Settings, Parameter(name="*")] = DEFAULTS,
    how: Annotated[TuneSettings, Parameter(name="*")] = HOW,
    config: Annotated[
        Path | None, Parameter(help="YAML file of settings; flags go over it")
    ] = None,
    json: Json = False,
) -> None:
    """Look for better settings by the CRPS on the validation part; the test part is not read.

    A study that is there goes on, also from many machines with one --storage. The best settings
    are written for forecast train --config.
    """
    from forecast.jobs.pretrained import fine_tuning
    from forecast.jobs.terminal import Terminal
    from forecast.jobs.tuning import tune

    chosen = fine_tuning(settings) if settings.from_pretrained else settings
    with Terminal(settings.quiet, json=json) as terminal:
        tune(chosen, how, terminal)
