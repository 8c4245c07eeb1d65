"""What a training in progress writes for those who follow it: a line per epoch."""

import csv
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from forecast.drafts import CHECKPOINT

#: The file in the draft of a run.
PROGRESS = f"{CHECKPOINT}/progress.csv"
#: Its columns; a figure that was not measured is left empty.
COLUMNS = (
    *("model", "seed", "epoch", "epochs", "loss", "val_loss"),
    *("gradient_norm", "clipped_share", "memory_sessions", "forget_mean"),
)


def keep_progress(
    draft: Path, about: Mapping[str, object]
) -> Callable[[Mapping[str, float]], None]:
    """Return a function that adds the figures of an epoch to ``progress.csv`` of a draft.

    `about` is what is the same on every line: ``model, seed, epochs``. The header is written at
    once, before several processes add to the file.
    """
    path = draft / PROGRESS
    with suppress(OSError), path.open("a", newline="", encoding="utf-8") as file:
        if not file.tell():
            csv.DictWriter(file, COLUMNS).writeheader()

    def keep(figures: Mapping[str, float]) -> None:
        with suppress(OSError), path.open("a", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, COLUMNS, restval="", extrasaction="ignore")
            writer.writerow({**about, **figures})

    return keep
