"""`forecast explain`: what a run's networks do inside on the prices of one ticker."""

from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from forecast import runs
from forecast.bounded import read_table
from forecast.counts import counted
from forecast.errors import InputError
from forecast.jobs import findings
from forecast.jobs.loading import load_networks
from forecast.jobs.series import history_of, unit_of
from forecast.jobs.terminal import Terminal
from forecast.names import file_stem
from forecast.plots import (
    plot_attribution,
    plot_gates,
    plot_gradient_by_lag,
    plot_memory,
    save,
)
from forecast.plots.style import plain
from forecast.prices import load_prices
from forecast.prices.panel import choose_tickers
from forecast.settings import Settings
from forecast.telemetry import Probe
from forecast.training import inside
from forecast.windows import Windows, build_windows

#: A fall is measured over so many sessions, and shown with so many before and after it.
FALL, AROUND = 20, 60
#: Windows on which gradients and attributions are measured, spread evenly over the span.
WINDOWS = 32
#: The horizon whose width is attributed: the learned one nearest to a week.
WEEK = 5


class Span(NamedTuple):
    """The sessions and lags that are asked for; None leaves the choice to the command."""

    first: date | None
    last: date | None
    lags: int | None


class View(NamedTuple):
    """One ticker and the sessions that are looked at."""

    ticker: str
    windows: Windows
    places: np.ndarray  # (N,) session indices of the span
    low: int  # session index of the deepest point of the steepest fall in it
    fall: float  # that fall, in units of the level

    @property
    def days(self) -> pd.DatetimeIndex:
        """Dates (N,) of the span."""
        return pd.DatetimeIndex(self.windows.sessions[self.places])

    @property
    def low_day(self) -> pd.Timestamp:
        """Date of the deepest point."""
        return pd.Timestamp(self.windows.sessions[self.low])

    def ending_at(self, places: np.ndarray) -> np.ndarray:
        """Windows (n, 2) whose last session is at these session indices."""
        ticker = self.windows.tickers.index(self.ticker)
        starts = places - self.windows.settings.lookback + 1
        return np.column_stack([np.full(len(places), ticker), starts])


def explain(run: Path, ticker: str | None, span: Span, terminal: Terminal) -> Path:
    """Write pictures and frames to ``explain/<ticker>/`` of the run, say what was found.

    Every cell of the run is looked at with its first seed. Raises InputError for a ticker, a span
    or a lag that there is not, and for telemetry that cannot be read.
    """
    settings = runs.read_settings(run)
    manifest = runs.read_manifest(run)
    lags = check_lags(span.lags, settings.lookback)
    telemetry = read_telemetry(run)
    trained_on = tuple(manifest["data"]["tickers"])
    ticker = ticker or trained_on[0]
    both = tuple(dict.fromkeys([*trained_on, ticker]))
    panel, _ = load_prices(settings.model_copy(update={"tickers": both}))
    choose_tickers(panel.tickers, [ticker])
    windows = build_windows(panel, settings, trained_on)
    view = choose_span(windows, ticker, span, pd.Timestamp(manifest["splits"]["test"]["first"]))
    folder = run / "explain" / file_stem(ticker)
    runs.make_folder(folder, "--runs-dir")
    seed = manifest["seeds"][0]
    terminal.heading(
        f"{ticker}, {view.days[0]:%Y-%m-%d} to {view.days[-1]:%Y-%m-%d} "
        f"({counted(len(view.places), 'session')}), {', '.join(settings.cell)} of seed {seed}"
    )
    networks = load_networks(run, settings)
    with terminal.stage("looking inside"):
        frames = look(settings, {c: networks[c].members[0].network_ for c in networks}, view, seed)
    frames["attribution"] = frames["attribution"].query("lag_sessions < @lags")
    frames["gradients"] = within(frames["gradients"], lags)
    for name, frame in frames.items():
        runs.write_frame(folder / f"{name}.parquet", frame)
    prices = history_of(panel, ticker)
    with terminal.stage("drawing"):
        draw(folder, frames, view, prices, unit_of(panel))
    said = findings.say(frames, view, panel.scale)
    terminal.data(ticker=ticker, findings=said, folder=folder)
    for line in said:
        terminal.result(line)
    tell_training(telemetry, folder, terminal)
    terminal.line(f"pictures and frames: {folder}")
    terminal.path(run)
    return folder


def check_lags(lags: int | None, lookback: int) -> int:
    """How many lags to show; InputError when the window has not so many."""
    if lags is not None and not 1 < lags <= lookback:
        raise InputError(
            f"--lags {lags}: the window of this run has {lookback} sessions, so its lags go from "
            f"0 to {lookback - 1}: choose --lags from 2 to {lookback}, or train with a longer "
            "--lookback."
        )
    return lags or lookback


def choose_span(windows: Windows, ticker: str, span: Span, test_start: pd.Timestamp) -> View:
    """Return the sessions asked for, else those around the steepest fall before the test part.

    Every one has a whole window behind it. Raises InputError when there is no such session.
    """
    u = windows.tickers.index(ticker)
    days, lookback = pd.DatetimeIndex(windows.sessions), windows.settings.lookback
    level = windows.level[u]
    able = np.flatnonzero(
        np.isfinite(level) & (np.arange(len(days)) >= windows.first[u] + lookback - 1)
    )
    if not len(able):
        raise InputError(
            f"{ticker} has {counted(np.isfinite(level).sum(), 'session')}; to look into the "
            f"network at one it needs {lookback + int(windows.first[u])} before it: choose another "
            "--ticker."
        )
    chosen = able
    if span.first or span.last:
        first, last = pd.Timestamp(span.first or days[0]), pd.Timestamp(span.last or days[-1])
        chosen = able[(days[able] >= first) & (days[able] <= last)]
        if len(chosen) < 2:
            raise InputError(
                f"{ticker} has {counted(len(chosen), 'session')} from {first:%Y-%m-%d} to "
                f"{last:%Y-%m-%d} with {lookback} sessions behind them; such sessions run from "
                f"{days[able[0]]:%Y-%m-%d} to {days[able[-1]]:%Y-%m-%d}: choose --from and --to "
                "inside that range."
            )
    elif (days[able] < test_start).any():
        chosen = able[days[able] < test_start]
    fall = pd.Series(level).ffill().pipe(lambda s: s - s.rolling(FALL, min_periods=1).max())
    low = int(chosen[fall.to_numpy()[chosen].argmin()])
    if not (span.first or span.last):
        chosen = chosen[np.abs(chosen - low) <= AROUND]
    return View(ticker, windows, chosen, low, float(fall[low]))


def look(
    settings: Settings, networks: dict[str, Any], view: View, seed: int
) -> dict[str, pd.DataFrame]:
    """Measure every network and its untrained twin: frames gates, gradients, attribution."""
    windows, learned = view.windows, settings.learned_horizons
    x = windows.inputs(view.ending_at(view.places))  # (N, T, F)
    few = np.linspace(0, len(x) - 1, min(WINDOWS, len(x))).round().astype(int)
    probe = last_origin_probe(view, view.places)
    week = int(np.abs(np.log(learned) - np.log(WEEK)).argmin())
    frames: dict[str, list[pd.DataFrame]] = {"gates": [], "gradients": [], "attribution": []}
    for cell in settings.cell:
        before = inside.untrained(networks[cell], settings, cell, seed)
        for epoch, (when, network) in enumerate(
            (("untrained", before), ("trained", networks[cell]))
        ):
            labels = {"model": cell, "seed": seed, "when": when}
            gates = inside.gate_frame(network, x, view.days)
            if len(gates):  # a GRU shows none
                frames["gates"].append(gates.assign(**labels, ticker=view.ticker))
            by_lag = inside.lag_frame(network, probe)
            frames["gradients"].append(by_lag.assign(**labels, epoch=epoch))
            parts = inside.attribution_frame(network, x[few], windows.feature_names, week)
            h = learned[week]
            frames["attribution"].append(parts.assign(**labels, horizon_sessions=h))
    return {name: pd.concat(parts, ignore_index=True) for name, parts in frames.items() if parts}


def last_origin_probe(view: View, places: np.ndarray) -> Probe:
    """A batch of windows spread over the span, with a loss at their last session alone."""
    windows = view.windows
    u = windows.tickers.index(view.ticker)
    y = windows.targets(np.full(len(places), u), places, windows.settings.learned_horizons)
    known = places[np.isfinite(y).any(axis=1)]
    if not len(known):
        raise InputError(
            f"no session of the span has an outcome {windows.settings.learned_horizons[0]} session "
            "later: choose an earlier --to."
        )
    few = known[np.linspace(0, len(known) - 1, min(WINDOWS, len(known))).round().astype(int)]
    batch = windows.batch(view.ending_at(few), (0, len(windows.sessions) - 1))
    batch.weight[:, :-1] = 0
    return Probe(*batch)


def within(gradients: pd.DataFrame, lags: int) -> pd.DataFrame:
    """Rows without a lag, or with one below `lags`."""
    return gradients[~(gradients["lag_sessions"] >= lags)]


def draw(
    folder: Path, frames: dict[str, pd.DataFrame], view: View, prices: pd.DataFrame, unit: str
) -> None:
    """Draw gates.png and attribution.png of every cell, gradient_by_lag.png of all."""
    for cell, gates in findings.by_model(frames, "gates"):
        title = f"{plain(view.ticker)}, and what {cell} did inside; dotted: {view.low_day:%Y-%m-%d}"
        save(plot_gates(prices, gates, title, unit, view.low_day), folder / f"gates_{cell}.png")
    save(plot_gradient_by_lag(frames["gradients"]), folder / "gradient_by_lag.png")
    for cell, parts in findings.by_model(frames, "attribution"):
        h = parts["horizon_sessions"].iloc[0]
        title = f"{cell}: what sets the width of {plain(view.ticker)}'s {h}-session forecast"
        figure = plot_attribution(parts, cell, title)
        save(figure, folder / f"attribution_{cell}.png")


def read_telemetry(run: Path) -> pd.DataFrame | None:
    """What the training of a run measured, None without it; InputError when it cannot be read."""
    path = run / "telemetry.parquet"
    if not path.is_file():
        return None
    try:
        return read_table(path)
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {error}; train the run again.") from error


def tell_training(telemetry: pd.DataFrame | None, folder: Path, terminal: Terminal) -> None:
    """Draw memory and gates by epoch from the run's telemetry, or say that there is none."""
    if telemetry is None:
        terminal.result(
            "This run has no telemetry.parquet: how memory and gates moved in training is left "
            "out; train with --telemetry standard to see it."
        )
        return
    if (telemetry["quantity"] == "memory_sessions").any():
        save(plot_memory(telemetry), folder / "memory_by_epoch.png")
    for line in findings.of_training(telemetry):
        terminal.result(line)
