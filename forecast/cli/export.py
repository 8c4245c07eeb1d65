"""`forecast export`."""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from forecast.cli.app import EVERYTHING, Output, Run, RunsDir, app
from forecast.errors import InputError


@app.command
def export(
    run: Run = None,
    /,
    *,
    format: Annotated[
        Literal["onnx", "savedmodel"], Parameter(help="ONNX file, or SavedModel folder")
    ] = "onnx",
    pretrained: Annotated[
        bool, Parameter(help="export the network that comes with the project; no run")
    ] = False,
    out: Annotated[
        Path | None, Parameter(help="folder for the files (default: export in the run folder)")
    ] = None,
    runs_dir: RunsDir = Path("runs"),
    output: Output = EVERYTHING,
) -> None:
    """Write a run's network as ONNX or SavedModel, to be run without this project.

    From windows of features and their volatility to quantiles of the log return; a JSON file
    beside it names every input and output. Several seeds become one network, their mean.
    """
    from forecast.jobs.terminal import Terminal, startup_notes_hidden
    from forecast.runs import find_run

    if pretrained and run:
        raise InputError(f"choose one: the run {run}, or --pretrained.")
    folder = None if pretrained else find_run(run, runs_dir)
    with startup_notes_hidden():
        from forecast.jobs.exporting import export_run

    target = out or (folder or runs_dir / "pretrained") / "export"
    with Terminal(output.quiet, json=output.json) as terminal:
        export_run(folder, format, target, terminal)
