"""`forecast predict`."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from forecast.cli.app import EVERYTHING, Output, Run, RunsDir, app
from forecast.errors import InputError
from forecast.settings import PretrainedPrices

NOTHING = PretrainedPrices()


@app.command
def predict(
    run: Run = None,
    /,
    *,
    pretrained: Annotated[
        bool, Parameter(help="use the network that comes with the project; no training")
    ] = False,
    prices: Annotated[PretrainedPrices, Parameter(name="*")] = NOTHING,
    out: Annotated[
        Path | None, Parameter(help="folder for the files (default: in the run folder)")
    ] = None,
    runs_dir: RunsDir = Path("runs"),
    output: Output = EVERYTHING,
) -> None:
    """Forecast the sessions after the last one known: table, CSV, JSON and fan charts.

    A run forecasts from the source it was trained on; --pretrained from any.
    """
    from forecast.jobs.terminal import Terminal, startup_notes_hidden
    from forecast.runs import find_run

    if pretrained:
        if run:
            raise InputError(f"choose one: the run {run}, or --pretrained.")
        with startup_notes_hidden():
            from forecast.jobs.predicting import predict_pretrained

        with Terminal(output.quiet, json=output.json) as terminal:
            predict_pretrained(prices, out, runs_dir, terminal)
        return
    given = sorted(prices.model_fields_set - {"tickers"})
    if given:
        raise InputError(
            f"--{given[0].replace('_', '-')} goes with --pretrained: a run forecasts from the "
            "prices it was trained on."
        )
    folder = find_run(run, runs_dir)
    with startup_notes_hidden():
        from forecast.jobs.predicting import predict

    with Terminal(output.quiet, json=output.json) as terminal:
        predict(folder, prices.tickers, out, terminal)
