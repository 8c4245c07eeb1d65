"""The application that every command adds itself to, and the arguments commands share."""

from dataclasses import dataclass
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
app.register_install_completion_command(
    help="Install completion of commands and flags with the Tab key for this shell."
)

Run = Annotated[Path | None, Parameter(help="run folder or its name (default: the newest run)")]
RunsDir = Annotated[Path, Parameter(help="folder of the run folders")]
Json = Annotated[bool, Parameter(help="print the result as JSON and nothing else, for machines")]


@dataclass(frozen=True)
class Said:
    """How much a command says."""

    quiet: Annotated[bool, Parameter(help="print the result only")] = False
    json: Json = False


Output = Annotated[Said, Parameter(name="*")]
EVERYTHING = Said()
