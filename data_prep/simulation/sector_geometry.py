"""Where the probe lies before a recorded image: the sector of which the lit pixels are what can be seen."""

from __future__ import annotations

import dataclasses
from functools import cached_property

import cv2
import numpy as np

from cpwc_keras.data_prep.simulation.template import Template
from cpwc_keras.data_prep.simulation.transducer import ImageGrid, SectorScan
from cpwc_keras.errors import InputError
from cpwc_keras.types import CineLoop

_LIT = 2 / 255
"""Brightness from which a pixel is lit: lossy storage leaves a level or two around the sector."""

_DEPTH_MM, _SECTOR_DEG = (80.0, 250.0), (40.0, 120.0)
"""What cardiac probes are set to; the paper's are 110 to 200 mm and 60 to 90 degrees (II-A.1)."""

_LEAST_OVERLAP, _LEAST_SHOWN = 0.9, 0.9

_OUTWARDS = 0.9
"""Quantile of the lit border at which an edge is fitted: tissue at an edge may be dark, but is never beyond it."""


@dataclasses.dataclass(frozen=True, eq=False)
class Sector:
    """The sector of an image, symmetric about the vertical through the probe.

    Attributes:
        grid: where the pixels lie before the probe.
        depth_mm: range of the sector.
        sector_deg: its full opening angle.
        overlap: intersection over union of the sector and the convex hull of the lit pixels.
    """

    grid: ImageGrid
    depth_mm: float
    sector_deg: float
    overlap: float

    @cached_property
    def mask(self) -> np.ndarray:
        """(H, W) bool: the pixels within it."""
        radius, angle = self.grid.polar()
        return (radius <= self.depth_mm) & (np.abs(angle) <= np.deg2rad(self.sector_deg) / 2)


def find_sector(loop: CineLoop) -> Sector:
    """Find the sector of a loop: the probe is where the two straight edges of the lit area meet.

    Lit is what is lit in any frame; taken is the convex hull of its largest part, so that marks beside the image do not
    count and dark tissue at an edge does not bend it. Each edge is a line through the outermost points of the hull (a
    quantile regression), where the hull does not end at the image's own border; the wider of the two angles counts for
    both sides, since a whole side may be dark.

    Args:
        loop: frames that are black outside of the sector, with their spacing.

    Raises:
        InputError: there is no spacing, or no sector of a plausible depth and angle, or the image shows a part of it.
    """
    name = loop.source or "The image"
    if loop.spacing_mm is None:
        raise InputError(f"{name}: the size of its pixels is not known; a template needs it, for its depth in mm.")
    try:
        sector, hull = _fit_sector(loop.frames, loop.spacing_mm)
    except _NoSectorError as error:
        raise InputError(
            f"{name}: no sector was found, since {error}; expected one lit sector on black, with the probe on top."
        ) from error
    mask = sector.mask
    scan = SectorScan(depth_mm=sector.depth_mm, sector_deg=sector.sector_deg)
    if (shown := mask.sum() * np.prod(loop.spacing_mm) / scan.area_mm2) < _LEAST_SHOWN:
        raise InputError(
            f"{name}: shows {shown:.0%} of its sector ({sector.sector_deg:.0f}°, {sector.depth_mm:.0f} mm), expected "
            "the whole of it; give the recording as the scanner stored it, uncropped."
        )
    overlap = float((mask & hull).sum() / (mask | hull).sum())
    if overlap < _LEAST_OVERLAP:
        raise InputError(
            f"{name}: no sector was found, since the best one has {overlap:.0%} in common with what is lit; expected "
            "one lit sector on black, with the probe on top."
        )
    return dataclasses.replace(sector, overlap=overlap)


def with_sector(template: Template, sector_deg: float | None = None, depth_mm: float | None = None) -> Template:
    """The template within a smaller sector of the same probe.

    Args:
        template: whose images show its own sector and nothing beyond.
        sector_deg: full opening angle; None: the template's own.
        depth_mm: range; None: the template's own.

    Raises:
        InputError: the template is smaller than the sector.
    """
    angle = template.sector_deg if sector_deg is None else sector_deg
    depth = template.depth_mm if depth_mm is None else depth_mm
    if not (0 < angle <= template.sector_deg and 0 < depth <= template.depth_mm):  # NaN fails too
        raise InputError(
            f"{template.source or 'The template'}: its images show a sector of {template.sector_deg:.1f}° and "
            f"{template.depth_mm:.1f} mm, asked for are {angle:.1f}° and {depth:.1f} mm; ask for a sector within it."
        )
    return dataclasses.replace(template, sector_deg=angle, depth_mm=depth)


class _NoSectorError(Exception):
    """Why what is lit is no sector, as a clause."""


def _fit_sector(frames: np.ndarray, spacing_mm: tuple[float, float]) -> tuple[Sector, np.ndarray]:
    """The sector that fits best, its overlap yet unknown, and the hull (H, W) bool of what is lit."""
    hull = _lit_hull(frames.max(axis=0))
    step = np.array(spacing_mm[::-1])
    left, right = _sides(hull)
    left_x, left_slope = _fit_edge(left * step, -1)
    right_x, right_slope = _fit_edge(right * step, 1)
    if not right_slope > left_slope:
        raise _NoSectorError("the sides of what is lit do not part downwards")
    apex_z = (left_x - right_x) / (right_slope - left_slope)
    probe_mm = np.array([left_x + left_slope * apex_z, apex_z])
    sector_deg = float(np.rad2deg(2 * np.arctan(max(right_slope, -left_slope))))
    depth_mm = _depth(hull, step, probe_mm)
    for what, value, (low, high), unit in (
        ("angle", sector_deg, _SECTOR_DEG, "°"),
        ("depth", depth_mm, _DEPTH_MM, " mm"),
    ):
        if not low <= value <= high:
            raise _NoSectorError(f"its {what} would be {value:.0f}{unit}, which is not {low:g} to {high:g}{unit}")
    probe = (float(probe_mm[0] / step[0]), float(probe_mm[1] / step[1]))
    return Sector(ImageGrid(hull.shape, spacing_mm, probe), depth_mm, sector_deg, overlap=np.nan), hull


def _lit_hull(image: np.ndarray) -> np.ndarray:
    """(H, W) bool: the convex hull of the largest lit part."""
    lit = (image > _LIT).astype(np.uint8)
    # Only to tell parts from each other: closing widens what lies next to the image's border.
    joined = cv2.morphologyEx(lit, cv2.MORPH_CLOSE, np.ones((9, 9), np.uint8))
    _, parts, statistics, _ = cv2.connectedComponentsWithStats(joined)
    if len(statistics) < 2:
        raise _NoSectorError("it is black")
    largest = 1 + int(np.argmax(statistics[1:, cv2.CC_STAT_AREA]))
    hull = cv2.convexHull(cv2.findNonZero(lit * (parts == largest)))
    return cv2.fillConvexPoly(np.zeros(image.shape, np.uint8), hull, 1).astype(bool)


def _sides(hull: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The left and the right edge of the hull above its widest place, (N, 2) pixels each."""
    rows = np.flatnonzero(hull.any(axis=1))
    first = hull[rows].argmax(axis=1)
    last = hull.shape[1] - 1 - hull[rows][:, ::-1].argmax(axis=1)
    # A sector wider than a half disc is not plausible: its corners are its widest place. Where an image is cropped
    # at its sides it is widest in many rows, of which the first is the last of the edge.
    above = slice(0, max(int(0.95 * (last - first).argmax()), 0))
    left = np.stack([first, rows], -1)[above][first[above] > 0]
    right = np.stack([last, rows], -1)[above][last[above] < hull.shape[1] - 1]
    if min(len(left), len(right)) < 16:
        raise _NoSectorError("what is lit has no straight sides")
    return left, right


def _fit_edge(points_mm: np.ndarray, side: int) -> tuple[float, float]:
    """The line x = offset + slope z through the outermost points; `side` -1: left is outwards, 1: right."""
    x, z = points_mm.T
    design = np.stack([np.ones_like(z), z], -1)
    weight = np.ones_like(x)
    for _ in range(30):
        offset, slope = np.linalg.lstsq(design * weight[:, None], x * weight, rcond=None)[0]
        outwards = side * (x - offset - slope * z)
        weight = np.sqrt(np.where(outwards > 0, _OUTWARDS, 1 - _OUTWARDS) / np.maximum(np.abs(outwards), 0.1))
    return float(offset), float(slope)


def _depth(hull: np.ndarray, step: np.ndarray, probe_mm: np.ndarray) -> float:
    """Range of the far border: nearly the largest of its ranges, since the tissue there may be dark in parts."""
    columns = np.flatnonzero(hull.any(axis=0))
    last = hull.shape[0] - 1 - hull[::-1, columns].argmax(axis=0)
    x, z = columns * step[0] - probe_mm[0], last * step[1] - probe_mm[1]
    return float(np.quantile(np.hypot(x, z), _OUTWARDS))
