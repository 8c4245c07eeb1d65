"""`forecast predict`: the distribution of the next sessions after the last one known."""

import json
from pathlib import Path

import pandas as pd

from forecast import runs
from forecast.errors import InputError
from forecast.evaluation.backtest import forecast_frame, walk_forward
from forecast.jobs.fans import history_of, unit_of
from forecast.jobs.loading import load_networks, load_pretrained
from forecast.jobs.newest import newest_prices, pretrained_prices
from forecast.jobs.pretrained import pretrained_card
from forecast.jobs.terminal import Terminal
from forecast.models.base import Forecaster
from forecast.names import file_stem
from forecast.plots import plot_fan, save
from forecast.prices import Panel
from forecast.settings import PriceSettings, Settings
from forecast.windows import BURN_IN

#: Horizons that are printed; the files hold all of them.
SHOWN_HORIZONS = (1, 2, 3, 5, 10, 20)


def predict(run: Path, tickers: tuple[str, ...], out: Path | None, terminal: Terminal) -> Path:
    """Forecast every session of the horizon after each ticker's last close.

    Writes ``forecast.csv``, ``forecast.json`` and a fan chart per ticker to `out` (default:
    ``predictions/<last session>`` in the run folder) and returns that folder. Raises InputError
    when a ticker has too little history.
    """
    settings = runs.read_settings(run)
    panel, asked, notes = newest_prices(run, settings, tickers)
    _say_prices(panel, notes, terminal)
    frame = forecast_next(run, settings, panel, asked)
    folder = out or run / "predictions" / _last_day(frame)
    publish(folder, frame, panel, settings.cell[0], terminal)
    terminal.path(run)
    return folder


def predict_pretrained(
    prices: PriceSettings, out: Path | None, runs_dir: Path, terminal: Terminal
) -> Path:
    """Forecast the tickers of `prices` with the pretrained network; no training.

    Writes what `predict` writes to `out` (default: ``pretrained/<last session>`` in `runs_dir`)
    and returns that folder. Raises InputError when a ticker has too little history.
    """
    panel, asked, notes = pretrained_prices(prices)
    _say_prices(panel, notes, terminal)
    settings, model = load_pretrained()
    terminal.line(
        f"  pretrained on prices to {pretrained_card()['last_training_date']}; market: "
        + ("none, one ticker alone" if len(panel.tickers) == 1 else "the mean of these tickers")
    )
    frame = forecast_with(model, settings, panel, asked)
    folder = out or runs_dir / "pretrained" / _last_day(frame)
    publish(folder, frame, panel, model.name, terminal)
    terminal.path(folder)
    return folder


def _say_prices(panel: Panel, notes: list[str], terminal: Terminal) -> None:
    terminal.heading(
        f"Prices: {panel.source}, {len(panel.tickers)} tickers, to {panel.sessions[-1]:%Y-%m-%d}"
    )
    for note in notes:
        terminal.line(f"  {note}")


def publish(folder: Path, frame: pd.DataFrame, panel: Panel, name: str, terminal: Terminal) -> None:
    """Write the forecasts of the model `name` and print them."""
    with terminal.stage("fan charts"):
        write_prediction(folder, frame, panel, name)
    terminal.data(**as_json(frame.drop(columns="y"), panel, name))
    for _, rows in frame.groupby("unique_id", sort=False):
        say_prediction(rows, panel, name, terminal)
    terminal.line(f"forecasts and fan charts: {folder}")


def forecast_next(run: Path, settings: Settings, panel: Panel, tickers: list[str]) -> pd.DataFrame:
    """Forecast frame of the run's first cell, from the last observed session of each ticker."""
    cell = settings.cell[0]
    model = load_networks(run, settings.model_copy(update={"cell": (cell,)}))[cell]
    return forecast_with(model, settings, panel, tickers)


def forecast_with(
    model: Forecaster, settings: Settings, panel: Panel, tickers: list[str]
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
            f"{ticker} has {have} sessions; this network needs {need} before it can forecast: "
            f"leave {ticker} out or give more history."
        )
    return frame


def _last_day(frame: pd.DataFrame) -> str:
    return f"{frame['cutoff'].max():%Y-%m-%d}"


def write_prediction(folder: Path, frame: pd.DataFrame, panel: Panel, cell: str) -> None:
    """Write forecast.csv, forecast.json and one fan chart per ticker."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"the folder {folder} cannot be written: {error.strerror}; choose another --out."
        ) from error
    known = frame.drop(columns="y")
    runs.write_frame(folder / "forecast.csv", known)
    runs.write_json(folder / "forecast.json", as_json(known, panel, cell))
    for ticker in frame["unique_id"].unique():
        one = frame[frame["unique_id"] == ticker]
        chart = plot_fan(history_of(panel, ticker), one, cell, unit=unit_of(panel))
        save(chart, folder / f"fan_{file_stem(ticker)}.png")


def as_json(frame: pd.DataFrame, panel: Panel, cell: str) -> dict[str, object]:
    """Per ticker the cutoff, its close and, by session, the quantiles of the price."""
    tickers = {}
    for ticker, rows in frame.groupby("unique_id", sort=False):
        cutoff = rows["cutoff"].iloc[0]
        columns = {c: c.removeprefix(cell).removeprefix("-") or "median" for c in rows.columns[4:]}
        sessions = rows.rename(columns=columns).drop(columns=["unique_id", "cutoff"])
        sessions["ds"] = sessions["ds"].dt.strftime("%Y-%m-%d")
        tickers[ticker] = {
            "cutoff": f"{cutoff:%Y-%m-%d}",
            "last_value": float(panel.field("adj_close")[str(ticker)].loc[cutoff]),
            "sessions": json.loads(sessions.to_json(orient="records", double_precision=10)),
        }
    return {"model": cell, "unit": unit_of(panel), "calendar": panel.calendar, "tickers": tickers}


def say_prediction(rows: pd.DataFrame, panel: Panel, cell: str, terminal: Terminal) -> None:
    """Print the forecast of one ticker at a few horizons."""
    ticker, cutoff = rows["unique_id"].iloc[0], rows["cutoff"].iloc[0]
    last = panel.field("adj_close").loc[cutoff, ticker]
    longest = rows["h"].max()
    shown = rows[rows["h"].isin({*SHOWN_HORIZONS, longest})]
    terminal.table(
        f"{ticker}: last {last:.2f} on {cutoff:%Y-%m-%d} ({unit_of(panel)}); {cell}",
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
