"""When to measure: a schedule says of an epoch, counted from 1, whether it is looked into."""

from collections.abc import Callable
from typing import Literal, NamedTuple

Schedule = Callable[[int], bool]


def never(epoch: int) -> bool:
    """No epoch; the looks before and after training are always taken."""
    return False


def always(epoch: int) -> bool:
    """Every epoch."""
    return True


def quadrupling(epoch: int) -> bool:
    """Epochs 1, 4, 16 …: most of what happens inside happens early, and a look costs two steps."""
    while epoch % 4 == 0:
        epoch //= 4
    return epoch == 1


class Preset(NamedTuple):
    """What is measured at which cost."""

    every: int  # steps between two measurements of single weights
    look: Schedule  # epochs after which gates are read and the gradient is followed back by lag
    monitor: bool  # gates and gradients of the training batch itself (our LSTM)
    noise: Schedule  # epochs after which the gradient noise scale is measured
    detail: bool  # the monitor is read at every measurement; gradients per gate by lag


PresetName = Literal["economy", "standard", "full"]
PRESETS: dict[str, Preset] = {
    "economy": Preset(every=50, look=never, monitor=False, noise=never, detail=False),
    "standard": Preset(every=20, look=quadrupling, monitor=True, noise=never, detail=False),
    "full": Preset(every=1, look=always, monitor=True, noise=quadrupling, detail=True),
}
