"""`forecast check`: what training would make of prices, without training."""

import pandas as pd

from forecast.jobs.terminal import Terminal
from forecast.prices import load_prices, render_repairs
from forecast.settings import PriceSettings

#: Repairs of one kind that are listed one by one.
LISTED = 20


def check_prices(settings: PriceSettings, terminal: Terminal) -> None:
    """Load and clean the prices; print every series and every repair. Raises InputError."""
    panel, repairs = load_prices(settings)
    summary = panel.summary()
    rows = [
        (
            str(row["unique_id"]),
            str(row["sessions"]),
            f"{row['first']:%Y-%m-%d}",
            f"{row['last']:%Y-%m-%d}",
            str(row["holes"]),
            f"{row['lowest']:.6g}",
            f"{row['highest']:.6g}",
            f"{row['largest_step']:.3g}",
        )
        for row in summary.reset_index().to_dict("records")
    ]
    move = "largest log return" if panel.scale == "log" else "largest step"
    terminal.table(
        f"{len(rows)} series from {settings.source}, calendar {panel.calendar}, "
        f"fields {', '.join(panel.fields)}",
        ("", "sessions", "first", "last", "holes", "lowest", "highest", move),
        rows,
    )
    found = pd.DataFrame(repairs, columns=["unique_id", "ds", "kind", "detail"])
    terminal.data(series=summary.reset_index(), repairs=found)
    lines = render_repairs(repairs, LISTED)
    for line in lines or ["nothing had to be repaired"]:
        terminal.result(f"  {line}")
