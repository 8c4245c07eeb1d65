"""Standard output and error that take every text, and end quietly when nobody reads them."""

import codecs
import io
import os
import sys
from pathlib import Path
from typing import NoReturn

#: Exit code of a program whose reader has hung up, as shells give it (128 + SIGPIPE).
HUNG_UP = 141
#: The signs of our own lines where a terminal knows ASCII only.
_PLAIN = {
    **{"×": "x", "–": "-", "—": "-", "−": "-", "…": "...", "→": "->", "‘": "'", "’": "'", "·": "."},
    **{"√": "sqrt ", "σ": "sigma", "²": "^2", "≥": ">=", "≤": "<=", "±": "+-", "‖": "|"},
}


def take_every_text() -> None:
    """Let the streams write, as well as they can, what their encoding does not have."""
    codecs.register_error("plainly", _plainly)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="plainly")


def hang_up() -> NoReturn:
    """End without a word: there is no one to say it to."""
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), sys.stdout.fileno())
    sys.exit(HUNG_UP)


def _plainly(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    signs = error.object[error.start : error.end]
    return "".join(_PLAIN.get(s, s.encode("unicode_escape").decode()) for s in signs), error.end
