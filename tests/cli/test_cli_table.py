"""Tables on narrow terminals: numbers stay whole, and every column is shown once."""

from io import StringIO

from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from cpwc_keras.cli.table import print_table
from cpwc_keras.studies.tables import Table

HEADERS = ["tracker", "endpoint error (mm)", "GLS MAE (%)", "closure after beat 1 (%)", "s per pair", "cases"]


def printed(rows, width, paper_from, paper_rows=None):
    console = Console(file=StringIO(), width=width)
    print_table(console, Table("A title", HEADERS, rows, paper_from, frozenset({(0, 1)})), paper_rows)
    return console.file.getvalue()


@given(st.integers(45, 200), st.lists(st.floats(-99, 99), min_size=10, max_size=10))
def test_every_number_is_whole_and_there_once(width, values):
    cells = [f"{value:.3f} ± {k}.{k}" for k, value in enumerate(values)]
    text = printed([["c_pwc_net_procedural", *cells[:5]], ["dis", *cells[5:]]], width, 2)
    assert all(text.count(cell) == cells.count(cell) for cell in cells)
    assert max(map(len, text.splitlines())) <= width
    assert text.count("A title") == 1


def test_rows_of_the_paper_can_be_chosen():
    rows = [["dis", *"12345"], ["paper: FFT", *"12345"], ["paper: other", *"12345"]]
    assert "other" in printed(rows, 100, 1)
    chosen = printed(rows, 100, 1, ("FFT",))
    assert "FFT" in chosen and "other" not in chosen
