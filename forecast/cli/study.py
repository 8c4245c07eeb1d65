"""`forecast study`."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from forecast.cli.app import EVERYTHING, Output, RunsDir, app
from forecast.command_settings import StudySettings

FULL = StudySettings()


@app.command
def study(
    name: Annotated[str | None, Parameter(help="name of a study, or all")] = None,
    /,
    *,
    how: Annotated[StudySettings, Parameter(name="*")] = FULL,
    list_: Annotated[bool, Parameter(name="--list", help="say which studies there are")] = False,
    runs_dir: RunsDir = Path("runs"),
    output: Output = EVERYTHING,
) -> None:
    """Run a study of the gradient laboratory: numbers, a figure and a verdict on each claim.

    A study that was stopped goes on where it was.
    """
    from forecast.jobs.terminal import Terminal

    if list_ or name is None:
        from forecast.jobs.studying import list_studies

        with Terminal(output.quiet, json=output.json) as terminal:
            list_studies(terminal)
        return
    from forecast.studies import chosen

    studies = chosen(name)  # a wrong name is told before anything starts
    from forecast.jobs.studying import run_studies

    with Terminal(output.quiet, json=output.json) as terminal:
        run_studies(studies, how, how.out or runs_dir / "studies", terminal)
