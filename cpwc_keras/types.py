"""What flows through the house: plain arrays with their spacing and time.

Conventions, stated once:

* Images are float32 in [0, 1], gray, time first: ``(T, H, W)``.
* A flow is float32 ``(H, W, 2)``: ``[..., 0]`` = dx (columns, right), ``[..., 1]`` = dy (rows, down), in pixels of the
  full-resolution grid, forward: the point of image 1 at ``(x, y)`` is found in image 2 at ``(x + dx, y + dy)``, so that
  ``warp(image2, flow) ≈ image1``.
* Spacing is ``(row_mm, col_mm)``, never assumed isotropic. ``None`` means unknown: never a guess.
* Points and contours are ``(N, 2)`` as (x, y) pixels, pixel centres at whole numbers. An endocardial contour runs from
  the basal septal point over the apex to the basal lateral point.
* A mesh is ``(36, 5, 2)``: longitudinal (from the septal base over the apex to the lateral base) × radial (layer 0 =
  endocardium, layer 4 = epicardium).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from cpwc_keras.errors import InputError

MESH_SHAPE = (36, 5)
"""Nodes of the myocardial mesh: longitudinal × radial (paper, Fig. 1)."""

BACKGROUND, CAVITY, MYOCARDIUM, ATRIUM = 0, 1, 2, 3
"""Labels of a segmentation, as in CAMUS."""


@dataclass(frozen=True, eq=False, repr=False)
class CineLoop:
    """Frames of one acquisition, in order of time.

    Attributes:
        frames: (T, H, W) float32 in [0, 1].
        spacing_mm: (row_mm, col_mm) of a pixel, or None where the file does not say.
        frame_rate_hz: frames a second, or None where the file does not say.
        labels: (T, H, W) uint8 segmentation (`BACKGROUND` … `ATRIUM`), or None.
        ed: index of the end-diastolic frame, or None.
        es: index of the end-systolic frame, or None.
        view: "A2C", "A3C", "A4C", or "" where unknown.
        patient: pseudonym that the dataset uses, or "".
        sector: (H, W) bool, the pixels that show anything, or None where that is not known.
        source: file or folder it came from.
        notes: what the reader had to assume, one sentence each; shown to the user.
        source_state: of the file when it was read (`cpwc_keras.io.input_file.file_state`), or None where that is not
            known.
    """

    frames: np.ndarray
    spacing_mm: tuple[float, float] | None = None
    frame_rate_hz: float | None = None
    labels: np.ndarray | None = None
    ed: int | None = None
    es: int | None = None
    view: str = ""
    patient: str = ""
    source: str = ""
    notes: tuple[str, ...] = ()
    sector: np.ndarray | None = None
    source_state: tuple[int, int] | None = None

    def __post_init__(self):
        if self.frames.ndim != 3:
            raise ValueError(f"frames must be (T, H, W), got shape {self.frames.shape}")
        if self.labels is not None and self.labels.shape != self.frames.shape:
            raise ValueError(f"labels {self.labels.shape} and frames {self.frames.shape} must have the same shape")
        if self.sector is not None and self.sector.shape != self.frames.shape[1:]:
            raise ValueError(f"the sector {self.sector.shape} must have the shape of a frame {self.frames.shape[1:]}")

    def __repr__(self) -> str:
        """Short, and without what may name a patient: the file it came from."""
        height, width = self.frames.shape[1:3]
        spacing = "unknown" if self.spacing_mm is None else "×".join(f"{side:.4g}" for side in self.spacing_mm) + " mm"
        rate = "unknown" if self.frame_rate_hz is None else f"{self.frame_rate_hz:.4g} Hz"
        return f"<CineLoop of {len(self.frames)} frames of {height}×{width}, pixel {spacing}, frame rate {rate}>"

    def __len__(self) -> int:
        return len(self.frames)


@dataclass(frozen=True, eq=False)
class FramePair:
    """Two images and, where it is known, the motion from the first to the second.

    Attributes:
        image1: (H, W) float32 in [0, 1].
        image2: (H, W) float32 in [0, 1].
        flow: (H, W, 2) float32, pixels; 0 where `mask` is 0.
        mask: (H, W) float32, 1 where the flow is known (the myocardium; everywhere for natural images).
        spacing_mm: (row_mm, col_mm), or None.
        name: where it came from, for messages and pictures.
    """

    image1: np.ndarray
    image2: np.ndarray
    flow: np.ndarray
    mask: np.ndarray
    spacing_mm: tuple[float, float] | None = None
    name: str = ""

    def __post_init__(self):
        shapes = {self.image1.shape, self.image2.shape, self.mask.shape, self.flow.shape[:-1]}
        if len(shapes) != 1 or self.flow.shape[-1] != 2:
            raise ValueError(
                f"image1 {self.image1.shape}, image2 {self.image2.shape}, mask {self.mask.shape} and flow "
                f"{self.flow.shape} must agree in height and width"
            )


@dataclass(frozen=True, eq=False)
class Sequence:
    """A cine loop with its true motion.

    The motion is either the mesh trajectory (exact: the dense flow of any pair of frames follows from it) or dense
    fields between neighbouring frames (spaced pairs then come from composing them).

    Attributes:
        loop: the images.
        mesh: (T, 36, 5, 2) float32 pixels, NaN where a frame has no valid mesh; or None.
        flows: (T-1, H, W, 2) float32, from each frame to the next; or None.
        masks: (T-1, H, W) float32, where `flows` are known in the first frame of each pair; or None.
        vendor: maker of the scanner, or "".
        variant: "clean", "reverberation", a motion pattern, or "".
    """

    loop: CineLoop
    mesh: np.ndarray | None = None
    flows: np.ndarray | None = None
    masks: np.ndarray | None = None
    vendor: str = ""
    variant: str = ""

    def __post_init__(self):
        if (self.mesh is None) == (self.flows is None):
            raise ValueError("a Sequence has either a mesh trajectory or dense flows")
        if self.mesh is not None and self.mesh.shape != (len(self.loop), *MESH_SHAPE, 2):
            raise ValueError(f"mesh must be {(len(self.loop), *MESH_SHAPE, 2)}, got {self.mesh.shape}")
        if self.flows is not None:
            expected = (len(self.loop) - 1, *self.loop.frames.shape[1:])
            if self.flows.shape != (*expected, 2) or self.masks is None or self.masks.shape != expected:
                raise ValueError(f"flows must be {(*expected, 2)} with masks {expected}")

    def __len__(self) -> int:
        return len(self.loop)


@dataclass(frozen=True, eq=False)
class Trajectory:
    """The true motion of a mesh without images, as some ground truths are published.

    Attributes:
        mesh_mm: (T, 36, 5, 2) float32, (x, z) mm from the centre of the image's top left pixel; NaN where a node is
            not known.
        spacing_mm: (row_mm, col_mm) of the images it belongs to.
        image_shape: (H, W) of the images it belongs to.
        ed: index of the end-diastolic frame, or None.
        es: index of the end-systolic frame, or None.
    """

    mesh_mm: np.ndarray
    spacing_mm: tuple[float, float]
    image_shape: tuple[int, int]
    ed: int | None = None
    es: int | None = None

    def __len__(self) -> int:
        return len(self.mesh_mm)

    @property
    def mesh(self) -> np.ndarray:
        """(T, 36, 5, 2) float32 pixels (x, y) of those images."""
        row_mm, col_mm = self.spacing_mm
        return self.mesh_mm / np.array([col_mm, row_mm], dtype=np.float32)


@dataclass(frozen=True)
class DatasetItem:
    """One pair, sequence or labelled loop of a dataset, known but not yet read.

    Listing a dataset touches names and headers only; `read` loads the arrays.

    Attributes:
        name: unique within the dataset ("00042", "GE/A4C/ladprox").
        dataset: "chairs", "things", "alessandrini", "medicaid", "sequences", …
        n_frames: 2 for a pair.
        patient: what must never stand on both sides of a split; equal for all variants of one patient.
        vendor: maker of the scanner, or "".
        variant: "clean", "reverberation", a motion pattern, or "".
        split: "train" or "validation" or "test" where the dataset itself says so, else "".
        files: everything `read` will open.
    """

    name: str
    dataset: str
    n_frames: int
    loader: Callable[[], Any] = field(repr=False, compare=False)
    patient: str = ""
    vendor: str = ""
    variant: str = ""
    split: str = ""
    files: tuple[Path, ...] = field(default=(), repr=False)

    def __post_init__(self):
        for text in (self.name, self.patient, self.vendor, self.variant):
            try:
                text.encode()
            except UnicodeEncodeError as error:  # names of files are bytes, and no table or record can hold these
                raise InputError(f"{text!a}: this name of a file or folder is not in UTF-8; rename it.") from error

    def read(self) -> Any:  # which of the four is known by those who know the dataset
        """Load it: a `FramePair` or `Sequence` with motion, a `CineLoop` with labels, or a bare `Trajectory`.

        Raises:
            InputError: a file is missing, truncated or inconsistent.
        """
        return self.loader()
