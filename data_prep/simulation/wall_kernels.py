"""The kernels of the scatterers: brightness at a point, points carried by the mesh, weights across the wall."""

from __future__ import annotations

import numpy as np

from cpwc_keras.compiled import njit
from cpwc_keras.types import MESH_SHAPE

CELL = 4
"""Pixels: side of the squares by which still scatterers are sorted."""

_BASAL_RAMP = 0.5
"""Rows of the mesh over which the weight rises from the two ends of the wall."""


@njit()
def bilinear(image, points):
    """Brightness (N,) float32 at points (N, 2) px; beyond the edge, the edge's."""
    height, width = image.shape
    values = np.empty(len(points), np.float32)
    for n in range(len(points)):
        x = min(max(points[n, 0], 0.0), width - 1.0)
        y = min(max(points[n, 1], 0.0), height - 1.0)
        left, top = min(int(x), width - 2), min(int(y), height - 2)
        u, v = x - left, y - top
        above = image[top, left] * (1 - u) + image[top, left + 1] * u
        below = image[top + 1, left] * (1 - u) + image[top + 1, left + 1] * u
        values[n] = above * (1 - v) + below * v
    return values


@njit()
def carry(nodes, triangles, triangle, barycentric):
    """Where points with these barycentric weights in their triangles are, (N, 2) float32."""
    points = np.empty((len(triangle), 2), np.float32)
    for n in range(len(triangle)):
        x = y = 0.0
        for corner in range(3):
            node = triangles[triangle[n], corner]
            x += barycentric[n, corner] * nodes[node, 0]
            y += barycentric[n, corner] * nodes[node, 1]
        points[n, 0], points[n, 1] = x, y
    return points


@njit(keep=False)
def _weight(along, across, end, border):
    """The weight w at mesh coordinates (0 to `end`, 0 to 4); w² is a raised cosine of the way from the border."""
    last_layer = MESH_SHAPE[1] - 1.0
    way = min(min(across, last_layer - across) / (border * last_layer), min(along, end - along) / _BASAL_RAMP)
    return np.sin(np.pi / 2 * min(max(way, 0.0), 1.0))


@njit()
def mesh_weight(triangles, triangle, barycentric, border):
    """W of points given by triangle and barycentric weights, (N,) float32."""
    end = triangles.max() // MESH_SHAPE[1]
    weight = np.empty(len(triangle), np.float32)
    for n in range(len(triangle)):
        along = across = 0.0
        for corner in range(3):
            node = triangles[triangle[n], corner]
            along += barycentric[n, corner] * (node // MESH_SHAPE[1])
            across += barycentric[n, corner] * (node % MESH_SHAPE[1])
        weight[n] = _weight(along, across, end, border)
    return weight


@njit()
def fade(amplitude, points, begin, rows, columns, nodes, triangles, border):
    """Multiply the amplitude of still scatterers within the mesh by sqrt(1 - w²), in place."""
    weight = np.zeros(len(amplitude), np.float32)
    end = triangles.max() // MESH_SHAPE[1]
    for t in range(len(triangles)):
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        xa, ya, xb, yb, xc, yc = nodes[a, 0], nodes[a, 1], nodes[b, 0], nodes[b, 1], nodes[c, 0], nodes[c, 1]
        area = (xb - xa) * (yc - ya) - (xc - xa) * (yb - ya)
        first_column = int(min(max(np.floor(min(xa, xb, xc) / CELL), 0.0), columns - 1.0))
        last_column = int(min(max(np.floor(max(xa, xb, xc) / CELL), 0.0), columns - 1.0))
        first_row = int(min(max(np.floor(min(ya, yb, yc) / CELL), 0.0), rows - 1.0))
        last_row = int(min(max(np.floor(max(ya, yb, yc) / CELL), 0.0), rows - 1.0))
        for row in range(first_row, last_row + 1):
            for n in range(begin[row * columns + first_column], begin[row * columns + last_column + 1]):
                x, y = points[n, 0], points[n, 1]
                wb = ((x - xa) * (yc - ya) - (xc - xa) * (y - ya)) / area
                wc = ((xb - xa) * (y - ya) - (x - xa) * (yb - ya)) / area
                wa = 1.0 - wb - wc
                if wa >= 0.0 and wb >= 0.0 and wc >= 0.0:
                    along = wa * (a // MESH_SHAPE[1]) + wb * (b // MESH_SHAPE[1]) + wc * (c // MESH_SHAPE[1])
                    across = wa * (a % MESH_SHAPE[1]) + wb * (b % MESH_SHAPE[1]) + wc * (c % MESH_SHAPE[1])
                    weight[n] = max(weight[n], _weight(along, across, end, border))
    for n in range(len(amplitude)):
        if weight[n] > 0.0:
            amplitude[n] *= np.sqrt(max(1.0 - weight[n] * weight[n], 0.0))
