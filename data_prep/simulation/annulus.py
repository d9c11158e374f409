"""The wall beyond the mitral annulus: atrial wall that goes down with the base and comes up with it.

The mesh of the truth ends at the base. Were the tissue below it to stand still, as the rest of the background does, the
two ends of the endocardium would lie on a border between motion and none, which no heart has: from the annulus down the
atrial walls follow it, less and less towards the roof of the atrium, which stands still.
"""

from __future__ import annotations

import numpy as np

from cpwc_keras.mesh import inverted_triangles

_ROW_MM = 4.0
"""Distance between the rows that are added, about that of the mesh's own."""

_ROOF_MM = 45.0
"""Distance from the annulus at which nothing moves any more: about the length of a left atrium."""

_DIRECTION_ROWS = 4
"""Rows from the base over which the direction of the wall is taken."""


def continued_beyond_annulus(mesh_mm: np.ndarray, reach_mm: float) -> np.ndarray:
    """The mesh with rows added before its first and after its last one.

    In the first frame they go on straight in the direction of the wall; from there each node moves as the base of its
    layer does, times what is left of the way to the roof of the atrium. Where they would be folded in any frame, fewer
    are added.

    Args:
        mesh_mm: (T, 36, 5, 2) mm, without NaN.
        reach_mm: how far the rows added reach, 0 for none.

    Returns:
        (T, 36 + 2 n, 5, 2) mm; rows n to n + 35 are those given.
    """
    for count in range(int(np.ceil(reach_mm / _ROW_MM)), 0, -1):
        away = np.linspace(0, reach_mm, int(np.ceil(reach_mm / _ROW_MM)) + 1)[1 : count + 1]
        septal = _rows_beyond(mesh_mm, away)
        lateral = _rows_beyond(mesh_mm[:, ::-1], away)
        continued = np.concatenate([septal[:, ::-1], mesh_mm, lateral], 1)
        if not inverted_triangles(continued).any():
            return continued
    return mesh_mm


def _rows_beyond(mesh_mm: np.ndarray, away_mm: np.ndarray) -> np.ndarray:
    """(T, n, 5, 2) mm: rows at these distances before row 0, nearest first."""
    base = mesh_mm[:, 0]
    along = (mesh_mm[0, 0] - mesh_mm[0, _DIRECTION_ROWS]).mean(0)
    along /= np.linalg.norm(along)
    left = np.clip(1 - away_mm / _ROOF_MM, 0, 1)
    start = base[0] + away_mm[:, None, None] * along
    return start + left[:, None, None] * (base - base[0])[:, None]
