"""Templates from a known motion without images: the Alessandrini trajectories, painted, in each vendor's geometry."""

from __future__ import annotations

from zlib import crc32

import numpy as np

from cpwc_keras.data.alessandrini import read_sector
from cpwc_keras.data_prep.simulation.painting import paint
from cpwc_keras.data_prep.simulation.template import Template
from cpwc_keras.data_prep.simulation.transducer import ImageGrid
from cpwc_keras.errors import bad_file
from cpwc_keras.types import DatasetItem

PAINTED_NOTE = "The brightness around the known motion is made up: the dataset's images are not used."


def trajectory_template(item: DatasetItem, seed: int) -> Template:
    """A template whose motion is the published one and whose brightness is painted around it.

    The vendor's sector may reach further on one side; the scan's is symmetric and as wide as its wider side.

    Args:
        item: of `cpwc_keras.data.alessandrini.find_motion`.
        seed: of what is painted.

    Raises:
        InputError: a file is missing or broken, or a frame's mesh cannot be mended.
    """
    motion, info = item.files
    trajectory, sector = item.read(), read_sector(info)
    row_mm, col_mm = trajectory.spacing_mm
    grid = ImageGrid(trajectory.image_shape, (row_mm, col_mm), (sector.probe_mm / col_mm, 0.0))
    mesh, mended = mend(trajectory.mesh)
    if np.isnan(mesh).any():
        frames = np.flatnonzero(np.isnan(mesh).any((1, 2, 3)))
        raise bad_file(motion, f"fewer than two known nodes across the wall in frame {frames[0]}", "at least two")
    view = item.name.split("/")[1]
    rng = np.random.default_rng([seed, crc32(item.name.encode())])
    return Template(
        frames=paint(mesh, grid, sector.depth_mm, (-sector.left, sector.right), view, rng),
        mesh=mesh,
        grid=grid,
        depth_mm=sector.depth_mm,
        sector_deg=float(np.rad2deg(2 * max(sector.left, sector.right))),
        ed=trajectory.ed,
        es=trajectory.es,
        view=view,
        notes=(PAINTED_NOTE, *mended),
    )


def mend(mesh: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    """Fill in nodes that are not known from those across the wall, which are evenly spread on a straight line.

    On the nodes that are known this is right within 0.07 mm in the median, 0.3 mm for 19 of 20.

    Args:
        mesh: (T, 36, 5, 2), NaN where a node is not known.

    Returns:
        the mesh, in which rows with fewer than two known nodes stay NaN, and a sentence that says what was filled in.
    """
    missing = np.isnan(mesh).any(-1)
    if not missing.any():
        return mesh, ()
    mesh = mesh.copy()
    layers = np.arange(mesh.shape[2])
    for frame, row in np.argwhere(missing.any(-1)):
        known = ~missing[frame, row]
        if known.sum() >= 2:
            line = np.polynomial.polynomial.polyfit(layers[known][:2], mesh[frame, row, known][:2], 1)
            mesh[frame, row, ~known] = line[0] + layers[~known, None] * line[1]
    nodes = ", ".join(f"{row}/{layer}" for row, layer in np.argwhere(missing.any(0)))
    frames = int(missing.any((1, 2)).sum())
    return mesh, (f"In {frames} of {len(mesh)} frames the nodes (row/layer) {nodes} were not known and filled in.",)
