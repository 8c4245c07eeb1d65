"""`forecast evaluate`, also `forecast backtest`."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from forecast.cli.app import EVERYTHING, Output, Run, RunsDir, app
from forecast.command_settings import BacktestSettings, EngineSettings

ONCE, HERE = BacktestSettings(), EngineSettings()


@app.command(name=["evaluate", "backtest"])
def evaluate(
    run: Run = None,
    /,
    *,
    walk: Annotated[BacktestSettings, Parameter(name="*")] = ONCE,
    how: Annotated[EngineSettings, Parameter(name="*")] = HERE,
    runs_dir: RunsDir = Path("runs"),
    output: Output = EVERYTHING,
) -> None:
    """Walk a saved run forward over its test part again; print scores and verdicts.

    With --refit-every its networks are trained anew in every fold, with --processes or --engine
    ray several folds side by side; a walk that was stopped goes on where it was.
    """
    from forecast.jobs.terminal import Terminal, startup_notes_hidden
    from forecast.runs import find_run

    folder = find_run(run, runs_dir)
    with startup_notes_hidden():
        from forecast.jobs.evaluating import evaluate

    with Terminal(output.quiet, json=output.json) as terminal:
        evaluate(folder, walk, terminal, how)
