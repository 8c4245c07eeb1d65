"""A command run on bad input, and whether its outcome is clear."""

import io
from collections.abc import Iterable
from contextlib import redirect_stderr, redirect_stdout
from typing import NamedTuple

#: Exit codes that a bad input may have: accepted with remarks, or refused.
DONE, REFUSED = 0, 2
#: Letters of a message that one can still read.
MOST_LETTERS = 2000


class Outcome(NamedTuple):
    """How a command ended: its exit code (None for an exception) and what it said."""

    code: int | None
    out: str
    err: str

    def unclear(self, words: Iterable[str] = (), code: int | None = None) -> str:
        """What is not clear about it, "" when all is: one line that says the `words`, or none."""
        if self.code is None or self.code not in ((DONE, REFUSED) if code is None else (code,)):
            return f"ended with {self.code}: {self.err[-300:]}"
        one_line = self.err.startswith("error: ") and self.err.count("\n") == 1
        if self.code == REFUSED and not (one_line and self.err[:-1].isprintable()):
            return f"refused with {self.err[:300]!r}"
        if self.code == DONE and self.err:
            return f"accepted with {self.err[:300]!r}"
        if len(self.err) > MOST_LETTERS:
            return f"said {len(self.err)} letters"
        said = self.err if self.code == REFUSED else self.out
        missing = [word for word in words if word not in " ".join(said.split())]
        return f"did not say {missing[0]!r} but {said[:300]!r}" if missing else ""


def outcome_of(arguments: list[str]) -> Outcome:
    """Run a command in this process."""
    from forecast.cli import main

    out, err = io.StringIO(), io.StringIO()
    try:
        with redirect_stdout(out), redirect_stderr(err):
            main(arguments)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else None
        return Outcome(code, out.getvalue(), err.getvalue())
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        return Outcome(None, out.getvalue(), f"{type(error).__name__}: {error}")
    raise AssertionError("a command always exits")
