"""The 36 × 5 mesh of the myocardium and the exact motion that follows from it (paper, Fig. 1 and section II-A.3).

A mesh is `(36, 5, 2)`: 36 segments across the wall, from the septal base over the apex to the lateral base, of 5 nodes
each, from the endocardium to the epicardium. Its trajectory over a loop is the ground truth of a simulated sequence:
the dense flow and mask of any pair of frames, forward or backward, follow by barycentric interpolation.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage
from scipy.optimize import isotonic_regression

from cpwc_keras.compiled import njit
from cpwc_keras.curves import distance_along, points_at
from cpwc_keras.errors import InputError
from cpwc_keras.fields import fill_triangles
from cpwc_keras.segmentation import contours_from_labels
from cpwc_keras.types import MESH_SHAPE


def mesh_triangles(rows: int) -> np.ndarray:
    """The nodes, numbered `i * 5 + j`, of each triangle of a mesh with so many rows: (8 (rows - 1), 3) int32."""
    node = np.arange(rows * MESH_SHAPE[1], dtype=np.int32).reshape(rows, MESH_SHAPE[1])
    a, b, c, d = node[:-1, :-1], node[1:, :-1], node[:-1, 1:], node[1:, 1:]
    triangles = np.stack([np.stack([a, b, d], -1), np.stack([a, d, c], -1)], 2).reshape(-1, 3)
    triangles.flags.writeable = False
    return triangles


TRIANGLES = mesh_triangles(MESH_SHAPE[0])
"""(280, 3) int32: the nodes, numbered `i * 5 + j`, of each triangle; all wind the same way."""

_NORMAL_SMOOTHING = 0.02
"""Standard deviation, as a fraction of the epicardium's length, of the smoothing before its normals are taken."""

_LEAST_STEP = 0.2 / (MESH_SHAPE[0] - 1)
"""Neighbouring segments end on the endocardium at least this fraction of its length apart."""


def mesh_from_contours(endo: np.ndarray, epi: np.ndarray, spacing_mm: tuple[float, float] | None = None) -> np.ndarray:
    """The mesh between an endocardial and an epicardial contour.

    As in the paper (Fig. 1, II-A.3): the base is the segment between the two ends of the endocardium; the apex is the
    epicardial point furthest from it; 18 points are evenly spread over the epicardium on each side of the apex; from
    each a segment perpendicular to the epicardium runs to the endocardium and carries 5 evenly spaced nodes.

    Ours, because on real contours perpendicular segments miss the endocardium or cross: the apex lies midway between
    nodes 17 and 18; the first and the last segment join the ends of both contours; normals are those of a smoothed
    epicardium; the feet on the endocardium are made monotone (least squares, with a least step) and smoothed; and where
    an inverted triangle is left, all feet are drawn towards an even spread by the smallest of ten steps that mends it.

    Args:
        endo: (N, 2) pixels, from the basal septal to the basal lateral point.
        epi: (M, 2) pixels, in the same direction.
        spacing_mm: (row_mm, col_mm): distances and right angles are those of the tissue. None: square pixels.

    Returns:
        (36, 5, 2) float32 pixels, without inverted triangles.

    Raises:
        InputError: a contour is too short, not finite, closed, or the two do not form a wall.
    """
    scale = np.ones(2) if spacing_mm is None else np.array(spacing_mm[::-1], float)
    endo = _open_curve(endo, "endocardium") * scale
    epi = _open_curve(epi, "epicardium") * scale
    if np.linalg.norm(epi[0] - endo[0]) > np.linalg.norm(epi[-1] - endo[0]):
        raise InputError("The epicardium runs against the endocardium; give both from the septal to the lateral base.")
    if _enclosed_area(epi) <= _enclosed_area(endo):
        raise InputError("The epicardium does not run around the endocardium; are the two contours exchanged?")

    length = distance_along(epi)
    apex = length[_distance_to_segment(epi, endo[0], endo[-1]).argmax()]
    half = MESH_SHAPE[0] // 2
    fraction = np.arange(half) / (half - 0.5)
    at = np.concatenate([fraction * apex, length[-1] - fraction[::-1] * (length[-1] - apex)])
    outer = points_at(epi, length, at)

    perpendicular = _feet(endo, epi, length, at, outer)
    even = np.linspace(0, 1, MESH_SHAPE[0])
    endo_length = distance_along(endo)
    across = np.linspace(0, 1, MESH_SHAPE[1])[:, None]
    for towards_even in np.linspace(0, 1, 11):
        feet = (1 - towards_even) * perpendicular + towards_even * even
        inner = points_at(endo, endo_length, feet * endo_length[-1])
        mesh = (inner[:, None] * (1 - across) + outer[:, None] * across) / scale
        if not inverted_triangles(mesh).any():
            return mesh.astype(np.float32)
    raise InputError(
        "No mesh without folds fits between the contours; expected an epicardium that runs around the outside of the "
        "endocardium without touching or crossing it."
    )


def mesh_from_labels(labels: np.ndarray, spacing_mm: tuple[float, float] | None = None) -> np.ndarray:
    """The mesh of the myocardium in a segmentation of an apical view.

    Args:
        labels: (H, W) integers: 1 left ventricular cavity, 2 myocardium, 3 left atrium; septum on the left.
        spacing_mm: (row_mm, col_mm), or None for square pixels.

    Returns:
        (36, 5, 2) float32 pixels, without inverted triangles.

    Raises:
        InputError: the labels do not show one cavity within one horseshoe of myocardium.
    """
    return mesh_from_contours(*contours_from_labels(labels), spacing_mm)


def inverted_triangles(mesh: np.ndarray) -> np.ndarray:
    """Which of the 280 triangles are folded over or without area.

    Args:
        mesh: (..., 36, 5, 2), or with another number of rows.

    Returns:
        (..., 280) bool. The orientation of the mesh is that of its total area, so that a mirrored mesh counts as sound.
        A triangle that touches NaN is not counted.
    """
    corner = np.asarray(mesh, np.float64).reshape(*mesh.shape[:-3], -1, 2)
    corner = corner[..., mesh_triangles(mesh.shape[-3]), :]
    one, other = corner[..., 1, :] - corner[..., 0, :], corner[..., 2, :] - corner[..., 0, :]
    area = one[..., 0] * other[..., 1] - one[..., 1] * other[..., 0]
    return area * np.sign(np.nansum(area, -1, keepdims=True)) <= 0


def dense_flow(mesh1: np.ndarray, mesh2: np.ndarray, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """The exact flow and mask of a pair of frames: the displacement of the mesh, interpolated in each triangle.

    Triangles that touch NaN in either frame are left out. Where a folded mesh covers a pixel twice, a triangle with the
    orientation of most of the mesh wins.

    Args:
        mesh1: (36, 5, 2) pixels in the first frame.
        mesh2: (36, 5, 2) pixels in the second frame.
        shape: (H, W).

    Returns:
        flow: (H, W, 2) float32 pixels, 0 outside the mesh.
        mask: (H, W) float32, 1 at the pixel centres inside `mesh1`, its border included.
    """
    nodes = np.asarray(mesh1, np.float64).reshape(-1, 2)
    return fill_triangles(nodes, np.asarray(mesh2, np.float64).reshape(-1, 2) - nodes, TRIANGLES, shape)


def carry_points(mesh1: np.ndarray, mesh2: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Points carried by the cell of the mesh in which they lie, as the paper carries its scatterers (II-A.3).

    Args:
        mesh1: (36, 5, 2) pixels, where the points are given.
        mesh2: (..., 36, 5, 2) pixels: one frame, or a trajectory whose cells are then found once.
        points: (N, 2) pixels.

    Returns:
        (..., N, 2) float64 pixels; NaN for a point outside `mesh1` or in a cell that touches NaN.
    """
    nodes = np.ascontiguousarray(mesh1, np.float64).reshape(-1, 2)
    points = np.ascontiguousarray(points, np.float64)
    triangle, weights = np.zeros(len(points), np.int32), np.full((len(points), 3), np.nan)
    _locate(nodes, TRIANGLES, points, triangle, weights)
    moved = np.asarray(mesh2, np.float64).reshape(*mesh2.shape[:-3], -1, 2)[..., TRIANGLES[triangle], :]
    return np.einsum("...nkc,nk->...nc", moved, weights)


@njit()
def _locate(nodes, triangles, points, triangle, weights):
    """Fill in, for each point, the triangle it lies deepest in and its barycentric weights there."""
    deepest = np.full(len(points), -1e-7)  # a point on the border, give or take rounding, is inside
    for t in range(len(triangles)):
        xa, ya = nodes[triangles[t, 0]]
        xb, yb = nodes[triangles[t, 1]]
        xc, yc = nodes[triangles[t, 2]]
        area = (xb - xa) * (yc - ya) - (xc - xa) * (yb - ya)
        if area == 0.0:
            continue
        left, right = min(xa, xb, xc) - 1e-3, max(xa, xb, xc) + 1e-3
        top, bottom = min(ya, yb, yc) - 1e-3, max(ya, yb, yc) + 1e-3
        for n in range(len(points)):
            x, y = points[n]
            if left <= x <= right and top <= y <= bottom:
                b = ((x - xa) * (yc - ya) - (xc - xa) * (y - ya)) / area
                c = ((xb - xa) * (y - ya) - (x - xa) * (yb - ya)) / area
                depth = min(1.0 - b - c, b, c)
                if depth > deepest[n]:
                    deepest[n] = depth
                    triangle[n] = t
                    weights[n, 0], weights[n, 1], weights[n, 2] = 1.0 - b - c, b, c


def _open_curve(curve: np.ndarray, what: str) -> np.ndarray:
    """The curve as float64 without repeated points."""
    curve = np.asarray(curve, np.float64)
    if curve.ndim != 2 or curve.shape[1] != 2 or not np.isfinite(curve).all():
        raise InputError(f"The {what} must be finite points (N, 2), got an array of shape {curve.shape}.")
    curve = curve[np.insert((np.diff(curve, axis=0) != 0).any(1), 0, True)]
    if len(curve) < 3:
        raise InputError(f"The {what} has {len(curve)} distinct points; expected at least 3 from base to base.")
    if np.linalg.norm(curve[-1] - curve[0]) < 0.05 * distance_along(curve)[-1]:
        raise InputError(f"The {what} is closed; expected a curve that is open at the base.")
    return curve


def _enclosed_area(curve: np.ndarray) -> float:
    """Between the curve and the segment that joins its ends."""
    x, y = (curve - curve[0]).T
    return abs(np.sum(x[:-1] * y[1:] - x[1:] * y[:-1])) / 2


def _distance_to_segment(points: np.ndarray, start: np.ndarray, stop: np.ndarray) -> np.ndarray:
    along = np.clip((points - start) @ (stop - start) / np.sum((stop - start) ** 2), 0, 1)
    return np.linalg.norm(points - start - along[:, None] * (stop - start), axis=1)


def _feet(endo: np.ndarray, epi: np.ndarray, length: np.ndarray, at: np.ndarray, outer: np.ndarray) -> np.ndarray:
    """Where the perpendiculars from the epicardium end on the endocardium, as rising fractions of its length."""
    fine = np.linspace(0, length[-1], 500)
    smooth = ndimage.gaussian_filter1d(points_at(epi, length, fine), _NORMAL_SMOOTHING * len(fine), 0, mode="nearest")
    tangent = points_at(np.gradient(smooth, axis=0), fine, at)
    normal = np.stack([-tangent[:, 1], tangent[:, 0]], -1)
    normal *= np.sign(np.sum(normal * (endo.mean(0) - outer), -1).sum())  # towards the cavity

    # outer + s * normal = endo[k] + u * side[k], every ray against every side of the endocardium.
    side = np.diff(endo, axis=0)
    offset = endo[None, :-1] - outer[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        turn = normal[:, None, 0] * side[:, 1] - normal[:, None, 1] * side[:, 0]
        depth = (offset[..., 0] * side[:, 1] - offset[..., 1] * side[:, 0]) / turn
        u = (offset[..., 0] * normal[:, None, 1] - offset[..., 1] * normal[:, None, 0]) / turn
    depth[~((depth > 0) & (u >= 0) & (u <= 1))] = np.inf
    nearest = depth.argmin(1)
    row = np.arange(len(outer))
    endo_length = distance_along(endo)
    foot = (endo_length[nearest] + u[row, nearest] * np.diff(endo_length)[nearest]) / endo_length[-1]

    hit = np.isfinite(depth[row, nearest])
    foot[0], foot[-1], hit[0], hit[-1] = 0.0, 1.0, True, True
    foot = np.interp(row, row[hit], foot[hit])
    least = _LEAST_STEP * row
    weight = np.where((row == 0) | (row == row[-1]), 1e6, 1.0)
    foot = isotonic_regression(foot - least, weights=weight).x + least
    slack = np.linspace(0, 1, len(row))
    bend = np.pad(foot - slack, 6, mode="reflect", reflect_type="odd")
    return slack + ndimage.gaussian_filter1d(bend, 1.0)[6:-6]
