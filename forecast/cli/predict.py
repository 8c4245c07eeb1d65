"""`forecast predict`."""

from typing import Annotated

from cyclopts import Parameter

from forecast.cli.app import EVERYTHING, Output, Run, app
from forecast.command_settings import PredictSettings
from forecast.errors import InputError

NOW = PredictSettings()


@app.command
def predict(
    run: Run = None,
    /,
    *,
    settings: Annotated[PredictSettings, Parameter(name="*")] = NOW,
    output: Output = EVERYTHING,
) -> None:
    """Forecast the sessions after the last one known: table, CSV, JSON and fan charts.

    A run forecasts from the source it was trained on; --pretrained from any.
    """
    from forecast.jobs.predicting import predict
    from forecast.jobs.terminal import Terminal
    from forecast.runs import find_run

    if run and settings.pretrained:
        raise InputError(f"choose one: the run {run}, or --pretrained.")
    folder = None if settings.pretrained else find_run(run, settings.runs_dir)
    with Terminal(output.quiet, json=output.json) as terminal:
        predict(folder, settings, terminal)
