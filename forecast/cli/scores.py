"""`forecast scores`."""

from pathlib import Path

from forecast.cli.app import EVERYTHING, Output, Run, RunsDir, app


@app.command
def scores(
    run: Run = None,
    /,
    *,
    runs_dir: RunsDir = Path("runs"),
    output: Output = EVERYTHING,
) -> None:
    """Print the verdicts of a run and every table behind them; nothing is computed again.

    By horizon, ticker, year and volatility: all scores, bands before and after the conformal
    adjustment, direction, value at risk, confidence set. A backtest's folder is a run, too.
    """
    from forecast.jobs.details import show_scores
    from forecast.jobs.terminal import Terminal
    from forecast.runs import find_run

    with Terminal(output.quiet, json=output.json) as terminal:
        show_scores(find_run(run, runs_dir), terminal)
