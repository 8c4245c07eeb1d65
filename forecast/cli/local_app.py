"""`forecast app`."""

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.types import Port

from forecast.cli.app import app


@app.command(name="app")
def local_app(
    runs_dir: Annotated[Path, Parameter(help="folder of the run folders")] = Path("runs"),
    /,
    *,
    address: Annotated[str, Parameter(help="address of this machine; loopback only")] = "127.0.0.1",
    port: Annotated[Port, Parameter(help="port of the app")] = 8501,
    browser: Annotated[bool, Parameter(help="also open it in the browser")] = False,
) -> None:
    """Look at runs in the browser: browse, compare two, forecast, follow a training.

    It is served to this machine alone and writes nothing. Ctrl-C ends it.
    """
    from forecast.app.serving import serve

    sys.exit(serve(runs_dir, address, port, browser))
