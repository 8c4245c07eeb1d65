"""`forecast train`."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from forecast.cli.app import app
from forecast.settings import Settings

DEFAULTS = Settings()


@app.command
def train(
    *,
    settings: Annotated[Settings, Parameter(name="*")] = DEFAULTS,
    config: Annotated[
        Path | None, Parameter(help="YAML file of settings; flags go over it")
    ] = None,
) -> None:
    """Train on past prices, walk forward against honest baselines, write a run folder.

    Without any flag: the bundled prices, our LSTM beside Keras's.
    """
    from forecast.jobs.prepare import prepare
    from forecast.jobs.terminal import Terminal, startup_notes_hidden

    terminal = Terminal(settings.quiet)
    prepared = prepare(settings, terminal)  # bad prices are told before TensorFlow starts
    with startup_notes_hidden():
        from forecast.jobs.training import train

    train(settings, prepared, terminal)
