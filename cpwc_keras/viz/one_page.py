"""A tracked loop on one page, as PDF."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from cpwc_keras.files import MADE_WITH, atomic_path

_INK, _PALE, _ACCENT = "#22303c", "#5d6d78", "#2b7a9b"
_A4 = (8.27, 11.69)
_LINE = 0.155
"""Height of a line of the remarks, in inches."""

_WRAP = 135
_VALUE, _MEANING = 1.25, 2.95
"""Where these columns of the numbers begin, in inches from the margin."""

_MEANING_WRAP = 66


def write_page(
    path: Path,
    title: str,
    picture: np.ndarray,
    numbers: Sequence[tuple[str, str, str]],
    draw_curves: Callable,
    draw_regions: Callable,
    remarks: Sequence[str],
    footer: str,
) -> None:
    """Write the page, whole or not at all.

    Args:
        path: the file, ``….pdf``.
        title: one line.
        picture: (H, W, 3) uint8 RGB, the contour on the loop.
        numbers: name, value, and what it is.
        draw_curves: called with a subfigure, left.
        draw_regions: likewise, right.
        remarks: one sentence each.
        footer: one line.

    Raises:
        InputError: the file cannot be written.
    """
    import textwrap

    from matplotlib.figure import Figure

    lines = [line for remark in remarks for line in textwrap.wrap(remark, _WRAP, subsequent_indent="    ")]
    lines = [*lines[:13], *(["…"] if len(lines) > 13 else [])]
    figure = Figure(figsize=_A4, facecolor="white")
    width, height = _A4
    margin = 0.6
    figure.text(margin / width, 1 - 0.62 / height, title, color=_INK, fontsize=15, weight="bold", va="bottom")
    figure.text(margin / width, 1 - 0.68 / height, footer, color=_PALE, fontsize=8.5, va="top")

    span = width - 2 * margin
    tall = min(span * picture.shape[0] / picture.shape[1], 3.5)
    top = height - 1.05
    axes = figure.add_axes((margin / width, (top - tall) / height, span / width, tall / height))
    axes.imshow(picture)
    axes.set_axis_off()

    top -= tall + 0.12
    for name, value, meaning in numbers:
        top -= 0.2
        said = textwrap.wrap(meaning, _MEANING_WRAP)
        figure.text(margin / width, top / height, name[:1].upper() + name[1:], color=_INK, fontsize=9, weight="bold")
        figure.text((margin + _VALUE) / width, top / height, value, color=_ACCENT, fontsize=9, weight="bold")
        for index, line in enumerate(said):
            y = (top - _LINE * index) / height
            figure.text((margin + _MEANING) / width, y, line, color=_PALE, fontsize=8.5)
        top -= _LINE * (len(said) - 1)
    top -= 0.25

    bottom = margin + _LINE * (len(lines) + 1)
    box = ((top - bottom) / height, bottom / height)
    for left, draw in ((0.35, draw_curves), (0.35 + (width - 0.7) / 2, draw_regions)):
        _panel(figure, draw, left, (width - 0.7) / 2, box[1] * height, box[0] * height)

    for index, line in enumerate(lines):
        y = (bottom - 0.12 - _LINE * (index + 0.5)) / height
        figure.text(margin / width, y, line, color=_PALE, fontsize=7.2)
    with atomic_path(path) as beside:
        figure.savefig(beside, format="pdf", metadata={"CreationDate": None, "Title": title, "Creator": MADE_WITH})


def _panel(figure, draw: Callable, left: float, bottom_width: float, bottom: float, tall: float) -> None:
    """Draw a figure of its own size into a box of the page, in inches, as a picture of print resolution."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    zoom = 1.55  # the panels' text is made for a larger figure
    panel = Figure(figsize=(bottom_width * zoom, tall * zoom), layout="constrained", facecolor="white", dpi=190)
    draw(panel)
    canvas = FigureCanvasAgg(panel)
    canvas.draw()
    width, height = figure.get_size_inches()
    axes = figure.add_axes((left / width, bottom / height, bottom_width / width, tall / height))
    axes.imshow(np.asarray(canvas.buffer_rgba())[..., :3], interpolation="lanczos")
    axes.set_axis_off()
