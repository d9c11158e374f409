"""Strain along the wall and over time."""

from __future__ import annotations

import numpy as np

from cpwc_keras.evaluation.strain import scaled, segmental_strain
from cpwc_keras.viz.report import strain_axis

_INK, _PALE = "#22303c", "#8696a0"
_WINDOW = 7
"""Steps between neighbouring points over which local strain is taken: a fifth of a contour of 36, about a segment."""

_LIMIT = 30.0
"""Percent at which the colours end."""

NAMES = ("basal", "mid", "apical", "apical", "mid", "basal")
"""Of the six segments in the order of a contour; the first three are the septal side's."""

_SEPTAL, _LATERAL = ("#143c54", "#2b7a9b", "#7fb9d1"), ("#f0a79b", "#c8443a", "#6d1f19")


def local_strain(contours: np.ndarray, spacing_mm=None, reference: int = 0) -> np.ndarray:
    """Strain of a stretch of the wall around each place of a contour.

    Args:
        contours: (T, N, 2) px, material points.
        spacing_mm: (row_mm, col_mm), or None.
        reference: index of the end-diastolic frame.

    Returns:
        (T, N-1) percent; each stretch is up to seven steps between neighbouring points long.
    """
    steps = np.linalg.norm(np.diff(scaled(contours, spacing_mm), axis=1), axis=-1)
    along = np.pad(steps.cumsum(axis=1), ((0, 0), (1, 0)))
    count = steps.shape[1]
    first = np.maximum(np.arange(count) - _WINDOW // 2, 0)
    last = np.minimum(np.arange(count) + _WINDOW // 2 + 1, count)
    length = along[:, last] - along[:, first]
    return (length / length[reference] - 1) * 100


def regional_figure(contours, spacing_mm, ed: int, es: int, frame_rate_hz: float | None = None, figure=None):
    """A map of strain, place along the wall against time, over the curves of the six segments.

    Args:
        contours: (T, N, 2) px.
        spacing_mm: (row_mm, col_mm), or None.
        ed: index of the end-diastolic frame.
        es: index of the end-systolic frame.
        frame_rate_hz: frames a second; without it the axis counts frames.
        figure: an empty figure or subfigure to draw in, or None for a new one.

    Returns:
        the figure.
    """
    from matplotlib.figure import Figure

    figure = figure or Figure(figsize=(7.6, 6.4), layout="constrained", facecolor="white")
    local = local_strain(contours, spacing_mm, ed)
    segments = segmental_strain(contours, spacing_mm, ed)
    time = np.arange(len(contours)) / (frame_rate_hz or 1)
    half = (time[1] - time[0]) / 2 if len(time) > 1 else 0.5
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=[1.25, 1])

    extent = (time[0] - half, time[-1] + half, local.shape[1], 0)
    image = top.imshow(local.T, aspect="auto", extent=extent, cmap="RdBu", vmin=-_LIMIT, vmax=_LIMIT,
                       interpolation="nearest")  # fmt: skip
    bar = figure.colorbar(image, ax=top, pad=0.015, fraction=0.045, extend="both")
    bar.outline.set_visible(False)
    bar.set_label("strain (%)", color=_INK)
    bar.ax.tick_params(colors=_INK, labelsize=8.5)
    apex = _apex(contours[ed], spacing_mm)
    top.axhline(apex, color=_INK, linewidth=0.8, dashes=(1, 2))
    ends = (0, apex / 2, apex, (apex + local.shape[1]) / 2, local.shape[1])
    top.set_yticks(ends, ("septal base", "septal", "apex", "lateral", "lateral base"))

    bottom.axhline(0, color=_PALE, linewidth=0.8)
    for index, color in enumerate((*_SEPTAL, *_LATERAL)):
        side = "septal" if index < 3 else "lateral"
        bottom.plot(time, segments[:, index], color=color, linewidth=1.6, label=f"{NAMES[index]} {side}")
    bottom.set_ylabel("strain (%)")
    bottom.set_xlabel("time (s)" if frame_rate_hz else "frame")
    bottom.margins(x=0.0, y=0.1)
    bottom.legend(loc="upper center", bbox_to_anchor=(0.5, -0.22), ncols=3, frameon=False, labelcolor=_INK, fontsize=9)
    for axis in (top, bottom):
        strain_axis(axis, time, ed, es)
    top.grid(False)
    for frame, name in ((ed, "ED"), (es, "ES")):
        top.annotate(name, (time[frame], 1), xycoords=("data", "axes fraction"), xytext=(0, 3),
                     textcoords="offset points", color=_INK, fontsize=9, ha="center")  # fmt: skip
    return figure


def _apex(contour: np.ndarray, spacing_mm) -> int:
    """Index of the point furthest from the middle of the base, as for MAPSE."""
    points = scaled(contour, spacing_mm)
    return int(np.linalg.norm(points - (points[0] + points[-1]) / 2, axis=1).argmax())
