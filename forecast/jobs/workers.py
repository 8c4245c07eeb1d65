"""The processes in which networks are trained and forecast apart from this one."""

import os
from contextlib import AbstractContextManager
from functools import cache

from forecast.command_settings import EngineSettings
from forecast.engine import Engine, opened
from forecast.engine.worker import settle
from forecast.jobs.terminal import startup_notes_hidden


def workers(how: EngineSettings, apart: bool = False) -> AbstractContextManager[Engine]:
    """Return the engine asked for (see `engine.opened`), with one core for TensorFlow."""
    return opened(how, apart, load_tensorflow)


@cache
def load_tensorflow() -> None:
    """Load TensorFlow once in a process that has one core."""
    settle()
    os.environ["KERAS_BACKEND"] = "tensorflow"
    with startup_notes_hidden():
        from forecast.training.devices import keep_to_one_core

        keep_to_one_core()
