"""`forecast predict`: the distribution of the next sessions after the last one known."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pandas as pd

from forecast import runs
from forecast.command_settings import PredictSettings
from forecast.counts import counted
from forecast.errors import InputError
from forecast.evaluation.backtest import forecast_frame, walk_forward
from forecast.jobs.newest import newest_prices, pretrained_prices
from forecast.jobs.pretrained import pretrained_card, pretrained_settings
from forecast.jobs.runtimes import open_networks, runtime_of
from forecast.jobs.series import history_of, unit_of
from forecast.jobs.terminal import Terminal
from forecast.names import file_stem
from forecast.prices import Panel
from forecast.settings import Settings
from forecast.windows import BURN_IN

if TYPE_CHECKING:
    from forecast.models.base import Fitted

#: Horizons that are printed; the files hold all of them.
SHOWN_HORIZONS = (1, 2, 3, 5, 10, 20)
#: Tickers whose forecasts are printed.
SHOWN_TICKERS = 20


def predict(run: Path | None, chosen: PredictSettings, terminal: Terminal) -> Path:
    """Forecast every session of the horizon after each ticker's last close.

    By the networks of a run (None: by the pretrained network, from the prices of `chosen`). Writes
    ``forecast.csv``, ``forecast.json`` and fan charts to ``chosen.out`` (default: a folder of the
    last session's name) and returns that folder. Raises InputError when a ticker has too little
    history, or a network cannot be used.
    """
    if run is None:
        settings = pretrained_settings()
        panel, asked, notes = pretrained_prices(chosen)
        parent = chosen.runs_dir / "pretrained"
    else:
        settings = runs.read_settings(run)
        panel, asked, notes = newest_prices(run, settings, chosen.tickers)
        parent = run / "predictions"
    _say_prices(panel, notes, terminal)
    model = open_networks(run, settings, chosen.runtime)
    _say_model(run, model, panel, terminal)
    frame = forecast_with(model, settings, panel, asked)
    folder = chosen.out or parent / f"{frame['cutoff'].max():%Y-%m-%d}"
    publish(folder, frame, panel, model.name, terminal)
    write_fans(folder, frame, panel, model.name, chosen.fans, terminal)
    terminal.line(f"forecasts: {folder}")
    terminal.path(run or folder)
    return folder


def _say_prices(panel: Panel, notes: list[str], terminal: Terminal) -> None:
    terminal.heading(
        f"Prices: {panel.source}, {counted(len(panel.tickers), 'ticker')}, to "
        f"{panel.sessions[-1]:%Y-%m-%d}"
    )
    for note in notes:
        terminal.line(f"  {note}")


def _say_model(run: Path | None, model: "Fitted", panel: Panel, terminal: Terminal) -> None:
    who = f"{model.name} of run {run.name}" if run else "pretrained"
    if run is None:
        alone = len(panel.tickers) == 1
        who += f" on prices to {pretrained_card()['last_training_date']}; market: " + (
            "none, one ticker alone" if alone else "the mean of these tickers"
        )
    terminal.line(f"  {who}; by {runtime_of(model)}")


def publish(folder: Path, frame: pd.DataFrame, panel: Panel, name: str, terminal: Terminal) -> None:
    """Print the forecasts of the model `name`, and write them as CSV and JSON."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"the folder {folder} cannot be written: {error.strerror}; choose another --out."
        ) from error
    known = frame.drop(columns="y")
    content = as_json(known, panel, name)
    runs.write_frame(folder / "forecast.csv", known)
    runs.write_json(folder / "forecast.json", content)
    terminal.data(**content)
    closes = panel.field("adj_close")
    tickers = frame["unique_id"].unique()
    shown = frame[frame["unique_id"].isin(tickers[:SHOWN_TICKERS])]
    for ticker, rows in shown.groupby("unique_id", sort=False):
        last = float(closes.loc[rows["cutoff"].iloc[0], str(ticker)])
        say_prediction(rows, last, unit_of(panel), name, terminal)
    if len(tickers) > SHOWN_TICKERS:
        more = len(tickers) - SHOWN_TICKERS
        terminal.result(f"{more:,} more tickers are in {folder / 'forecast.csv'}")


def forecast_next(run: Path, settings: Settings, panel: Panel, tickers: list[str]) -> pd.DataFrame:
    """Forecast frame of the run's first cell, from the last observed session of each ticker."""
    return forecast_with(open_networks(run, settings, "auto"), settings, panel, tickers)


def forecast_with(
    model: "Fitted", settings: Settings, panel: Panel, tickers: list[str]
) -> pd.DataFrame:
    """Forecast frame of a model, from the last observed session of each ticker."""
    last = panel.field("adj_close")[tickers].apply(lambda series: series.last_valid_index())
    cutoffs = pd.DataFrame({"unique_id": last.index, "cutoff": pd.DatetimeIndex(last.to_numpy())})
    horizons = tuple(range(1, settings.horizon + 1))
    frame = forecast_frame(walk_forward({model.name: model}, panel, cutoffs, horizons), panel)
    short = frame.loc[frame[model.name].isna(), "unique_id"].unique()
    if len(short):
        ticker = short[0]
        have, need = panel.field("adj_close")[ticker].count(), BURN_IN + settings.warmup + 1
        raise InputError(
            f"{ticker} has {counted(have, 'session')}; this network needs {need} before it can "
            f"forecast: leave {ticker} out or give more history."
        )
    return frame


def write_fans(
    folder: Path,
    frame: pd.DataFrame,
    panel: Panel,
    model: str,
    most: int | Literal["all"],
    terminal: Terminal,
) -> None:
    """Write a fan chart of each of the first tickers, as many as are asked for."""
    tickers = list(frame["unique_id"].unique())
    chosen = tickers if most == "all" else tickers[:most]
    if chosen:
        from forecast.plots import plot_fan, save

        with terminal.stage("fan charts", len(chosen)) as bar:
            for ticker in chosen:
                one = frame[frame["unique_id"] == ticker]
                chart = plot_fan(history_of(panel, ticker), one, model, unit=unit_of(panel))
                save(chart, folder / f"fan_{file_stem(ticker)}.png")
                bar.step(ticker)
    if len(chosen) < len(tickers):
        terminal.line(
            f"  fan charts: {len(chosen):,} of {counted(len(tickers), 'ticker')}; --fans all "
            "draws all"
        )


def as_json(frame: pd.DataFrame, panel: Panel, cell: str) -> dict[str, object]:
    """Per ticker the cutoff, its close and, by session, the quantiles of the price."""
    closes, tickers = panel.field("adj_close"), {}
    for ticker, rows in frame.groupby("unique_id", sort=False):
        cutoff = rows["cutoff"].iloc[0]
        columns = {c: c.removeprefix(cell).removeprefix("-") or "median" for c in rows.columns[4:]}
        sessions = rows.rename(columns=columns).drop(columns=["unique_id", "cutoff"])
        sessions["ds"] = sessions["ds"].dt.strftime("%Y-%m-%d")
        tickers[ticker] = {
            "cutoff": f"{cutoff:%Y-%m-%d}",
            "last_value": float(closes.loc[cutoff, str(ticker)]),
            "sessions": json.loads(sessions.to_json(orient="records", double_precision=10)),
        }
    return {"model": cell, "unit": unit_of(panel), "calendar": panel.calendar, "tickers": tickers}


def say_prediction(
    rows: pd.DataFrame, last: float, unit: str, cell: str, terminal: Terminal
) -> None:
    """Print the forecast of one ticker at a few horizons; `last` is its last price."""
    ticker, cutoff = rows["unique_id"].iloc[0], rows["cutoff"].iloc[0]
    longest = rows["h"].max()
    shown = rows[rows["h"].isin({*SHOWN_HORIZONS, longest})]
    terminal.table(
        f"{ticker}: last {last:.2f} on {cutoff:%Y-%m-%d} ({unit}); {cell}",
        ("session", "ahead", "5 %", "25 %", "median", "75 %", "95 %"),
        [
            (
                f"{row['ds']:%Y-%m-%d}",
                str(row["h"]),
                *(
                    f"{row[cell + side]:.2f}"
                    for side in ("-lo-90", "-lo-50", "", "-hi-50", "-hi-90")
                ),
            )
            for row in shown.to_dict("records")
        ],
    )
