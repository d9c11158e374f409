"""How tissue around the wall moves where it does not stand still: as the wall does, less and less away from it.

The paper's background stands still. In a real image the right heart, the papillary muscles, the atria and the
pericardium move along with the wall. The motion of the mesh's nodes is continued as a smooth function that takes their
values and fades to none, and is known on a coarse grid, between whose points it is bilinear.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cpwc_keras.data_prep.simulation.stills import extend_motion
from cpwc_keras.data_prep.simulation.transducer import SectorScan
from cpwc_keras.data_prep.simulation.wall_kernels import bilinear

_STEP_MM = 3.0


@dataclass(frozen=True, eq=False)
class Surroundings:
    """The motion around a mesh, from the first frame on.

    Attributes:
        nodes: (rows, columns, 2) float64 mm (x, z): points of the grid in the first frame.
        shift: (T, rows, columns, 2) float32 mm: how far each has moved in each frame.
    """

    nodes: np.ndarray
    shift: np.ndarray

    @property
    def triangles(self) -> np.ndarray:
        """(M, 3) int32: a triangulation of the nodes, numbered row by row."""
        rows, columns = self.nodes.shape[:2]
        node = np.arange(rows * columns, dtype=np.int32).reshape(rows, columns)
        a, b, c, d = node[:-1, :-1], node[:-1, 1:], node[1:, :-1], node[1:, 1:]
        return np.stack([np.stack([a, b, d], -1), np.stack([a, d, c], -1)], 2).reshape(-1, 3)

    def places(self, frame: int) -> np.ndarray:
        """(rows columns, 2) mm: where the nodes are in a frame."""
        return (self.nodes + self.shift[frame]).reshape(-1, 2)

    def moved(self, points_mm: np.ndarray, frame: int) -> np.ndarray:
        """Where points of the first frame are in another, (N, 2) float32 mm."""
        places = ((points_mm - self.nodes[0, 0]) / _STEP_MM).astype(np.float32)
        shift = np.ascontiguousarray(np.moveaxis(self.shift[frame], -1, 0))
        return points_mm + np.stack([bilinear(component, places) for component in shift], -1)


def surrounding_motion(mesh_mm: np.ndarray, scan: SectorScan) -> Surroundings:
    """The motion around a mesh in a sector.

    Args:
        mesh_mm: (T, R, 5, 2) mm, without NaN.
        scan: the sector, which the grid covers.
    """
    half = scan.depth_mm * np.sin(np.deg2rad(scan.sector_deg) / 2) + _STEP_MM
    x = np.arange(-half, half + _STEP_MM, _STEP_MM)
    z = np.arange(0, scan.depth_mm + 2 * _STEP_MM, _STEP_MM)
    nodes = np.stack(np.meshgrid(x, z), -1)
    of_mesh = mesh_mm.reshape(len(mesh_mm), -1, 2).astype(np.float64)
    motion = np.moveaxis(of_mesh - of_mesh[0], 0, 1).reshape(of_mesh.shape[1], -1)
    shift = extend_motion(of_mesh[0], motion, nodes)
    shift = np.moveaxis(shift.reshape(*nodes.shape[:2], len(mesh_mm), 2), 2, 0)
    return Surroundings(nodes, shift.astype(np.float32))
