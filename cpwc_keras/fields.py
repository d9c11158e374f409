"""Dense motion fields: filling them from triangles, sampling, composing and inverting them.

A field is a flow `(H, W, 2)` in pixels with a mask `(H, W)` that is 1 where the flow is known. The kernels are
compiled and release the GIL, so that the training input can run them from many threads.
"""

from __future__ import annotations

import numpy as np

from cpwc_keras.compiled import njit

_ON_EDGE = 1e-9
"""Barycentric tolerance: a pixel centre on an edge belongs to both triangles, so that no gap opens between them."""


def fill_triangles(
    nodes: np.ndarray, values: np.ndarray, triangles: np.ndarray, shape: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Interpolate values, given at the nodes of a triangle mesh, linearly at every pixel centre inside the mesh.

    Triangles with a node or value that is not finite, and triangles without area, are left out. Where a folded mesh
    covers a pixel twice, a triangle with the orientation of most of the mesh wins over an inverted one.

    Args:
        nodes: (N, 2) positions (x, y) in pixels, pixel centres at whole numbers.
        values: (N, 2) values at the nodes.
        triangles: (M, 3) node indices.
        shape: (H, W) of the result.

    Returns:
        field: (H, W, 2) float32, 0 outside the mesh.
        mask: (H, W) float32, 1 inside the mesh, edges included.
    """
    field = np.zeros((*shape, 2), np.float32)
    mask = np.zeros(shape, np.float32)
    _fill_triangles(
        np.ascontiguousarray(nodes, np.float64),
        np.ascontiguousarray(values, np.float64),
        np.ascontiguousarray(triangles, np.int32),
        field,
        mask,
    )
    return field, mask


def sample_field(
    field: np.ndarray, points: np.ndarray, mask: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Sample a field bilinearly at points, from its known pixels only.

    Args:
        field: (H, W, C).
        points: (..., 2) positions (x, y) in pixels.
        mask: (H, W), 1 where the field is known; everywhere if None.

    Returns:
        values: (..., C) float32, the known neighbours weighted bilinearly, with weights made to sum to 1; 0 where no
            neighbour is known.
        weight: (...) float32 in [0, 1], the bilinear weight of the known neighbours: 1 deep inside, 0.5 halfway over
            the border of the known region, 0 outside it and outside the image.
    """
    if mask is None:
        mask = np.ones(field.shape[:2], np.float32)
    flat = np.ascontiguousarray(points, np.float64).reshape(-1, 2)
    values = np.zeros((len(flat), field.shape[2]), np.float32)
    weight = np.zeros(len(flat), np.float32)
    _sample(np.ascontiguousarray(field, np.float32), np.ascontiguousarray(mask, np.float32), flat, values, weight)
    return values.reshape(*points.shape[:-1], field.shape[2]), weight.reshape(points.shape[:-1])


def compose_flows(
    flow12: np.ndarray, flow23: np.ndarray, mask12: np.ndarray | None = None, mask23: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """The flow from image 1 to image 3: `flow12(p) + flow23(p + flow12(p))`.

    Args:
        flow12: (H, W, 2), from image 1 to image 2.
        flow23: (H, W, 2), from image 2 to image 3.
        mask12: (H, W), 1 where `flow12` is known; everywhere if None.
        mask23: (H, W), 1 where `flow23` is known; everywhere if None.

    Returns:
        flow: (H, W, 2) float32, 0 where unknown.
        mask: (H, W) float32, 1 where `flow12` is known and leads to where `flow23` is known.
    """
    onward, weight = sample_field(flow23, pixel_grid(flow12.shape[:2]) + flow12, mask23)
    mask = weight >= 0.5
    if mask12 is not None:
        mask &= mask12 >= 0.5
    return np.where(mask[..., None], flow12 + onward, 0).astype(np.float32), mask.astype(np.float32)


def invert_flow(flow: np.ndarray, mask: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """The flow from image 2 back to image 1.

    Every square of four known neighbouring pixels is carried forward as two triangles, and the way back is interpolated
    linearly over them. Unlike a fixed-point iteration it needs no bound on the flow's gradient and no values outside
    the known region, and it knows exactly where the result is defined.

    Args:
        flow: (H, W, 2), from image 1 to image 2.
        mask: (H, W), 1 where `flow` is known; everywhere if None.

    Returns:
        flow: (H, W, 2) float32, 0 where unknown.
        mask: (H, W) float32, 1 where something known in image 1 arrives in image 2. Where two things arrive (an
            occlusion), which of them is seen cannot be known from the flow, and one is taken.
    """
    shape = flow.shape[:2]
    known = np.isfinite(flow).all(-1)
    if mask is not None:
        known &= mask >= 0.5
    index = np.arange(known.size, dtype=np.int32).reshape(shape)
    top_left, top_right, low_left, low_right = index[:-1, :-1], index[:-1, 1:], index[1:, :-1], index[1:, 1:]
    square = known[:-1, :-1] & known[:-1, 1:] & known[1:, :-1] & known[1:, 1:]
    upper = np.stack([top_left, top_right, low_left], -1)[square]
    lower = np.stack([top_right, low_right, low_left], -1)[square]
    nodes = (pixel_grid(shape) + flow).reshape(-1, 2)
    return fill_triangles(nodes, -flow.reshape(-1, 2), np.concatenate([upper, lower]), shape)


def pixel_grid(shape: tuple[int, int]) -> np.ndarray:
    """The (x, y) of every pixel centre, (H, W, 2) float32."""
    rows, columns = np.indices(shape, np.float32)
    return np.stack([columns, rows], -1)


@njit(keep=False)
def _signed_area(nodes, a, b, c):
    """Twice the area; NaN where a node is not finite."""
    return (nodes[b, 0] - nodes[a, 0]) * (nodes[c, 1] - nodes[a, 1]) - (nodes[c, 0] - nodes[a, 0]) * (
        nodes[b, 1] - nodes[a, 1]
    )


@njit()
def _fill_triangles(nodes, values, triangles, field, mask):
    height, width = mask.shape
    total = 0.0
    for t in range(len(triangles)):
        area = _signed_area(nodes, triangles[t, 0], triangles[t, 1], triangles[t, 2])
        if np.isfinite(area):
            total += area
    for upright in (False, True):
        for t in range(len(triangles)):
            a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
            area = _signed_area(nodes, a, b, c)
            if not np.isfinite(area) or area == 0.0 or (area * total > 0.0) != upright:
                continue
            ua, ub, uc = values[a, 0], values[b, 0], values[c, 0]
            va, vb, vc = values[a, 1], values[b, 1], values[c, 1]
            if not (np.isfinite(ua + ub + uc) and np.isfinite(va + vb + vc)):
                continue
            xa, ya, xb, yb, xc, yc = nodes[a, 0], nodes[a, 1], nodes[b, 0], nodes[b, 1], nodes[c, 0], nodes[c, 1]
            left, right = min(xa, xb, xc), max(xa, xb, xc)
            top, bottom = min(ya, yb, yc), max(ya, yb, yc)
            # Clipped before they become integers: a node may lie anywhere.
            first_column = int(np.ceil(max(left - 1e-6, 0.0)))
            last_column = int(np.floor(min(right + 1e-6, width - 1.0)))
            first_row = int(np.ceil(max(top - 1e-6, 0.0)))
            last_row = int(np.floor(min(bottom + 1e-6, height - 1.0)))
            for y in range(first_row, last_row + 1):
                for x in range(first_column, last_column + 1):
                    weight_b = ((x - xa) * (yc - ya) - (xc - xa) * (y - ya)) / area
                    weight_c = ((xb - xa) * (y - ya) - (x - xa) * (yb - ya)) / area
                    weight_a = 1.0 - weight_b - weight_c
                    if weight_a >= -_ON_EDGE and weight_b >= -_ON_EDGE and weight_c >= -_ON_EDGE:
                        field[y, x, 0] = weight_a * ua + weight_b * ub + weight_c * uc
                        field[y, x, 1] = weight_a * va + weight_b * vb + weight_c * vc
                        mask[y, x] = 1.0


@njit()
def _sample(field, mask, points, values, weight):
    height, width, channels = field.shape
    for n in range(len(points)):
        x, y = points[n, 0], points[n, 1]
        if not (-1.0 < x < width and -1.0 < y < height):  # NaN ends here too
            continue
        left, top = int(np.floor(x)), int(np.floor(y))
        total = 0.0
        for row in range(max(top, 0), min(top + 2, height)):
            for column in range(max(left, 0), min(left + 2, width)):
                w = (1.0 - abs(x - column)) * (1.0 - abs(y - row)) * mask[row, column]
                if w > 0.0:  # so that what stands where nothing is known, NaN included, does no harm
                    total += w
                    for c in range(channels):
                        values[n, c] += w * field[row, column, c]
        weight[n] = total
        for c in range(channels):
            values[n, c] = values[n, c] / total if total > 0.0 else 0.0
