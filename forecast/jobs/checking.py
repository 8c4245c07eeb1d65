"""`forecast check`: what training would make of prices, without training."""

import numpy as np

from forecast.jobs.terminal import Terminal
from forecast.prices import load_prices, render_repairs
from forecast.settings import PriceSettings

#: Repairs of one kind that are listed one by one.
LISTED = 20


def check_prices(settings: PriceSettings, terminal: Terminal) -> None:
    """Load and clean the prices; print every series and every repair. Raises InputError."""
    panel, repairs = load_prices(settings)
    value = panel.field("adj_close")
    rows = []
    for name in panel.tickers:
        one = value[name].dropna()
        inside = panel.sessions[
            (panel.sessions >= one.index[0]) & (panel.sessions <= one.index[-1])
        ]
        step = np.diff(np.log(one) if panel.scale == "log" else one)
        rows.append(
            (
                name,
                str(len(one)),
                f"{one.index[0]:%Y-%m-%d}",
                f"{one.index[-1]:%Y-%m-%d}",
                str(len(inside) - len(one)),
                f"{one.min():.6g}",
                f"{one.max():.6g}",
                f"{np.abs(step).max():.3g}",
            )
        )
    move = "largest log return" if panel.scale == "log" else "largest step"
    terminal.table(
        f"{len(rows)} series from {settings.source}, calendar {panel.calendar}, "
        f"fields {', '.join(panel.fields)}",
        ("", "sessions", "first", "last", "holes", "lowest", "highest", move),
        rows,
    )
    for line in render_repairs(repairs, LISTED) or ["nothing had to be repaired"]:
        terminal.result(f"  {line}")
