"""The open-access synthetic sequences of Alessandrini et al. 2018: 7 vendors × 3 views × 5 motion patterns.

Two layouts, which may be mixed:

* by folder: ``<vendor>/<view>/<model>/im_sim.mat``, ``ground_truth.mat``, ``info.mat``;
* flat, as the first author publishes the motion without images: ``ground_truth/<vendor>_<view>_<model>.mat`` and
  ``info/info_<vendor>_<view>.mat``.

What was established about them (not documented by the authors):

* ``X_gt`` (180, 3, T) mm holds the nodes with the longitudinal index fastest: 36 × 5 in Fortran order; its columns are
  lateral, elevation (always 0) and depth, measured from the image's top left pixel.
* ``pixelsize`` and ``gridsize`` are (rows, columns). The images are sampled at ``x = linspace(0, columns · pixelsize,
  columns)`` and ``z`` alike, so that the distance of pixel centres is pixelsize · n / (n - 1), not pixelsize (0.2 %).
* Radial index 0 is the endocardium (the shorter arc in all files).
* Longitudinal index 0 lies on the right of the image. In the A4C files the wall at that end moves less in ``lcx``, the
  mid wall at the other end less in ``ladprox``: so it is the lateral wall, and the other the septum. It is reversed
  here, to run from the septal base (A2C: inferior, A3C: inferolateral) over the apex.
* ``ED1``, ``ES``, ``ED2`` count frames of the template recording, not of the simulated sequence; the simulation begins
  at end-diastole, and its end-systolic frame depends on the vendor alone (the authors' evaluation code).
* 11 of the 105 files hold NaN at one or two nodes in most frames; these nodes stay NaN.

All views and patterns of one vendor were simulated from the recordings of that vendor's machine, so the vendor stands
for the patient in splits.

References:
    Alessandrini et al., Realistic vendor-specific synthetic ultrasound data for quality assurance of 2-D speckle
    tracking echocardiography: simulation pipeline and open access database, IEEE TUFFC 65(3), 2018.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cpwc_keras.data.layout import existing_folder, frames_or_zero, wrong_layout
from cpwc_keras.errors import InputError, bad_file
from cpwc_keras.io.mat_files import mat_shape, read_mat
from cpwc_keras.io.medical import gray_frames
from cpwc_keras.types import MESH_SHAPE, CineLoop, DatasetItem, Sequence, Trajectory

VIEWS = ("A2C", "A3C", "A4C")
_LAYOUT = (
    "<vendor>/<view>/<model>/im_sim.mat with ground_truth.mat and info.mat, or "
    "ground_truth/<vendor>_<view>_<model>.mat with info/info_<vendor>_<view>.mat"
)
_MOST_SAMPLES, _FARTHEST_MM = 2**15, 1e6
_END_SYSTOLE = {
    "ESAOTE": 16,
    "GE Vingmed Ultrasound": 16,
    "Hitachi Aloka Medical,Ltd": 21,
    "Philips Medical Systems": 15,
    "SAMSUNG MEDISON CO": 19,
    "Siemens": 17,
    "TOSHIBA_MEC_US": 18,
}


@dataclass(frozen=True)
class SequenceFiles:
    """Where the parts of one sequence lie.

    Attributes:
        vendor: maker of the scanner.
        view: "A2C", "A3C" or "A4C".
        model: motion pattern: "normal", "ladprox", "laddist", "lcx" or "rca".
        motion: file of the ground truth.
        info: file of the image geometry.
        images: file of the images, which may not exist.
    """

    vendor: str
    view: str
    model: str
    motion: Path
    info: Path
    images: Path


@dataclass(frozen=True)
class Sector:
    """What a vendor's probe saw.

    Attributes:
        probe_mm: from the image's left edge to the probe, on the top row.
        depth_mm: range.
        left: angle of the left edge from the vertical, radians.
        right: angle of the right edge from the vertical, radians.
    """

    probe_mm: float
    depth_mm: float
    left: float
    right: float


def find(root: str | Path) -> list[DatasetItem]:
    """List the sequences that have images.

    Raises:
        InputError: the folder is not the dataset, or has the motion but no images.
    """
    root = existing_folder(root)
    sequences = _find_files(root)
    complete = [files for files in sequences if files.images.is_file()]
    if not complete:
        raise InputError(
            f"{root}: found the motion of {len(sequences)} sequences but no images (im_sim.mat), expected both; "
            "add the images, or use the dataset alessandrini-motion for the motion alone."
        )
    return [_item(files, "alessandrini", read_sequence, (files.images, files.motion, files.info)) for files in complete]


def find_motion(root: str | Path) -> list[DatasetItem]:
    """List the motion of all sequences, with or without images; `read` gives a `Trajectory`.

    Raises:
        InputError: the folder is not the dataset.
    """
    sequences = _find_files(existing_folder(root))
    return [_item(files, "alessandrini-motion", _read_motion, (files.motion, files.info)) for files in sequences]


def read_trajectory(motion: str | Path, info: str | Path, vendor: str = "") -> Trajectory:
    """Read the motion of the mesh and the geometry of the images it belongs to.

    Args:
        motion: file with ``X_gt``.
        info: file with ``USInfo``.
        vendor: as in the file names; it decides the end-systolic frame.

    Raises:
        InputError: a file is missing, broken, or of another shape.
    """
    nodes = read_mat(motion, "X_gt").get("X_gt")
    n_nodes = MESH_SHAPE[0] * MESH_SHAPE[1]
    if nodes is None or nodes.ndim != 3 or nodes.shape[:2] != (n_nodes, 3) or not nodes.size:
        found = "no X_gt" if nodes is None else f"X_gt of shape {nodes.shape}"
        raise bad_file(motion, found, f"X_gt ({n_nodes}, 3, T) in mm")
    if (np.abs(nodes) > _FARTHEST_MM).any():
        raise bad_file(motion, "infinite coordinates or far beyond any image", "mm, or NaN where a node is not known")
    mesh = np.moveaxis(nodes[:, [0, 2]], -1, 0).reshape(-1, MESH_SHAPE[1], MESH_SHAPE[0], 2).swapaxes(1, 2)
    with np.errstate(invalid="ignore"):  # of the two kinds of NaN, one complains
        mesh = np.ascontiguousarray(mesh[:, ::-1], dtype=np.float32)
    spacing_mm, image_shape = _read_geometry(info)
    es = _END_SYSTOLE.get(vendor, len(mesh))
    return Trajectory(mesh, spacing_mm, image_shape, ed=0, es=es if es < len(mesh) else None)


def read_sector(info: str | Path) -> Sector:
    """Read where the probe stood and what it saw.

    The edges' angles are ``t0`` and ``tf``; the depth is ``radius`` (``rf`` is in metres for one vendor and short of
    the image for two others); the probe lies on the top row where both edges leave it to fill the image's width.

    Args:
        info: file with ``USInfo``.

    Raises:
        InputError: the file is missing or broken, or the sector is none.
    """
    names = ("t0", "tf", "radius", "width")
    values = read_mat(info, *(f"USInfo.{name}" for name in names), *names)
    numbers = [np.ravel(values.get(f"USInfo.{name}", values.get(name, np.nan))) for name in names]
    t0, tf, radius, width = (float(number[0]) if number.size == 1 else np.nan for number in numbers)
    left, right = t0 - np.pi / 2, np.pi / 2 - tf
    if not (0 < left < np.pi / 2 and 0 < right < np.pi / 2 and radius > 0 and width > 0):
        raise bad_file(info, "no sector", "USInfo with t0, tf (radians), radius and width (mm)")
    return Sector(width * np.sin(left) / (np.sin(left) + np.sin(right)), radius, left, right)


def read_sequence(files: SequenceFiles) -> Sequence:
    """Read images and motion of one sequence.

    Raises:
        InputError: a file is missing, broken, or does not fit the others.
    """
    trajectory = read_trajectory(files.motion, files.info, files.vendor)
    images = read_mat(files.images, "im_sim").get("im_sim")
    expected = (*trajectory.image_shape, len(trajectory))
    if images is None or images.shape != expected:
        found = "no im_sim" if images is None else f"im_sim of shape {images.shape}"
        raise bad_file(files.images, found, f"im_sim {expected}, as the geometry and the motion say")
    unknown = int(np.isnan(trajectory.mesh_mm).any(axis=(0, 3)).sum())
    loop = CineLoop(
        frames=gray_frames(files.images, np.moveaxis(images, -1, 0)),
        spacing_mm=trajectory.spacing_mm,
        ed=trajectory.ed,
        es=trajectory.es,
        view=files.view,
        patient=files.vendor,
        source=str(files.images),
        notes=(f"{unknown} of {MESH_SHAPE[0] * MESH_SHAPE[1]} mesh nodes are not known in every frame.",)
        * (unknown > 0),
    )
    return Sequence(loop, mesh=trajectory.mesh, vendor=files.vendor, variant=files.model)


def _read_motion(files: SequenceFiles) -> Trajectory:
    return read_trajectory(files.motion, files.info, files.vendor)


def _read_geometry(info) -> tuple[tuple[float, float], tuple[int, int]]:
    names = ("pixelsize", "gridsize", "x", "z")
    values = read_mat(info, *(f"USInfo.{name}" for name in names), *names)
    pixel, grid, x, z = (values.get(f"USInfo.{name}", values.get(name)) for name in names)
    if (
        pixel is None
        or grid is None
        or pixel.shape != (2,)
        or grid.shape != (2,)
        or not (pixel > 0).all()
        or not all(2 <= n <= _MOST_SAMPLES for n in grid)
    ):
        raise bad_file(info, "no pixelsize and gridsize", "USInfo with the geometry of the images")
    shape = (int(grid[0]), int(grid[1]))
    with np.errstate(over="ignore", invalid="ignore"):  # the spacing that comes of it is asked for
        axes = [
            np.linspace(0, n * step, n) if axis is None else axis
            for n, step, axis in zip(shape, pixel, (z, x), strict=True)
        ]
    if (axes[0].size, axes[1].size) != shape:
        raise bad_file(info, f"z and x of {axes[0].size} and {axes[1].size} samples", f"{shape} as in gridsize")
    row_mm, col_mm = ((float(axis[-1]) - float(axis[0])) / (axis.size - 1) for axis in axes)
    if not (0 < row_mm < _FARTHEST_MM and 0 < col_mm < _FARTHEST_MM):
        raise bad_file(info, f"a spacing of {row_mm:g} × {col_mm:g} mm", "positive spacings")
    return (row_mm, col_mm), shape


def _find_files(root: Path) -> list[SequenceFiles]:
    images = {path.parent.parts[-3:]: path for path in root.rglob("im_sim.mat")}
    sequences = {}
    for motion in root.glob("ground_truth/*.mat"):
        key = tuple(motion.stem.rsplit("_", 2))
        if len(key) == 3 and key[1] in VIEWS:
            info = root / "info" / f"info_{key[0]}_{key[1]}.mat"
            sequences[key] = SequenceFiles(*key, motion, info, images.get(key, root.joinpath(*key, "im_sim.mat")))
    for motion in root.rglob("ground_truth.mat"):
        folder, key = motion.parent, motion.parent.parts[-3:]
        if len(key) == 3 and key[1] in VIEWS:
            sequences[key] = SequenceFiles(*key, motion, folder / "info.mat", folder / "im_sim.mat")
    if not sequences:
        raise wrong_layout(root, "Alessandrini 2018", _LAYOUT)
    return [sequences[key] for key in sorted(sequences)]


def _n_frames(motion: Path) -> int:
    shape = mat_shape(motion, "X_gt")
    return shape[2] if len(shape) == 3 else 0


def _item(files: SequenceFiles, dataset: str, read, paths: tuple[Path, ...]) -> DatasetItem:
    return DatasetItem(
        name=f"{files.vendor}/{files.view}/{files.model}",
        dataset=dataset,
        n_frames=frames_or_zero(_n_frames, files.motion),
        loader=functools.partial(read, files),
        patient=files.vendor,
        vendor=files.vendor,
        variant=files.model,
        files=paths,
    )
