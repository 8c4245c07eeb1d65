"""`forecast daily`: fetch, check, forecast, score what has come true, tell the track record."""

from typing import Any

import numpy as np
import pandas as pd

from forecast.command_settings import LEDGER, DailySettings
from forecast.counts import counted
from forecast.jobs.evening import Evening, new_forecasts, open_evening
from forecast.jobs.record import say_record
from forecast.jobs.terminal import Terminal
from forecast.jobs.watch import LATE_SESSIONS, check_clock, closed_since, histories_of, trouble_of
from forecast.ledger import Ledger, open_ledger, unpack
from forecast.models.levels import LEVELS
from forecast.prices.panel import Panel

#: Tickers whose new forecasts are printed.
SHOWN = 20


def daily(settings: DailySettings, terminal: Terminal, now: pd.Timestamp | None = None) -> bool:
    """Forecast what has not been forecast, score what can be; return whether all is well.

    Nothing is done twice: a second call finds nothing to do, and one after missed days makes up
    for them from data up to each of them alone. False when something needs a person. Raises
    InputError for prices, networks or a ledger that cannot be used; the ledger is then as before.
    """
    now = (pd.Timestamp.now(tz="UTC") if now is None else now).floor("s")
    path = settings.ledger or settings.runs_dir / LEDGER
    with open_ledger(path) as ledger:
        check_clock(ledger, now)
        evening = open_evening(settings, now)
        _say_prices(evening, terminal)
        trouble = trouble_of(ledger, evening, settings.allow_shorter)
        forecasts = new_forecasts(evening, ledger.recorded(evening.model), settings.baselines)
        ledger.append(forecasts=forecasts, histories=_histories(evening, ledger))
        _say_forecasts(forecasts, evening, terminal)
        scored = score_due(ledger, evening.panel, evening.made_at)
        terminal.line(f"  scored: {counted(scored, 'forecast')} whose day has come")
        trouble += say_record(ledger.scores(), terminal)
    terminal.data(needs_a_person=trouble)
    for words in trouble:
        terminal.result(f"needs a person: {words}")
    terminal.path(path)
    return not trouble


def score_due(ledger: Ledger, panel: Panel, scored_at: str) -> int:
    """Score the forecasts whose outcome the panel has; return how many were new.

    An outcome is counted in sessions of the panel; where the ticker has no price on that session
    there is none.
    """
    from forecast.evaluation.backtest import realised
    from forecast.evaluation.track import score_outcomes

    due = ledger.due(panel.sessions[-1])
    due = due[due["unique_id"].isin(panel.tickers) & due["cutoff"].isin(panel.sessions)]
    rows: list[dict[str, Any]] = []
    for h, at_h in due.groupby("h"):
        happened = realised(panel, at_h, (int(str(h)),))[:, 0]
        known = at_h[np.isfinite(happened)]
        if known.empty:
            continue
        log_return = happened[np.isfinite(happened)]
        quantiles = unpack(known["quantiles"].to_list()).astype(float)
        crps, pit = score_outcomes(quantiles, log_return, LEVELS)
        scores = known[["unique_id", "h", "model"]].assign(
            cutoff=known["cutoff"].dt.strftime("%Y-%m-%d"),
            log_return=log_return,
            crps=crps,
            pit=pit,
            data_sha256=panel.sha256,
            scored_at=scored_at,
        )
        rows += [{str(k): value for k, value in row.items()} for row in scores.to_dict("records")]
    return ledger.append(scores=rows) if rows else 0


def _histories(evening: Evening, ledger: Ledger) -> list[dict[str, Any]]:
    """Rows of the ledger's table of that name, for the histories that have changed."""
    known = ledger.histories()
    seen = {"seen_at": evening.made_at, "data_sha256": evening.panel.sha256}
    return [
        {"unique_id": ticker, **history._asdict(), **seen}
        for ticker, history in histories_of(evening).items()
        if known.get(ticker) != history
    ]


def _say_prices(evening: Evening, terminal: Terminal) -> None:
    panel = evening.panel
    terminal.heading(
        f"Prices: {panel.source}, {counted(len(panel.tickers), 'ticker')}, to "
        f"{panel.sessions[-1]:%Y-%m-%d}; {evening.told}"
    )
    for note in evening.notes:
        terminal.line(f"  {note}")
    if 0 < (missing := closed_since(evening)) <= LATE_SESSIONS:  # beyond that a person is called
        are = "1 session has" if missing == 1 else f"{missing} sessions have"
        terminal.line(f"  {are} closed since, whose prices are not there yet")


def _say_forecasts(forecasts: list[dict[str, Any]], evening: Evening, terminal: Terminal) -> None:
    """Count what was made, and show the newest."""
    if evening.short:
        names = ", ".join(evening.short[:SHOWN])
        terminal.line(f"  not forecast yet, for want of history: {names}")
    frame = pd.DataFrame([row for row in forecasts if row["model"] == evening.model])
    if frame.empty:
        terminal.line("  nothing new to forecast")
        return
    late = frame.drop_duplicates(["unique_id", "cutoff"])["caught_up"]
    terminal.line(
        f"  forecast from {(late == 0).sum():,} newest closes; caught up with {late.sum():,} "
        "closes that were missed, each from data up to it alone"
    )
    newest = frame[frame["cutoff"] == frame["cutoff"].max()]
    more = newest["unique_id"].nunique() - SHOWN
    terminal.table(
        f"90 % bands from the close of {newest['cutoff'].iloc[0]}, by sessions ahead"
        + (f"; {more:,} more tickers are in the ledger" if more > 0 else ""),
        ("", "close", *(str(h) for h in sorted(newest["h"].unique()))),
        [
            _bands(str(ticker), of, evening)
            for ticker, of in list(newest.groupby("unique_id"))[:SHOWN]
        ],
    )


def _bands(ticker: str, rows: pd.DataFrame, evening: Evening) -> tuple[str, ...]:
    """One line of the table: close, then low … high of the 90 % band by horizon."""
    close = float(rows["last_value"].iloc[0])
    quantiles = unpack(rows.sort_values("h")["quantiles"].to_list()).astype(float)
    edges = quantiles[:, np.searchsorted(LEVELS, (0.05 - 1e-9, 0.95 - 1e-9))]  # (H, 2)
    prices = evening.panel.value(evening.level_of(close) + edges)
    return (ticker, f"{close:.2f}", *(f"{low:.2f} … {high:.2f}" for low, high in prices))
