"""Text of strangers stays text: on a terminal, in a table program, in Markdown."""

import re

# What a table program takes for the beginning of a formula, in half and in full width.
_FORMULA = re.compile("'*[=+\\-@\t\r\n＝＋－＠]")
_MARKDOWN = re.compile(r"([\\`*_\[\]<>|~$&])")


def printable(text: str) -> str:
    r"""Return a text in which every sign shows: one that steers a terminal becomes an escape.

    Line ends stay; other blanks become spaces.

    Example:
        >>> printable("\x1b[2Jx")
        '\\x1b[2Jx'
    """
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() or sign == "\n" else _shown(sign) for sign in text)


def _shown(sign: str) -> str:
    return " " if sign.isspace() else sign.encode("unicode_escape").decode("ascii")


def shown(value: object, most: int = 80) -> str:
    """Return a value as Python writes it, cut to `most` signs, whatever it is."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # a number of thousands of digits, a list in itself
        text = f"a {type(value).__name__} too large to be shown"
    return text if len(text) <= most else f"{text[:most]}…"


def as_cell(text: str) -> str:
    """Return what a CSV file holds of a text, so that no table program takes it for a formula.

    Example:
        >>> as_cell("=cmd()"), as_cell("AAPL")
        ("'=cmd()", 'AAPL')
    """
    return f"'{text}" if _FORMULA.match(text) else text


def from_cell(cell: str) -> str:
    """Return the text that `as_cell` was given."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def markdown(text: str) -> str:
    r"""Return a text that Markdown shows as it is: no links, pictures, markup or formulas.

    Example:
        >>> markdown("![x](http://a) $1$")
        '!\\[x\\](http://a) \\$1\\$'
    """
    return _MARKDOWN.sub(r"\\\1", printable(text))
