"""Where `forecast tune` looks: the ranges that stand beside the settings themselves."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from forecast.errors import InputError
from forecast.jobs.pretrained import FIXED
from forecast.settings import Search, Settings

if TYPE_CHECKING:
    from optuna.trial import Trial


def search_space(settings: Settings, names: Sequence[str] = ()) -> dict[str, Search]:
    """Return the ranges of the settings `names`, or of all that have one.

    What the pretrained network fixes is left out. Raises InputError for a name without a range.
    """
    known = {
        name: each
        for name, field in Settings.model_fields.items()
        for each in field.metadata
        if isinstance(each, Search) and not (settings.from_pretrained and name in FIXED)
    }
    chosen = [name.removeprefix("--").replace("-", "_") for name in names] or list(known)
    unknown = [name for name in chosen if name not in known]
    if unknown:
        raise InputError(
            f"--search {unknown[0]}: there is no range to look for it in; choose from "
            f"{', '.join(known)}."
        )
    return {name: known[name] for name in chosen}


def suggest(trial: "Trial", space: dict[str, Search]) -> dict[str, Any]:
    """Let a trial choose a value of every setting in the space."""
    return {name: _suggest(trial, name, each) for name, each in space.items()}


def _suggest(trial: "Trial", name: str, range_: Search) -> Any:
    if range_.choices:
        return trial.suggest_categorical(name, list(range_.choices))
    if isinstance(range_.low, int) and isinstance(range_.high, int):
        return trial.suggest_int(name, range_.low, range_.high, log=range_.log)
    return trial.suggest_float(name, range_.low, range_.high, log=range_.log)


def inside(name: str, value: Any, space: dict[str, Search]) -> bool:
    """Whether a value lies in the range of its setting, so that a trial may begin with it."""
    range_ = space[name]
    if range_.choices:
        return value in range_.choices
    return isinstance(value, int | float) and range_.low <= value <= range_.high
