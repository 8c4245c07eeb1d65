"""From settings to a panel one can learn from, saying what was repaired and left out."""

from dataclasses import dataclass

import pandas as pd

from forecast.counts import counted
from forecast.jobs.pretrained import refuse_overlap
from forecast.jobs.terminal import Terminal
from forecast.prices import Panel, load_prices, render_repairs
from forecast.settings import Settings
from forecast.windows import Splits, drop_short_tickers, make_splits


@dataclass(frozen=True)
class Prepared:
    """A panel, its splits and what was said about it."""

    panel: Panel
    splits: Splits
    notes: list[str]

    @property
    def until(self) -> pd.Timestamp:
        """Last session that may be learned from: the one before the test part."""
        return self.panel.sessions[self.splits.test[0] - 1]

    @property
    def validation_start(self) -> pd.Timestamp:
        """First session of the validation part."""
        return self.panel.sessions[self.splits.validation[0]]

    @property
    def test_start(self) -> pd.Timestamp:
        """First session of the test part."""
        return self.panel.sessions[self.splits.test[0]]


def prepare(settings: Settings, terminal: Terminal) -> Prepared:
    """Load, clean, leave out what is too short, split; raises InputError."""
    with terminal.stage("loading prices"):
        panel, repairs = load_prices(settings)
    panel, short = drop_short_tickers(panel, settings, settings.tickers)
    splits = make_splits(panel, settings)
    if settings.from_pretrained:
        refuse_overlap(panel.sessions[splits.test[0]], panel.sessions[-1])
    notes = [*render_repairs(repairs), *short]
    days = panel.sessions
    terminal.heading(
        f"Prices: {settings.source}, {counted(len(panel.tickers), 'ticker')} "
        f"({_some(panel.tickers)}), {counted(len(days), 'session')} {days[0]:%Y-%m-%d} to "
        f"{days[-1]:%Y-%m-%d}"
    )
    for note in notes or ["nothing had to be repaired"]:
        terminal.line(f"  {note}")
    for name, part in splits.dates(panel).items():
        terminal.line(f"  {name:<10} origins {part['first']} to {part['last']}")
    terminal.line(
        f"  purge      {counted(splits.horizon, 'session')} before validation and before test"
    )
    return Prepared(panel, splits, notes)


def _some(names: list[str], most: int = 8) -> str:
    more = f" … {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
