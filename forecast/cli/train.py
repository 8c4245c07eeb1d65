"""`forecast train`."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from forecast.cli.app import Json, app
from forecast.command_settings import EngineSettings
from forecast.settings import Settings

DEFAULTS, HERE = Settings(), EngineSettings()


@app.command
def train(
    *,
    settings: Annotated[Settings, Parameter(name="*")] = DEFAULTS,
    how: Annotated[EngineSettings, Parameter(name="*")] = HERE,
    config: Annotated[
        Path | None, Parameter(help="YAML file of settings; flags go over it")
    ] = None,
    resume: Annotated[
        tuple[str, ...] | None,
        Parameter(
            help="go on with a training that was stopped (default: the last one), as it began",
            consume_multiple=(0, 1),
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Train on past prices, walk forward against honest baselines, write a run folder.

    Without any flag: the bundled prices, our LSTM beside Keras's. Every epoch is saved; --resume
    goes on after the last one and ends bit for bit where it would have ended.
    """
    from forecast.jobs.memory import check_memory
    from forecast.jobs.pretrained import fine_tuning
    from forecast.jobs.starting import begin, go_on
    from forecast.jobs.terminal import Terminal, startup_notes_hidden

    with Terminal(settings.quiet, json=json) as terminal:
        if resume is None:  # bad prices are told before TensorFlow starts
            start = begin(fine_tuning(settings) if settings.from_pretrained else settings, terminal)
        else:
            start = go_on(settings, "".join(resume), terminal)
        check_memory(start.settings, start.prepared.panel, how)
        with startup_notes_hidden():
            from forecast.jobs.training import train

        train(start, terminal, how)
