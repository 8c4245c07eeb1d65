"""The gates of a run's first network around the steepest fall of its first ticker."""

from pathlib import Path

import pandas as pd

from forecast import runs
from forecast.errors import InputError
from forecast.jobs.explaining import Span, choose_span
from forecast.jobs.prepare import Prepared
from forecast.jobs.terminal import Terminal
from forecast.names import file_stem
from forecast.training import NeuralForecaster, inside
from forecast.windows import build_windows


def write_gates(
    folder: Path, prepared: Prepared, network: NeuralForecaster, terminal: Terminal
) -> None:
    """Write ``explain/<ticker>/gates.parquet``, which the report draws under the price.

    A cell that shows no gates, and prices too short for a whole window, leave it out.
    """
    panel, settings = prepared.panel, network.settings
    ticker = panel.tickers[0]
    windows = build_windows(panel, settings, network.market_)
    try:
        view = choose_span(windows, ticker, Span(None, None, None), prepared.test_start)
    except InputError as error:
        terminal.line(f"  no gates beside the price: {error}")
        return
    x = windows.inputs(view.ending_at(view.places))  # (N, T, F)
    before = inside.untrained(network.network_, settings, settings.cell[0], network.seed)
    parts = [
        inside.gate_frame(model, x, view.days).assign(when=when)
        for when, model in (("untrained", before), ("trained", network.network_))
    ]
    gates = pd.concat(parts, ignore_index=True)
    if len(gates):
        about = {"model": network.cell, "seed": network.seed, "ticker": ticker}
        target = folder / "explain" / file_stem(ticker)
        target.mkdir(parents=True, exist_ok=True)
        runs.write_frame(target / "gates.parquet", gates.assign(**about))
