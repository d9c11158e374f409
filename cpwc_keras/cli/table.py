"""A table of results on the terminal, in as many parts as its width asks for."""

from __future__ import annotations

import textwrap


def print_table(console, table, paper_rows=None) -> None:
    """Print a `studies.tables.Table`: ours, then the paper's dimmed, the best of ours bold.

    Numbers are never broken: columns that do not fit beside the others follow below, with the first column again.

    Args:
        console: of rich.
        table: what to show.
        paper_rows: of the paper's rows show only those with one of these words in their name; None shows all.
    """
    rows = [
        row
        for row, cells in enumerate(table.rows)
        if row < table.paper_from or not paper_rows or any(word in cells[0] for word in paper_rows)
    ]
    part = [0]
    console.print(table.title)
    for column in range(1, len(table.headers)):
        wider = [*part, column]
        if len(part) > 1 and _width(console, _shown(table, rows, wider)) > console.width:
            console.print(_shown(table, rows, part))
            wider = [0, column]
        part = wider
    console.print(_shown(table, rows, part))


def _width(console, shown) -> int:
    return console.measure(shown, options=console.options.update(width=10_000)).maximum


def _shown(table, rows: list[int], columns: list[int]):
    """These columns as rich's table."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    shown = Table(box=SIMPLE_HEAD)
    for column in columns:
        # Headers are broken between words to the width of the cells, which are broken nowhere.
        words = [*table.headers[column].split(), *(table.rows[row][column] for row in rows)]
        header = textwrap.fill(table.headers[column], max(map(len, words)), break_long_words=False)
        shown.add_column(header, justify="right" if column else "left", no_wrap=True)
    for row in rows:
        cells = [Text(table.rows[row][column], "bold" if (row, column) in table.bold else "") for column in columns]
        ours = row < table.paper_from
        shown.add_row(*cells, style="" if ours else "dim", end_section=row == table.paper_from - 1)
    return shown
