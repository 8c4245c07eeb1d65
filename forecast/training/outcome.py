"""What a training leaves, as a file: it gives all that `fit` promises back without any prices."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import keras
import pandas as pd

from forecast import runs
from forecast.models.network import FeatureStatistics
from forecast.telemetry.log import TelemetryLog
from forecast.training.callbacks import StepLog
from forecast.training.checkpoint import pack, unpack, values
from forecast.training.fitting import Fitted
from forecast.training.range_test import RangeTest

#: The file, beside the checkpoints.
OUTCOME = "finished.state"

#: An outcome as its parts by name: arrays, and values that JSON knows.
State = Mapping[str, Mapping[str, Any]]


class Outcome(NamedTuple):
    """What a training leaves beside the network.

    `statistics` are None for a network that brought its own, `range_test` where there was none.
    """

    fitted: Fitted
    seconds: float
    statistics: FeatureStatistics | None
    range_test: RangeTest | None


def save_outcome(
    folder: Path, key: str, network: keras.Model, outcome: Outcome, say: Callable[[str], None]
) -> None:
    """Write what the training of this `key` left; a disk that is full is told, and no more."""
    fitted, statistics, test = outcome.fitted, outcome.statistics, outcome.range_test
    about = {"key": key, "seconds": outcome.seconds, "prior_crps": fitted.prior_crps}
    state: dict[str, Any] = {
        "about": about,
        "variables": values(network),
        "log": fitted.log.get_state(),
    }
    if fitted.telemetry:
        state["telemetry"] = fitted.telemetry.get_state()
    if statistics:
        state["statistics"] = statistics._asdict()
    if test:
        columns = {name: column.to_numpy() for name, column in test.frame.items()}
        state["range_test"] = {"start": test.start, **columns}
    try:
        runs.write_atomic(folder / OUTCOME, pack(state))
    except OSError as error:
        say(f"  what is finished cannot be saved: {error.strerror}; a --resume makes it again")


def read_outcome(folder: Path, say: Callable[[str], None]) -> State | None:
    """What the training in a folder left; None when it has not ended, or the file is damaged."""
    path = folder / OUTCOME
    try:
        return unpack(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        say(f"  {path} is damaged ({error}): its newest checkpoint is used")
        return None


def outcome_of(state: State) -> Outcome:
    """Turn a state back."""
    log, telemetry, test = StepLog(), None, None
    log.set_state(state["log"])
    if "telemetry" in state:
        telemetry = TelemetryLog()
        telemetry.set_state(state["telemetry"])
    if "range_test" in state:
        columns = dict(state["range_test"])
        start = columns.pop("start")
        test = RangeTest(pd.DataFrame(columns), start)
    about, known = state["about"], state.get("statistics")
    statistics = FeatureStatistics(**known) if known else None
    return Outcome(Fitted(log, telemetry, about["prior_crps"]), about["seconds"], statistics, test)
