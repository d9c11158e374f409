"""A table of results on the terminal, in as many parts as its width asks for."""

from __future__ import annotations

from collections.abc import Iterator

_GAP = 3
"""Blanks around a column."""


def print_table(console, table, paper_rows=None) -> None:
    """Print a `studies.tables.Table`: ours, then the paper's dimmed, the best of ours bold.

    Numbers are never broken: columns that do not fit beside the others follow below, with the first column again.

    Args:
        console: of rich.
        table: what to show.
        paper_rows: of the paper's rows show only those with one of these words in their name; None shows all.
    """
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    rows = [
        row
        for row, cells in enumerate(table.rows)
        if row < table.paper_from or not paper_rows or any(word in cells[0] for word in paper_rows)
    ]
    for number, columns in enumerate(_parts(table, rows, console.width)):
        shown = Table(title=table.title if not number else None, title_justify="left", box=SIMPLE_HEAD)
        for column in columns:
            shown.add_column(
                table.headers[column], justify="right" if column else "left", min_width=_least(table, rows, column)
            )
        for row in rows:
            cells = [Text(table.rows[row][column], "bold" if (row, column) in table.bold else "") for column in columns]
            ours = row < table.paper_from
            shown.add_row(*cells, style="" if ours else "dim", end_section=row == table.paper_from - 1)
        console.print(shown)


def _parts(table, rows: list[int], width: int) -> Iterator[list[int]]:
    """Indices of the columns of each part; a part has the first column and one more at least."""
    widths = [_least(table, rows, column) + _GAP for column in range(len(table.headers))]
    edges = 2
    part, used = [0], edges + widths[0]
    for column, needed in enumerate(widths[1:], start=1):
        if len(part) > 1 and used + needed > width:
            yield part
            part, used = [0], edges + widths[0]
        part.append(column)
        used += needed
    yield part


def _least(table, rows: list[int], column: int) -> int:
    """Characters that a column needs: headers may be broken between words, cells nowhere."""
    words = [*table.headers[column].split(), *(table.rows[row][column] for row in rows)]
    return max(map(len, words), default=0)
