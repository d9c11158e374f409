"""The looks that the pictures of an evaluation share: colours of the trackers, panels, axes."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from cpwc_keras.studies.results import CaseResult

INK, PALE, GRID = "#22303c", "#8696a0", "#e4e9ec"
FEW = 5
"""Fewer values are drawn one by one alone: means and quartiles of four are no statistics."""

_TRACKERS = ("#2b7a9b", "#c8443a", "#5b8c5a", "#d1932f", "#7a5c99", "#35a39c", "#9a5b34", "#6d7a84")


def by_tracker(results: Sequence[CaseResult], curve: str = "", scalar: str = "") -> dict[str, list[CaseResult]]:
    """Trackers → their results that hold the curve and the finite scalar asked for; a tracker without any stays."""
    found: dict[str, list[CaseResult]] = {result.tracker: [] for result in results}
    for result in results:
        if (not curve or curve in result.curves) and (not scalar or np.isfinite(result.scalars.get(scalar, np.nan))):
            found[result.tracker].append(result)
    return found


def colors(results: Sequence[CaseResult]) -> dict[str, str]:
    """Tracker → its colour, the same in every figure of the same results."""
    names = list(dict.fromkeys(result.tracker for result in results))
    return {name: _TRACKERS[i % len(_TRACKERS)] for i, name in enumerate(names)}


def shown(name: str, longest: int = 30) -> str:
    """A name that fits and that Matplotlib takes for text, not for mathematics; of a long one the end tells more."""
    return (name if len(name) <= longest else "…" + name[1 - longest :]).replace("$", r"\$")


def new_figure(width: float, height: float):
    """An empty `matplotlib.figure.Figure`, inches."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained", facecolor="white")


def panels(count: int, height: float = 2.6):
    """A figure of small multiples that share both axes.

    Args:
        count: how many.
        height: of one, in inches.

    Returns:
        the figure, and its `count` axes.
    """
    columns = 3 if count in (5, 6, 9) else min(count, 4)
    rows = math.ceil(count / columns)
    figure = new_figure(max(2.55 * columns, 3.6), height * rows + 0.3)
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    axes = list(grid.flat)
    for empty in axes[count:]:
        empty.remove()
    for axis in axes[:count]:
        dress(axis)
    for axis in axes[max(0, count - columns) : count]:  # the lowest of each column, also where the last row is short
        axis.tick_params(labelbottom=True)
    return figure, axes[:count]


def dress(axis, grid: str = "both") -> None:
    """Give an axis the project's looks.

    Args:
        axis: of Matplotlib.
        grid: along which axis lines are drawn: "x", "y" or "both".
    """
    axis.grid(axis=grid, color=GRID, linewidth=0.8)
    axis.set_axisbelow(True)
    axis.spines[["top", "right"]].set_visible(False)
    axis.spines[["left", "bottom"]].set_color(PALE)
    axis.tick_params(colors=INK, labelsize=8.5, length=3)
    axis.xaxis.label.set(color=INK, size=9)
    axis.yaxis.label.set(color=INK, size=9)


def entitle(axis, tracker: str, count: int | None = None) -> None:
    """Write a tracker's name above its panel, and of how many cases it is."""
    axis.set_title(shown(tracker, 20) + (f" (n = {count})" if count else ""), color=INK, fontsize=9.5)


def mean_and_limits(curves: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean and 95 % limits of agreement, mean ± 1.96 σ, of several curves at each place; NaN below two values.

    Args:
        curves: (K, N), NaN where one is unknown.

    Returns:
        mean, lower and upper limit, (N,) each.
    """
    known = np.isfinite(curves)
    count = known.sum(axis=0)
    few = count < 2
    mean = np.where(known, curves, 0).sum(axis=0) / np.maximum(count, 1)
    squares = np.where(known, (curves - mean) ** 2, 0).sum(axis=0)
    sd = np.sqrt(squares / np.maximum(count - 1, 1))
    mean[few] = np.nan
    return mean, mean - 1.96 * sd, mean + 1.96 * sd


def spread(count: int) -> np.ndarray:
    """(count,) offsets within ±0.5 that set points of a strip apart, the same every time (golden ratio)."""
    return (np.arange(count) * 0.6180339887498949) % 1 - 0.5


def faint(count: int) -> float:
    """Opacity of one curve among many."""
    return float(np.clip(4 / max(count, 1), 0.18, 0.8))
