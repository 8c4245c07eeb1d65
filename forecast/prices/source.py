"""What every source of prices returns: rows by series, as they were found."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import pandas as pd

from forecast.prices.repairs import Repair

Scale = Literal["log", "linear"]
#: Rows by series: index `ds` (naive dates, any order), columns some of panel.FIELDS (float64).
#: Series may share one index and be views of one array: twenty of them cost what one table does.
Rows = Mapping[str, pd.DataFrame]


@dataclass(frozen=True)
class Read:
    """Prices as a source gave them, not yet trusted; `report` is what reading changed."""

    rows: Rows
    sha256: str
    calendar: str
    scale: Scale = "log"
    report: list[Repair] = field(default_factory=list)
