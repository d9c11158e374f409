"""Whether a loop looks like what a network was trained on, as far as a few numbers can tell.

What a network saw stands in the ``ranges`` of its card, each a pair (lowest, highest):

* ``pixel_spacing_mm``: size of a pixel;
* ``image_size_px``: shorter and longer side of the training images;
* ``mean_brightness``: of the lit pixels (`brightness`);
* ``dark_fraction``: of the pixels that are black (`brightness`).

A warning needs a clear distance from the range: these numbers differ between scanners that a network handles alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from cpwc_keras.types import CineLoop

RANGES = ("pixel_spacing_mm", "image_size_px", "mean_brightness", "dark_fraction")
"""What the ``ranges`` of a card may hold."""

_BLACK = 0.02
"""Up to this a pixel shows nothing: five gray levels of an 8-bit image, the noise of lossy compression."""

_SATURATED = 0.98
_SATURATED_FRACTION = 0.3
"""Of the lit pixels; none of 204 real and simulated recordings has so many."""

_STRANGE = 1.25
"""Images whose pixels are smaller or larger than any seen by this factor are resampled."""

_FAR = 2.0
"""Where they are larger by this one, resampling does not bring back what they do not show."""

_MOST_ENLARGED = 3.0

_FAR_BRIGHTNESS = 2.0
"""So is a mean brightness, or its distance from white, or the lit part of the image, that is smaller by this factor."""

_SMALLEST_PX = 64
"""The network's coarsest level is 64 times coarser than the image: a smaller one is a single pixel there."""

_VENTRICLE_MM = (50.0, 130.0)
"""Length of a left ventricle in an apical view, small to dilated."""

_BRIGHT_SURROUNDINGS = 0.5
_BRIGHT_CAVITY = 0.05
"""Blood is darker than the wall: none of 204 recordings has a cavity that much brighter than its wall."""

_FRAMES = 5
_MARGIN = 0.4
"""How much of the contour's longer side around it is judged."""

_MOST_SAMPLES = 512


def unfamiliar(
    loop: CineLoop,
    contour: np.ndarray,
    ranges: Mapping[str, tuple[float, float]] | None,
    frame: int = 0,
    resampled: bool = True,
) -> list[str]:
    """What sets a loop apart from all that a network saw.

    Beside the ranges, two things that hold for every echo network are checked: it saw images on a black background, and
    blood darker than the wall.

    Args:
        loop: what is to be tracked.
        contour: (N, 2) endocardium (x, y) px, or (36, 5, 2) mesh, in `frame`.
        ranges: of the network's card (see the module), in part or whole; without any, nothing is known and nothing
            is said.
        frame: index of the frame the contour lies on.
        resampled: whether the network is shown the images with pixels of a `familiar_spacing`.

    Returns:
        One sentence for each difference.
    """
    known = {name: pair for name in RANGES if (pair := _pair((ranges or {}).get(name))) is not None}
    if not known:
        return []
    contour = np.asarray(contour, np.float64)
    contour = contour[:, 0] if contour.ndim == 3 else contour
    frames = _some_frames(loop.frames, frame)
    window = frames[:, *_window(contour, frames.shape[1:])]
    mean, dark = brightness(window)
    differences = []
    if "pixel_spacing_mm" in known:
        extent_px = np.ptp(contour, axis=0).max()
        differences += _spacing(loop.spacing_mm, extent_px, *known["pixel_spacing_mm"], resampled)
    differences += _size(frames, max(_SMALLEST_PX, known.get("image_size_px", (0, 0))[0] / 4))
    # Inverted images are bright as well: their inversion is what has to be said.
    return differences + (_inverted(loop, contour, frame, frames) or _gray(window, mean, dark, known))


def familiar_spacing(
    spacing_mm: tuple[float, float] | None, ranges: Mapping[str, tuple[float, float]] | None
) -> float | None:
    """To which pixel size images should be resampled before a network is shown them.

    On a recording at half its size (1.02 mm, for a network that saw up to 0.8) the strain of a frame came out as
    -17.6 %, where the recording itself gives -22.0; resampled to 0.64, 0.51 and 0.39 mm, -20.6, -21.0 and -22.0, but
    to 0.8 mm -15.8: to the middle of the range, then, rather than to its end.

    Args:
        spacing_mm: (row_mm, col_mm) of a pixel, or None.
        ranges: of the network's card, as for `unfamiliar`.

    Returns:
        mm, in the middle of what it saw; None where the pixels are near enough to that, or nothing is known.
    """
    seen = _pair((ranges or {}).get("pixel_spacing_mm"))
    if spacing_mm is None or seen is None or not seen[0]:
        return None
    if seen[0] / _STRANGE <= min(spacing_mm) and max(spacing_mm) <= seen[1] * _STRANGE:
        return None
    return max(float(np.sqrt(seen[0] * seen[1])), max(spacing_mm) / _MOST_ENLARGED)


def brightness(images: np.ndarray) -> tuple[float, float]:
    """Two numbers that say how bright images are.

    Args:
        images: (..., H, W) in [0, 1].

    Returns:
        mean: of the lit pixels, those above 0.02; 0 if there are none.
        dark: fraction of the pixels that are not lit.
    """
    lit = images > _BLACK
    mean = float(images[lit].mean()) if lit.any() else 0.0
    return mean, 1 - float(lit.mean())


def _pair(value: Any) -> tuple[float, float] | None:
    """Two finite numbers in order, or None: the card of a stranger's weights may hold anything."""
    try:
        low, high = (float(entry) for entry in value)
    except (TypeError, ValueError):
        return None
    return (low, high) if np.isfinite([low, high]).all() and 0 <= low <= high else None


def _some_frames(frames: np.ndarray, frame: int) -> np.ndarray:
    """(t, H, W): the contour's frame and a few others over the loop."""
    spread = np.linspace(0, len(frames) - 1, min(_FRAMES, len(frames))).round().astype(int)
    return frames[np.unique([*spread, np.clip(frame, 0, len(frames) - 1)])]


def _window(contour: np.ndarray, shape: tuple[int, int]) -> tuple[slice, slice]:
    """Rows and columns around the contour, in steps that leave enough pixels for a mean."""
    margin = _MARGIN * np.ptp(contour, axis=0).max()
    low = np.clip(np.floor(contour.min(axis=0) - margin)[::-1], 0, np.array(shape) - 1).astype(int)
    high = np.clip(np.ceil(contour.max(axis=0) + margin)[::-1] + 1, low + 1, shape).astype(int)
    steps = np.maximum(1, (high - low) // _MOST_SAMPLES)
    rows, columns = (slice(*ends) for ends in zip(low, high, steps, strict=True))
    return rows, columns


def _spacing(
    spacing_mm: tuple[float, float] | None, extent_px: float, low: float, high: float, resampled: bool
) -> list[str]:
    seen = f"the network saw {low:.2g} to {high:.2g} mm"
    if spacing_mm is None:
        least, most = (length / max(extent_px, 1.0) for length in _VENTRICLE_MM)
        if most < low / _FAR or least > high * _FAR:
            return [
                f"The contour is {extent_px:.0f} px long, which makes a pixel of about {(least + most) / 2:.2g} mm of "
                f"a ventricle, and {seen}: resample the images, or expect wrong motion."
            ]
        return []
    if (pixel_mm := familiar_spacing(spacing_mm, {"pixel_spacing_mm": (low, high)})) is None:
        return []
    rows, columns = (f"{value:.2g}" for value in spacing_mm)
    found = f"{rows} mm" if rows == columns else f"{rows} mm high and {columns} mm wide"
    if not resampled:
        return [f"A pixel is {found}, and {seen}: expect wrong motion (`track` would resample to {pixel_mm:.2g} mm)."]
    lost = "; they show less than it knows, expect wrong motion" if max(spacing_mm) > high * _FAR else ""
    return [f"A pixel is {found}, and {seen}: for it, the images were resampled to {pixel_mm:.2g} mm{lost}."]


def _size(frames: np.ndarray, smallest: float) -> list[str]:
    """The part of the image that shows anything is too small."""
    lit = np.asarray((frames > _BLACK).any(axis=0))
    sides = [np.flatnonzero(lit.any(axis=axis)) for axis in (1, 0)]
    if not lit.any():
        return []
    height, width = (int(side[-1] - side[0]) + 1 for side in sides)
    if min(height, width) >= smallest:
        return []
    return [
        f"The ultrasound image is {height}×{width} px, and the network needs {smallest:.0f} px or more on each side: "
        "use a larger export of the recording, or expect wrong motion."
    ]


def _gray(window: np.ndarray, mean: float, dark: float, known: dict) -> list[str]:
    """Too dark, too bright, or saturated, around the heart."""
    if dark == 1.0:
        least = known.get("mean_brightness", (_BLACK, 1.0))[0]
        return [
            f"The images are black around the contour (at most {window.max():.2g} of 1), and the network saw a mean "
            f"brightness of {least:.2g} or more: raise the gain, or expect wrong motion."
        ]
    saturated = float((window[window > _BLACK] > _SATURATED).mean())
    if saturated > _SATURATED_FRACTION:
        return [
            f"The images are saturated: {saturated:.0%} of the tissue around the contour is white, and shows no "
            "speckle that could be followed."
        ]
    if "mean_brightness" in known:
        low, high = known["mean_brightness"]
        ends = low / _FAR_BRIGHTNESS, 1 - (1 - high) / _FAR_BRIGHTNESS
        if not ends[0] <= mean <= ends[1]:
            kind = "dark" if mean < ends[0] else "bright"
            return [
                f"The images are {kind} (mean {mean:.2g} of 1 around the contour), and the network saw {low:.2g} to "
                f"{high:.2g}: adjust the gain, or expect wrong motion."
            ]
    if "dark_fraction" in known:
        low, high = known["dark_fraction"]
        if dark > 1 - (1 - high) / _FAR_BRIGHTNESS:
            return [
                f"{dark:.0%} of the image around the contour is black, and the network saw at most {high:.0%}: raise "
                "the gain, or expect wrong motion."
            ]
    return []


def _inverted(loop: CineLoop, contour: np.ndarray, frame: int, frames: np.ndarray) -> list[str]:
    """Bright where it should be dark: around the sector, or in the cavity."""
    outside = _surroundings(loop, frames)
    if outside > _BRIGHT_SURROUNDINGS:
        return [
            f"The background of the images is bright ({outside:.2f} of 1 outside of the sector), and the network saw "
            "black ones: invert the gray scale."
        ]
    cavity, wall = _cavity_and_wall(loop.frames[min(frame, len(loop) - 1)], contour)
    if cavity > wall + _BRIGHT_CAVITY:
        return [
            f"The cavity is brighter than the wall around it ({cavity:.2f} against {wall:.2f} of 1), as in inverted "
            "gray or with contrast agent, and the network saw dark blood: check the images and the contour."
        ]
    return []


def _surroundings(loop: CineLoop, frames: np.ndarray) -> float:
    """Median brightness outside of the sector; where that is not known, of the darkest corner of the image."""
    if loop.sector is not None and not loop.sector.all():
        return float(np.median(frames[:, ~loop.sector]))
    side = max(1, min(frames.shape[1:]) // 20)
    ends = slice(None, side), slice(-side, None)
    return min(float(np.median(frames[:, rows, columns])) for rows in ends for columns in ends)


def _cavity_and_wall(image: np.ndarray, contour: np.ndarray) -> tuple[float, float]:
    """Mean brightness well inside of the contour, and in a thin band outside of it; NaN where nothing is in the image.

    The band is 2 to 8 % of the contour's extent away, some 2 to 7 mm: within the myocardium. The base, where a contour
    is open, has none.
    """
    centre = contour.mean(axis=0)
    inside = centre + np.linspace(0.1, 0.8, 8)[:, None, None] * (contour - centre)
    along = np.gradient(contour, axis=0)
    normal = np.stack([along[:, 1], -along[:, 0]], -1)
    normal /= np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), 1e-9)
    normal *= np.sign(np.sum(normal * (contour - centre)))
    distance = np.linspace(0.02, 0.08, 7)[:, None, None] * np.ptp(contour, axis=0).max()
    return _mean_at(image, inside), _mean_at(image, contour + distance * normal)


def _mean_at(image: np.ndarray, points: np.ndarray) -> float:
    column, row = np.round(points.reshape(-1, 2)).astype(int).T
    within = (row >= 0) & (column >= 0) & (row < image.shape[0]) & (column < image.shape[1])
    return float(image[row[within], column[within]].mean()) if within.any() else float("nan")
