"""Points carried through a loop by a tracker, pair of frames by pair of frames."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from cpwc_keras.errors import InputError
from cpwc_keras.tracking.composition import compose, sample_flow
from cpwc_keras.tracking.pair import Tracker, estimate_both
from cpwc_keras.types import CineLoop

_MARGIN = 0.2
"""How much of the points' longer side a window shows around them; more changes nothing but the time it takes."""

_GRID_PX = 16
"""Windows start at multiples of this, so that a network's coarser levels see the heart at the same phase."""


REACH = 3
"""How many frames apart the images of a pair may be: as far as networks are trained for (spacing 0 to 2, III-B.1)."""

_DISAGREEMENT_PX = 1.5
"""What 9 in 10 points may miss themselves by, there and back, for a pair that is not of neighbours.

Chosen, as the use of longer pairs itself, on virtual patients of the validation part (`docs/decisions.md`).
"""


@dataclass(frozen=True, eq=False)
class Step:
    """The motion between two frames, as the tracker gave it.

    Attributes:
        here: index of the frame the points come from.
        there: index of the frame they are carried to.
        forward: (h, w, 2) px, from `here` to `there`, of the window that was shown to the tracker.
        backward: (h, w, 2) px, from `there` to `here`.
        origin: (2,) (x, y) px of the window's first pixel in the image.
        seconds: that the tracker took for both; NaN where the frames are the same and it was not asked.
    """

    here: int
    there: int
    forward: np.ndarray
    backward: np.ndarray
    origin: np.ndarray
    seconds: float


def require_reach(reach: int) -> int:
    """The reach itself.

    Raises:
        InputError: it is no whole number of frames, or less than one.
    """
    if isinstance(reach, bool) or not isinstance(reach, int | np.integer) or reach < 1:
        raise InputError(f"A reach of {reach!r} frames is impossible; 1 follows each frame from the one before.")
    return int(reach)


def carry(
    loop: CineLoop,
    points: np.ndarray,
    run: Tracker,
    start: int = 0,
    composition: bool = True,
    window: bool = False,
    reach: int = 1,
    judged: slice = slice(None),
    neighbours: bool = False,
    on_step: Callable[[Step], None] = lambda step: None,
) -> tuple[np.ndarray, np.ndarray]:
    """Carry points from one frame forward to the end of the loop and backward to its beginning.

    Both directions of each pair are estimated; with `composition` the motion is the mean of both (II-B.5), else the
    forward one alone. Frames that repeat the one before do not move anything. One pair is in memory at a time.

    With a `reach` of one, each frame is followed from the one before, as in the paper. Every such step adds its error,
    so with a larger one a frame is followed from a key frame, up to `reach` frames before it, as long as forward and
    backward motion agree there; where they do not, the frame before becomes the key frame. After `reach` frames the
    last one does.

    Args:
        loop: the images.
        points: (..., 2) (x, y) pixels in the frame `start`.
        run: the tracker.
        start: index of the frame the points are given in.
        composition: average both directions.
        window: show the tracker the points with a margin instead of the whole image.
        reach: how many frames apart the images of a pair may be.
        judged: of the points, those whose motion decides whether both directions agree.
        neighbours: estimate every pair of neighbours, also where the points are followed from a key frame.
        on_step: called with the motion of each pair as it comes.

    Returns:
        carried: (T, ..., 2) float64 pixels.
        disagreement: (T, ..., 2) pixels: for the step that led to each frame, where forward and backward motion miss
            each other (`composition.compose`); 0 at `start`.

    Raises:
        InputError: the tracker returned something else than finite flows of the images' size, or `reach` is less than
            one frame.
    """
    reach = require_reach(reach)
    shape = loop.frames.shape[1:]
    carried = np.empty((len(loop), *points.shape))
    disagreement = np.zeros_like(carried)
    carried[start] = points
    size = _window_size(points, shape) if window else shape

    def follow(here: int, there: int) -> tuple[np.ndarray, np.ndarray]:
        """Displacement and disagreement of the points of a frame."""
        step = _estimate(loop, run, here, there, *_window(carried[here], size, shape))
        on_step(step)
        local = carried[here] - step.origin
        displacement, missed = compose(step.forward, step.backward, local)
        return displacement if composition else sample_flow(step.forward, local), missed

    for frames in (range(start, len(loop)), range(start, -1, -1)):
        key = before = start
        for there in frames[1:]:
            followed = before if np.array_equal(loop.frames[before], loop.frames[there]) else key
            displacement, missed = follow(followed, there)
            far = followed != before
            if far and not _agree(missed[judged]):
                key = followed = before
                displacement, missed = follow(before, there)
            elif far and neighbours:
                follow(before, there)
            carried[there], disagreement[there] = carried[followed] + displacement, missed
            before = there
            if abs(there - key) >= reach:
                key = there
    return carried, disagreement


def _agree(missed: np.ndarray) -> bool:
    """Whether both directions of a pair agree, at enough of its points; of no points, they do."""
    lengths = np.linalg.norm(missed, axis=-1)
    return not lengths.size or float(np.percentile(lengths, 90)) <= _DISAGREEMENT_PX


def _estimate(loop: CineLoop, run: Tracker, here: int, there: int, rows: slice, columns: slice) -> Step:
    """Both directions of a pair of frames, within a window."""
    origin = np.array([columns.start, rows.start])
    first, second = loop.frames[here, rows, columns], loop.frames[there, rows, columns]
    if np.array_equal(loop.frames[here], loop.frames[there]):
        still = np.zeros((*first.shape, 2), np.float32)
        return Step(here, there, still, still, origin, float("nan"))
    begun = time.perf_counter()
    forward, backward = estimate_both(run, first, second)
    return Step(here, there, forward, backward, origin, time.perf_counter() - begun)


def _window_size(points: np.ndarray, shape: tuple[int, int]) -> tuple[int, int]:
    """(height, width) of what a network is shown: multiples of 64, the network's padding, or the whole image."""
    extent = np.ptp(points.reshape(-1, 2), axis=0)[::-1]
    wanted = np.ceil((extent + 2 * _MARGIN * extent.max()) / 64) * 64
    return min(int(wanted[0]), shape[0]), min(int(wanted[1]), shape[1])


def _window(points: np.ndarray, size: tuple[int, int], shape: tuple[int, int]) -> tuple[slice, slice]:
    """Rows and columns of a window of this size around the points, inside of the image."""
    if size == shape:  # which needs no points
        return slice(0, shape[0]), slice(0, shape[1])
    flat = points.reshape(-1, 2)
    centre = ((flat.min(axis=0) + flat.max(axis=0)) / 2)[::-1]
    wanted = np.round((centre - np.array(size) / 2) / _GRID_PX).astype(int) * _GRID_PX
    start = np.clip(wanted, 0, np.array(shape) - size)
    return slice(start[0], start[0] + size[0]), slice(start[1], start[1] + size[1])
