"""The gradient laboratory: each study is one file that makes a claim of the literature visible.

This package and the top of every study import nothing heavy: TensorFlow starts in `measure`.
"""

import difflib
from importlib import import_module

from forecast.errors import InputError
from forecast.studies.study import Claim, Finding, Sizes, Study, Unit, Verdict

#: Names in the order they are told; ``a-b`` lives in ``forecast/studies/a_b.py`` as ``STUDY``.
NAMES = (
    "vanishing",
    "learning-rate",
    "forget-bias",
    "chrono",
    "explosion",
    "adding",
    "memory-limit",
    "temporal-order",
    "reber",
    "gates",
    "text",
    "cost",
)

__all__ = ["NAMES", "Claim", "Finding", "Sizes", "Study", "Unit", "Verdict", "chosen", "load"]


def load(name: str) -> Study:
    """Return the study of a name in `NAMES`."""
    study: Study = import_module(f"{__name__}.{name.replace('-', '_')}").STUDY
    return study


def chosen(name: str) -> list[Study]:
    """Return the study called `name`, or every study for "all".

    Raises InputError with the nearest name when there is none.
    """
    if name == "all":
        return [load(known) for known in NAMES]
    if name not in NAMES:
        near = difflib.get_close_matches(name, (*NAMES, "all"), n=1, cutoff=0.4)
        hint = f"did you mean {near[0]}? " if near else ""
        raise InputError(f"there is no study {name!r}; {hint}There are: {', '.join(NAMES)}, all.")
    return [load(name)]
