"""merge: several panels as one."""

import hashlib
from collections.abc import Sequence

import pandas as pd

from forecast.errors import InputError
from forecast.prices.panel import Panel


def merge(panels: Sequence[Panel]) -> Panel:
    """Return one panel of all series and sessions, with the fields that all panels have.

    A series that is in several panels is taken from the first of them. Raises InputError when
    calendars or scales differ.

    Example:
        >>> from forecast.prices import clean, garch_prices
        >>> parts = [clean(garch_prices(2, 300, seed), source=f"{seed}", sha256="",
        ...          calendar="XNYS")[0] for seed in (0, 1)]
        >>> merge(parts).source
        '0+1'
    """
    first = panels[0]
    for other in panels[1:]:
        if (other.calendar, other.scale) != (first.calendar, first.scale):
            raise InputError(
                f"{first.source} ({first.calendar}, {first.scale}) and {other.source} "
                f"({other.calendar}, {other.scale}) cannot be one panel: expected the same "
                "calendar and scale."
            )
    fields = [field for field in first.fields if all(field in panel.fields for panel in panels)]
    taken: set[str] = set()
    parts = []
    for panel in panels:
        new = [ticker for ticker in panel.tickers if ticker not in taken]
        taken.update(new)
        columns = panel.frame.columns
        parts.append(
            panel.frame.loc[:, columns.isin(new, "unique_id") & columns.isin(fields, "field")]
        )
    frame = pd.concat(parts, axis=1).sort_index().sort_index(axis=1)
    digests = "".join(panel.sha256 for panel in panels)
    return Panel(
        frame.reindex(columns=fields, level="field"),
        "+".join(panel.source for panel in panels),
        hashlib.sha256(digests.encode()).hexdigest(),
        first.calendar,
        first.scale,
    )
