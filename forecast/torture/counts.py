"""What a campaign returns, and how all of them are told."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from forecast.jobs.versions import versions

#: Told in one line what a campaign is at.
Report = Callable[[str], None]


@dataclass(frozen=True)
class Counts:
    """How often something was tried and how often it ended in a certain way.

    Args:
        tried: what was tried, as "kills".
        count: how often.
        ended: how it ended, as "resumed identical" or "tracebacks".
        ends: how often it ended so.
        faults: one line for each try that did not end as it should, with what repeats it.
        by: how often each kind was tried.
    """

    tried: str
    count: int
    ended: str
    ends: int
    faults: tuple[str, ...] = ()
    by: Mapping[str, int] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.tried} {self.count:,}, {self.ended} {self.ends:,}"


def campaign(name: str) -> Callable[[int, int, Report], Counts]:
    """The function ``run(count, seed, report)`` of the campaign of that name."""
    run: Callable[[int, int, Report], Counts] = import_module(f"forecast.torture.{name}").run
    return run


def result_json(results: Mapping[str, Counts], seed: int) -> dict[str, Any]:
    """All counts, faults and what is needed to repeat them, for a JSON file."""
    return {
        "seed": seed,
        "versions": versions(),
        "passed": not any(counts.faults for counts in results.values()),
        "campaigns": {
            name: {
                "said": str(counts),
                counts.tried: counts.count,
                counts.ended: counts.ends,
                "faults": list(counts.faults),
                "by": dict(counts.by),
            }
            for name, counts in results.items()
        },
    }
