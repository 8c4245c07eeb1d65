"""The application that every command adds itself to, and the arguments commands share."""

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from forecast import __version__

#: Exit codes: 0 done, 1 a check was failed, 2 something the user can mend, 3 a training met numbers
#: that are not finite, 130 stopped by Ctrl-C.
FAILED, BAD_INPUT, DIVERGED, STOPPED = 1, 2, 3, 130

app = App(
    name="forecast",
    version=__version__,
    help="Honest distribution forecasts of prices, with an LSTM made of glass.",
    default_parameter=Parameter(consume_multiple=True, negative=()),
    suppress_keyboard_interrupt=False,
)

Run = Annotated[Path | None, Parameter(help="run folder or its name (default: the newest run)")]
RunsDir = Annotated[Path, Parameter(help="folder of the run folders")]
Quiet = Annotated[bool, Parameter(help="print the result only")]
