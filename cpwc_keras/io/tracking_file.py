"""The motion that `cpwc-keras track --dense-flow` keeps, read back from its ``tracking.h5``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from cpwc_keras.errors import InputError, bad_file
from cpwc_keras.io.hdf5_input import load_dataset

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
    if not Path(path).is_file():
        raise bad_file(path, "no file", _KIND)
    try:
        with h5py.File(path, "r") as file:
            return _read(path, file)
    except InputError:
        raise
    except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:  # whatever HDF5 makes of a broken file
        raise bad_file(path, f"a broken file ({error})", _KIND, "track again") from error


def _read(path, file: h5py.File) -> TrackedMotion:
    if file.attrs.get("format") != FORMAT:
        raise bad_file(path, f"format {file.attrs.get('format')}", _KIND)
    if "flow" not in file:
        found, remedy = "no dense motion", "track with --dense-flow (keep_flow=True)"
        raise bad_file(path, found, "the motion of every pixel", remedy)
    flows = load_dataset(path, file, "flow", np.float32, _KIND)
    points = load_dataset(path, file, "points", np.float32, _KIND)
    contours = points[:, :, 0] if points.ndim == 4 else points
    if flows.ndim != 4 or flows.shape[-1] != 2 or contours.shape[::2] != (len(flows) + 1, 2):
        raise bad_file(path, f"flow of shape {flows.shape} with points {points.shape}", "(T-1, H, W, 2) with (T, N, 2)")
    spacing, rate = file.attrs.get("spacing_mm"), file.attrs.get("frame_rate_hz")
    if spacing is not None and (np.shape(spacing) != (2,) or not all(0 < float(s) < np.inf for s in spacing)):
        raise bad_file(path, f"spacing_mm {spacing}", "two positive numbers (row, column)")
    return TrackedMotion(
        flows,
        contours,
        None if spacing is None else (float(spacing[0]), float(spacing[1])),
        None if rate is None else float(rate),
    )
