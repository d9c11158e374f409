"""The motion that `cpwc-keras track --dense-flow` keeps, read back from its ``tracking.h5``."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from cpwc_keras.errors import InputError, bad_file
from cpwc_keras.io.hdf5_input import load_dataset, open_hdf5, own_dataset, scale_and_rate
from cpwc_keras.io.sector import require_moderate

FORMAT = "cpwc-keras tracking"
_KIND = "a tracking.h5 of this package"


@dataclass(frozen=True, eq=False)
class TrackedMotion:
    """What a tracking file says of the motion.

    Attributes:
        flows: (T-1, H, W, 2) float32 pixels, from each frame to the next.
        contours: (T, N, 2) float32 pixels: the contour, or the endocardial layer of the mesh.
        spacing_mm: (row_mm, col_mm), or None.
        frame_rate_hz: frames a second, or None.
    """

    flows: np.ndarray
    contours: np.ndarray
    spacing_mm: tuple[float, float] | None
    frame_rate_hz: float | None


def read_tracked_motion(path: str | Path) -> TrackedMotion:
    """Read the dense motion of a tracking file.

    Raises:
        InputError: missing, broken, of another format, or without dense motion.
    """
    with open_hdf5(path, _KIND, "track again") as file:
        return _read(path, file)


def is_tracked_motion(path: str | Path) -> bool:
    """Whether a file is such a one, by what it says of itself; False for what cannot be opened."""
    try:
        with open_hdf5(path, _KIND) as file:
            return _is_ours(file)
    except InputError:
        return False


def _is_ours(file: h5py.File) -> bool:
    found = file.attrs.get("format")
    return isinstance(found, str) and found == FORMAT


def _read(path, file: h5py.File) -> TrackedMotion:
    if not _is_ours(file):
        raise bad_file(path, f"format {file.attrs.get('format')}", _KIND)
    if not file.id.links.exists(b"flow"):  # `in` would follow a link elsewhere
        found, remedy = "no dense motion", "track with --dense-flow (keep_flow=True)"
        raise bad_file(path, found, "the motion of every pixel", remedy)
    flow_shape, points_shape = (own_dataset(path, file, name, _KIND).shape for name in ("flow", "points"))
    fit = len(flow_shape) == 4 and flow_shape[3] == 2 and len(points_shape) in (3, 4) and points_shape[-1] == 2
    if not fit or min(*flow_shape, *points_shape) < 1 or points_shape[0] != flow_shape[0] + 1:
        raise bad_file(path, f"flow of shape {flow_shape} with points {points_shape}", "(T-1, H, W, 2) with (T, N, 2)")
    for shape in (flow_shape, points_shape):
        require_moderate(path, math.prod(shape[:-1]), Path(path).stat().st_size)
    spacing, rate = scale_and_rate(path, file)
    flows = load_dataset(path, file, "flow", np.float32, _KIND)
    points = load_dataset(path, file, "points", np.float32, _KIND)
    if not np.isfinite(flows).all():
        raise bad_file(path, "NaN or infinite flow", "finite pixels", "track again")
    return TrackedMotion(flows, points[:, :, 0] if points.ndim == 4 else points, spacing, rate)
