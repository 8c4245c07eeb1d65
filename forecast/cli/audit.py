"""`forecast audit`."""

import sys
from pathlib import Path

from forecast.cli.app import EVERYTHING, FAILED, Output, Run, RunsDir, app


@app.command
def audit(
    run: Run = None,
    /,
    *,
    runs_dir: RunsDir = Path("runs"),
    output: Output = EVERYTHING,
) -> None:
    """Try to catch a run's network looking into the future; exit code 1 when it does."""
    from forecast.jobs.terminal import Terminal, startup_notes_hidden
    from forecast.runs import find_run

    folder = find_run(run, runs_dir)
    with startup_notes_hidden():
        from forecast.jobs.auditing import audit_run

    with Terminal(output.quiet, json=output.json) as terminal:
        passed = audit_run(folder, terminal)
    if not passed:
        sys.exit(FAILED)
