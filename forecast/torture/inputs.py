"""Bad inputs: every dirty table and every hostile file, through the command that would meet it."""

import random
import tempfile
from pathlib import Path

from forecast.torture import dirty, hostile
from forecast.torture.counts import Counts, Report
from forecast.torture.outcomes import DONE, REFUSED, outcome_of


def run(count: int, seed: int, report: Report) -> Counts:
    """Try so many bad inputs, chosen by the seed (0, or more than there are: all of them)."""
    every: list[dirty.Case | hostile.Hostile] = [*dirty.CASES, *hostile.every()]
    if 0 < count < len(every):
        every = random.Random(seed).sample(every, count)
    faults, kinds = [], {"tables": 0, "attacks": 0}
    for number, case in enumerate(every, start=1):
        report(f"bad input {number} of {len(every)}: {case.name}")
        with tempfile.TemporaryDirectory() as folder:
            unclear = tried(case, Path(folder))
        if unclear:
            faults.append(f"{case.name}: {unclear}")
        kinds["tables" if isinstance(case, dirty.Case) else "attacks"] += 1
    clear = len(every) - len(faults)
    return Counts("bad inputs", len(every), "clear outcome", clear, tuple(faults), kinds)


def tried(case: dirty.Case | hostile.Hostile, folder: Path) -> str:
    """Run the command on one input in an empty folder; return what is not clear, "" if all is."""
    if isinstance(case, hostile.Hostile):
        return outcome_of(case.make(folder)).unclear(case.words, REFUSED)
    flags = [f"--{key.replace('_', '-')}={value}" for key, value in case.flags.items()]
    found = outcome_of(["check", str(case.write(folder)), *flags])
    if case.error:
        return found.unclear(case.error, REFUSED)
    return found.unclear([word for word in (case.repair, case.says) if word], DONE)
