"""What was repaired or noticed in the prices: one `Repair` each, one line each when printed."""

from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

from forecast.counts import counted


@dataclass(frozen=True)
class Repair:
    """One thing that was changed or noticed in the prices of one series.

    `kind` is a short name such as "duplicate row"; `detail` says what was seen and done;
    `ds` is the session it concerns, or None where it concerns the whole series.
    """

    unique_id: str
    ds: pd.Timestamp | None
    kind: str
    detail: str

    def __str__(self) -> str:
        when = "" if self.ds is None else f" {self.ds.date()}"
        return f"{self.unique_id}{when}: {self.kind}: {self.detail}"


def render_repairs(repairs: Iterable[Repair], longest: int = 3) -> list[str]:
    """Return one line per repair; more than `longest` of a kind become one line with counts."""
    by_kind: dict[str, list[Repair]] = {}
    for repair in repairs:
        by_kind.setdefault(repair.kind, []).append(repair)
    lines: list[str] = []
    for kind, group in by_kind.items():
        if len(group) <= longest:
            lines += [str(repair) for repair in group]
        else:
            lines.append(_summary(kind, group))
    return lines


def _summary(kind: str, group: list[Repair]) -> str:
    counts = pd.Series([repair.unique_id for repair in group]).value_counts()
    shown = ", ".join(f"{name} {count}" for name, count in counts.head(5).items())
    more = f" and {len(counts) - 5:,} more series" if len(counts) > 5 else ""
    dates = [repair.ds for repair in group if repair.ds is not None]
    span = f", {min(dates).date()} to {max(dates).date()}" if dates else ""
    return f"{kind}: {counted(len(group), 'time')} ({shown}{more}){span}; first: {group[0].detail}"
