"""A forecast from the newest prices, for the app."""

from pathlib import Path
from typing import Any

from forecast import runs
from forecast.jobs.newest import newest_prices
from forecast.jobs.predicting import forecast_next
from forecast.jobs.series import history_of, unit_of
from forecast.report import build_chart, fan_chart


def forecast_now(run: Path, ticker: str) -> dict[str, Any]:
    """Forecast a ticker from its last session: ``frame``, ``chart`` (HTML) and ``notes``.

    Raises InputError when the ticker is not there, has too little history, or the run's files
    are not those that were written.
    """
    settings = runs.read_settings(run)
    panel, asked, notes = newest_prices(run, settings, (ticker,))
    frame = forecast_next(run, settings, panel, asked)
    cell, unit = settings.cell[0], unit_of(panel)
    past = history_of(panel, ticker).tail(1000)
    chart = fan_chart(past, frame, cell, unit=unit)
    said = f"{ticker}: {cell} from {frame['cutoff'].iloc[0]:%Y-%m-%d}, price in {unit}"
    return {"frame": frame.drop(columns="y"), "chart": build_chart(chart, said), "notes": notes}
