"""What a study is: its claims, written down before it is run, and how they are measured."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import pandas as pd

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Settings of one measurement, plain JSON values: everything its rows depend on.
Unit = Mapping[str, Any]
#: What a study is run with: lengths, steps, variants.
Sizes = Mapping[str, Any]
Verdict = Literal["confirmed", "in part", "not confirmed"]


class Claim(NamedTuple):
    """A sentence of the literature that numbers can contradict."""

    says: str
    published: str  #: the published number, with the size of the task it was found on
    paper: str


class Finding(NamedTuple):
    """What was seen of a claim."""

    ours: str
    verdict: Verdict


def verdict(*held: bool) -> Verdict:
    """What the parts of a claim come to: "in part" when some of them held."""
    return "confirmed" if all(held) else "in part" if any(held) else "not confirmed"


@dataclass(frozen=True)
class Study:
    """One experiment; a file of `forecast.studies` each.

    ``plan(sizes, seeds)`` lists the units; ``measure(unit)`` runs one, seeded by the unit alone,
    and returns tidy rows; ``judge(frame)`` computes a finding for each of `claims` from the rows
    of all units; ``draw(frame)`` makes the figure. A frame has the settings of its unit as
    columns beside what was measured. Raise `version` when `measure` changes what it returns:
    units of an older one are then measured again.
    """

    name: str
    shows: str  #: what one sees, one sentence
    task: str
    claims: Mapping[str, Claim]
    plan: Callable[[Sizes, range], list[Unit]]
    measure: Callable[[Unit], pd.DataFrame]
    judge: Callable[[pd.DataFrame], dict[str, Finding]]
    draw: Callable[[pd.DataFrame], "Figure"]
    full: Sizes
    quick: Sizes = field(default_factory=dict)  #: what differs from `full`
    seeds: int = 3
    quick_seeds: int = 1
    alone: bool = False  #: measures time: one unit at a time
    version: int = 1

    def units(self, quick: bool, seeds: int | None = None) -> list[Unit]:
        """The units of a run with so many seeds (None: as many as the study wants)."""
        sizes = {**self.full, **(self.quick if quick else {})}
        count = seeds or (self.quick_seeds if quick else self.seeds)
        return self.plan(sizes, range(count))

    def key(self, unit: Unit) -> str:
        """Name of a unit on disk: a hash of its settings."""
        text = json.dumps([self.name, self.version, dict(unit)], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]
