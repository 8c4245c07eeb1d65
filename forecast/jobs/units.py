"""In which unit a CRPS is told."""

from typing import NamedTuple


class CrpsUnit(NamedTuple):
    """How a CRPS is printed: times `factor`, with a format, in the unit `name`."""

    factor: float
    form: str
    name: str


def crps_unit(scale: str) -> CrpsUnit:
    """1e-4 log return for prices, the value itself for other series."""
    if scale == "log":
        return CrpsUnit(1e4, ".2f", "1e-4 log return")
    return CrpsUnit(1, ".4g", "value")
