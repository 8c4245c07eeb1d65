"""`forecast runs`."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from forecast.cli.app import EVERYTHING, Output, app


@app.command
def runs(
    runs_dir: Annotated[Path, Parameter(help="folder of the run folders")] = Path("runs"),
    /,
    *,
    output: Output = EVERYTHING,
) -> None:
    """List the runs of a folder, the newest first: what each is, its CRPS and its verdict.

    Broken ones are listed with what is wrong with them, trainings in progress as such.
    """
    from forecast.app.reading import list_runs
    from forecast.jobs.terminal import Terminal

    entries = list_runs(runs_dir)
    with Terminal(output.quiet, json=output.json) as terminal:
        terminal.data(runs=[entry.facts for entry in entries])
        if entries:
            rows = [entry.row for entry in entries]
            title = f"Runs in {runs_dir}; CRPS by sessions ahead (prices: 1e-4 log return)"
            terminal.table(title, list(rows[0]), [list(row.values()) for row in rows])
        else:
            terminal.result(f"no runs in {runs_dir} yet; train one: forecast train")
