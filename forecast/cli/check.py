"""`forecast check`."""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from forecast.cli.app import EVERYTHING, Output, app


@app.command
def check(
    *files: Annotated[Path, Parameter(help="CSV files with prices")],
    sep: Annotated[str, Parameter(help="separator in the files")] = ",",
    decimal: Annotated[Literal[".", ","], Parameter(help="decimal sign in the files")] = ".",
    date_format: Annotated[
        str | None, Parameter(help="format of the dates, as %d/%m/%Y (default: ISO)")
    ] = None,
    calendar: Annotated[str, Parameter(help="exchange calendar (default: by the dates)")] = "auto",
    output: Output = EVERYTHING,
) -> None:
    """Read CSV files as training would, print what was found and repaired; train nothing.

    Exit code 2 when they cannot be used, with ticker, date, value and remedy. Without files the
    bundled prices are checked.
    """
    from forecast.jobs.checking import check_prices
    from forecast.jobs.terminal import Terminal
    from forecast.settings import PriceSettings

    settings = PriceSettings.model_validate(
        {
            "source": "csv" if files else "bundled",
            "csv": files,
            "sep": sep,
            "decimal": decimal,
            "date_format": date_format,
            "calendar": calendar,
        }
    )
    with Terminal(output.quiet, json=output.json) as terminal:
        check_prices(settings, terminal)
