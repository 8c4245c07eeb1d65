"""Counts as a user reads them: one fold, two folds."""

from typing import Any


def counted(number: int, noun: str) -> str:
    """Return "1 fold", "12,000 folds"; the noun is one that takes an s."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def ahead(h: Any) -> str:
    """Return "1 session ahead", "5 sessions ahead"."""
    return f"{counted(int(h), 'session')} ahead"
