"""Past forecasts and the newest one, as fans."""

from collections.abc import Iterator
from typing import Any

import pandas as pd

from forecast.report.charts.fans import BANDS, fan_chart
from forecast.report.packing import pack_fans
from forecast.report.parts import Fans, Text
from forecast.report.reading import RunFolder
from forecast.report.words import listed

#: The baseline that lies beside the network, where the run has it.
BESIDE = "ewma-t"


def fans(run: RunFolder) -> Iterator[Any]:
    """The fan chart with everything one can choose in it."""
    model = run.model
    bands = [f"{model}-{side}-{band}" for band in BANDS for side in ("lo", "hi")]
    # a run made before fans.parquet was kept still has its scored horizons
    name = "fans.parquet" if run.has("fans.parquet") else "forecasts.parquet"
    every = run.frame(name, ["unique_id", "cutoff", "ds", "h", "y", model, *bands])
    every = every[every[model].notna()]
    prices = _prices(run, every)
    beside = BESIDE if f"{BESIDE}-lo-90" in every else None
    packed = pack_fans(every, prices, model, beside)
    ticker = packed["tickers"][0]
    one = every[every["unique_id"].astype(str) == ticker]
    shown = one[one["cutoff"] == one.loc[one["y"].notna(), "cutoff"].max()]
    if shown.empty:
        shown = one[one["cutoff"] == one["cutoff"].max()]
    of = prices[prices["unique_id"].astype(str) == ticker].rename(columns={"adj_close": "y"})
    unit = str(run.manifest.get("data", {}).get("unit", "adjusted close"))
    chart = fan_chart(of[["ds", "y"]], shown, model, beside, unit)
    yield Fans(
        name="fans",
        title=f"What {model} forecast",
        how="The shaded bands hold 50, 80, 90 and 98 % of the probability, the dots are what then "
        "happened: about one in ten should lie outside the 90 % band, on either side.",
        alt=f"Fan chart of the price of one ticker in {unit}: the past, the bands that {model} "
        "forecast from the cutoff, and what then happened. The sentence below it and the table of "
        "values say the same in words and numbers.",
        fan=chart,
        packed=packed,
    )
    left_out = sorted(set(every["unique_id"].astype(str)) - set(packed["tickers"]))
    if left_out:
        yield Text([f"Not on this page, so that it stays small: {listed(left_out, 20)}."])


def _prices(run: RunFolder, fans: pd.DataFrame) -> pd.DataFrame:
    if run.has("prices.parquet"):
        return run.frame("prices.parquet", ["unique_id", "ds", "adj_close"])
    known = fans[["unique_id", "ds", "y"]].dropna().drop_duplicates(["unique_id", "ds"])
    return known.rename(columns={"y": "adj_close"})
