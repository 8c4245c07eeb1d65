"""The pretrained network: what it fits, and what it must not be scored on."""

from typing import Any

import pandas as pd

from forecast import runs
from forecast.errors import InputError
from forecast.settings import Settings
from forecast.shipped import pretrained_folder

#: Settings that the shapes of its weights or the meaning of its inputs fix.
FIXED = ("cell", "units", "horizon", "closes_only")
#: All members as one ONNX file, in the folder of the pretrained network.
ONNX_FILE = "models/lstm.onnx"
#: What it was trained with and what is a good choice with it, unless told otherwise.
KEPT = ("lookback",)


def pretrained_card() -> dict[str, Any]:
    """Everything that is known of the pretrained network (``manifest.json`` of its folder)."""
    card: dict[str, Any] = runs.read_json(pretrained_folder() / "manifest.json")
    return card


def pretrained_settings() -> Settings:
    """The settings the pretrained network was trained with."""
    return Settings.model_validate(pretrained_card()["settings"])


def fine_tuning(settings: Settings) -> Settings:
    """Settings of a run that starts from the pretrained network.

    Raises InputError when they ask for a network of another shape.
    """
    known = pretrained_settings()
    for name in FIXED:
        asked, fixed = getattr(settings, name), getattr(known, name)
        if name in settings.model_fields_set and asked != fixed:
            flag = "--" + name.replace("_", "-")
            raise InputError(
                f"{flag} {_told(asked)} does not fit the pretrained network, which has "
                f"{_told(fixed)}: leave {flag} away, or train without --from-pretrained."
            )
    kept = (name for name in KEPT if name not in settings.model_fields_set)
    return settings.model_copy(update={name: getattr(known, name) for name in (*FIXED, *kept)})


def refuse_overlap(first_test: pd.Timestamp, last_price: pd.Timestamp) -> None:
    """Raise InputError when a test part begins on a date the pretrained network was trained on."""
    seen = pd.Timestamp(pretrained_card()["last_training_date"])
    if first_test > seen:
        return
    remedy = (
        f"choose a --test-start after {seen:%Y-%m-%d}"
        if last_price > seen
        else f"these prices end on {last_price:%Y-%m-%d}, so take later ones"
    )
    raise InputError(
        f"the test part begins on {first_test:%Y-%m-%d}, but the pretrained network has learned "
        f"from prices up to {seen:%Y-%m-%d}: scores on dates it has seen would flatter it; "
        f"{remedy}, or train without --from-pretrained."
    )


def _told(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)
