"""An endocardial contour while it is drawn: points, and what can be done to them."""

from __future__ import annotations

import numpy as np

from cpwc_keras.app.proposal import propose_contour
from cpwc_keras.curves import distance_along, segment_lengths
from cpwc_keras.errors import InputError
from cpwc_keras.io.contours import check_points, resample
from cpwc_keras.io.outline import distinct

_NEAR_PX = 2.0
"""A click this near to a point, in pixels of the image, is no new one."""

_ON_CURVE = 0.04
"""A click this near to the curve, as a fraction of its length, puts a point into it."""

_MARGIN = 0.01
"""Around what is lit, as a fraction of the image."""

MOST_POINTS = 128
_UNDO = 100

HINTS = (
    "Go to end-diastole, then click the septal end of the mitral base.",
    "Click the apex.",
    "Click the lateral end of the mitral base.",
    "Drag points onto the wall. A click on the curve adds one, a double click removes one.",
)


class Drawing:
    """Points of an open curve, from the septal over the apex to the lateral base, with undo.

    Args:
        shape: (H, W) of the image.

    Attributes:
        points: (N, 2) float64 (x, y) px.
        three_clicks: whether the third click makes a whole contour of the first three.
    """

    def __init__(self, shape: tuple[int, int]):
        self.shape = shape
        self.points = np.zeros((0, 2))
        self.three_clicks = True
        self._before: list[np.ndarray] = []

    @property
    def complete(self) -> bool:
        """Whether this can be a contour: an arc of at least five points."""
        return len(self.points) >= 5

    @property
    def hint(self) -> str:
        """What to do next, one sentence."""
        count = len(self.points)
        if self.three_clicks and not self.complete:
            return HINTS[min(count, 2)]
        if count == 0:
            return HINTS[0]
        if not self.complete:
            return f"Click on along the endocardium, over the apex, to the lateral base ({count} of at least 5 points)."
        return HINTS[3]

    def replace(self, points: np.ndarray) -> None:
        """Take these points instead; can be undone."""
        self._before = [*self._before[-_UNDO:], self.points]
        self.points = np.asarray(points, np.float64).reshape(-1, 2)

    def add(self, x: float, y: float) -> None:
        """A click: the next point, or, on the curve of a complete contour, one more in its place.

        Raises:
            InputError: the third of three clicks is on a line with the others, or there are too many points.
        """
        point = self._inside(x, y)
        if len(self.points) and np.linalg.norm(self.points - point, axis=1).min() < _NEAR_PX:
            return
        if len(self.points) >= MOST_POINTS:
            raise InputError(f"A contour of more than {MOST_POINTS} points cannot be drawn here.")
        if self.three_clicks and len(self.points) == 2:
            self.replace(np.clip(propose_contour(self.points[0], self.points[1], point), 0, self._last))
            return
        place = self._place_on_curve(point)
        if place is None and self.three_clicks and self.complete:
            return  # a stray click must not tear the proposed curve
        self.replace(np.insert(self.points, len(self.points) if place is None else place, point, axis=0))

    def move(self, index: int, x: float, y: float) -> None:
        """Put a point somewhere else."""
        if 0 <= index < len(self.points):
            points = self.points.copy()
            points[index] = self._inside(x, y)
            self.replace(points)

    def delete(self, index: int) -> None:
        """Remove a point."""
        if 0 <= index < len(self.points):
            self.replace(np.delete(self.points, index, axis=0))

    def undo(self) -> None:
        """Go back one step."""
        if self._before:
            self.points = self._before.pop()

    def curve(self, n: int = 160) -> np.ndarray:
        """The smooth contour as it will be tracked, (n, 2) px; of fewer than two points, those."""
        points = distinct(self.points)
        return resample(points, n) if len(points) > 1 else points

    def apex(self) -> np.ndarray | None:
        """(2,): the point of the curve that is furthest from the middle of the base, None before it is complete."""
        if not self.complete:
            return None
        curve = self.curve()
        return curve[np.linalg.norm(curve - (curve[0] + curve[-1]) / 2, axis=1).argmax()]

    def check(self) -> None:
        """Whether it can be tracked.

        Raises:
            InputError: it is not complete, or crosses itself.
        """
        if not self.complete:
            raise InputError("There is no contour yet: draw it on the end-diastolic frame, or open a contour file.")
        check_points(distinct(self.points), "The contour")
        check_points(self.curve(), "The contour's smooth curve")

    @property
    def _last(self) -> np.ndarray:
        return np.array([self.shape[1] - 1, self.shape[0] - 1], np.float64)

    def _inside(self, x: float, y: float) -> np.ndarray:
        point = np.array([x, y], np.float64)
        if not np.isfinite(point).all():
            raise InputError("A point must have finite coordinates.")
        return np.clip(point, 0, self._last)

    def _place_on_curve(self, point: np.ndarray) -> int | None:
        """Index at which a point on the curve belongs; None where it lies off the curve or beyond its ends."""
        if not self.complete:
            return None
        per = 32  # samples between neighbouring points: the curve passes through them, so each stretch is found
        fine = self.curve(per * len(self.points))
        apart = np.linalg.norm(fine - point, axis=1)
        nearest = int(apart.argmin())
        if apart[nearest] > _ON_CURVE * segment_lengths(fine).sum() or nearest in (0, len(fine) - 1):
            return None
        along = distance_along(fine)
        knots = [along[np.linalg.norm(fine - known, axis=1).argmin()] for known in self.points]
        return int(np.searchsorted(knots, along[nearest]))


def lit_box(frames: np.ndarray) -> tuple[int, int, int, int]:
    """The part of the image in which there is ever anything, with a small margin.

    Args:
        frames: (T, H, W).

    Returns:
        left, top, width, height in pixels.
    """
    height, width = frames.shape[1:]
    rows, columns = np.nonzero(frames.any(axis=0))
    if not len(rows):
        return 0, 0, width, height
    margin = round(_MARGIN * max(height, width))
    left, top = max(0, columns.min() - margin), max(0, rows.min() - margin)
    right, bottom = min(width, columns.max() + 1 + margin), min(height, rows.max() + 1 + margin)
    return int(left), int(top), int(right - left), int(bottom - top)
