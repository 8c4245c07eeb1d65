"""Fans of past forecasts and of the newest one: frames for the report, pictures for the folder."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from forecast import runs
from forecast.evaluation.backtest import forecast_frame, make_cutoffs, walk_forward
from forecast.jobs.prepare import Prepared
from forecast.jobs.series import history_of, unit_of
from forecast.models.base import Forecaster
from forecast.models.baselines import BASELINES
from forecast.names import file_stem
from forecast.plots import plot_fans, save

#: The baseline whose 90 % band lies beside the network's: the one the network starts from.
BESIDE = "ewma-t"
#: Most horizons of a fan; a longer one is thinned evenly.
MOST_HORIZONS = 20
#: Most rows of ``fans.parquet``, one per origin and horizon; cutoffs are thinned evenly, and
#: tickers, where there are too many for `CUTOFFS` of each.
MOST_ROWS = 60_000
#: Tickers that get a picture, and the cutoffs it shows.
PICTURES, CUTOFFS = 12, 4


def write_fans(
    folder: Path, prepared: Prepared, models: Mapping[str, Forecaster], horizon: int
) -> None:
    """Write ``fans.parquet`` and ``prices.parquet`` of a run and a picture per ticker."""
    name, model = next(iter(models.items()))
    frame = past_fans(name, model, prepared, horizon)
    runs.write_frame(folder / "fans.parquet", frame)
    names = sorted(frame["unique_id"].unique())
    runs.write_frame(folder / "prices.parquet", recent_prices(prepared, names))
    panel = prepared.panel
    for ticker in names[:PICTURES]:
        one = frame[frame["unique_id"] == ticker]
        last = one["h"].max()
        known = one.loc[(one["h"] == last) & one["y"].notna(), "cutoff"]
        one = one[one["cutoff"].isin(known)]
        if one[name].notna().any():
            figure = plot_fans(history_of(panel, ticker), one, name, CUTOFFS, unit=unit_of(panel))
            save(figure, folder / "plots" / f"fan_{file_stem(ticker)}.png")


def past_fans(name: str, model: Forecaster, prepared: Prepared, horizon: int) -> pd.DataFrame:
    """Forecast frame over cutoffs of the test part, evenly thinned, the newest session included.

    Columns of the network and the 90 % band of `BESIDE`, as float32; ``y`` is NaN where the
    outcome is not known yet.
    """
    panel = prepared.panel
    horizons = np.linspace(1, horizon, min(horizon, MOST_HORIZONS)).round().astype(int)
    every = make_cutoffs(panel, prepared.test_start)
    names = np.unique(every["unique_id"].astype(str))
    count = min(len(names), max(MOST_ROWS // (len(horizons) * CUTOFFS), 1))
    names = names[np.linspace(0, len(names) - 1, count).round().astype(int)]
    every = every[every["unique_id"].isin(names)]
    days = every["cutoff"].drop_duplicates().sort_values()
    most = max(MOST_ROWS // (len(horizons) * count), CUTOFFS)
    places = np.linspace(0, len(days) - 1, min(len(days), most)).round().astype(int)
    chosen = every[every["cutoff"].isin(days.iloc[places])]
    ahead = tuple(map(int, horizons))
    backtest = walk_forward({name: model}, panel, chosen, ahead)
    shown = panel.select(list(names)) if count < len(panel.tickers) else panel
    beside = {BESIDE: BASELINES[BESIDE]().fit(shown, prepared.until)}
    quantiles = backtest.quantiles | walk_forward(beside, shown, chosen, ahead).quantiles
    frame = forecast_frame(replace(backtest, quantiles=quantiles), panel)
    band = [f"{BESIDE}-lo-90", f"{BESIDE}-hi-90"]
    kept = [c for c in frame if not str(c).startswith(BESIDE) or c in band]
    values = [c for c in kept if str(c).startswith((name, BESIDE))]
    return frame[kept].astype(dict.fromkeys(values, np.float32))


def recent_prices(prepared: Prepared, names: Sequence[str]) -> pd.DataFrame:
    """Adjusted closes as a long frame, from one year of sessions before the test part on."""
    panel = prepared.panel
    first = max(prepared.splits.test[0] - 250, 0)
    close = panel.field("adj_close")[list(names)].iloc[first:]
    long = close.rename_axis(columns="unique_id").melt(value_name="adj_close", ignore_index=False)
    long = long.reset_index()[["unique_id", "ds", "adj_close"]].dropna()
    return long.astype({"unique_id": "str"}).reset_index(drop=True)
