"""Small tables for notebooks: everything in them is escaped."""

from collections.abc import Iterable, Sequence
from html import escape

#: Rows that are shown; the rest is counted.
MOST_ROWS = 40


def html_table(
    caption: str, header: Sequence[object], rows: Iterable[Sequence[object]], note: str = ""
) -> str:
    """Return a captioned HTML table; a first cell is a row's header."""
    body = [_row(row) for row in rows]
    rest = len(body) - MOST_ROWS
    if rest > 0:
        body = [*body[:MOST_ROWS], f"<tr><th>… and {rest} more</th></tr>"]
    head = "".join(f'<th scope="col">{escape(str(name))}</th>' for name in header)
    style = "text-align: left; font-weight: bold; caption-side: top"
    below = f"<p>{escape(note)}</p>" if note else ""
    return (
        f'<table><caption style="{style}">{escape(caption)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody></table>{below}"
    )


def _row(cells: Sequence[object]) -> str:
    first, *others = (escape(str(cell)) for cell in cells)
    return f'<tr><th scope="row">{first}</th>{"".join(f"<td>{cell}</td>" for cell in others)}</tr>'
