"""Looking into a flow field, wherever it is from: an array, a file, a sequence, a result of tracking."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cpwc_keras.errors import InputError
from cpwc_keras.io.flow_files import FLOW_SUFFIXES, read_flow
from cpwc_keras.io.sequence_file import read_sequence
from cpwc_keras.io.tracking_file import is_tracked_motion, read_tracked_motion
from cpwc_keras.mesh import dense_flow
from cpwc_keras.types import CineLoop, FramePair, Sequence
from cpwc_keras.viz.flow_inspector import FlowFields, FlowInspector

if TYPE_CHECKING:
    from cpwc_keras.tracking.result import TrackingResult

_HDF5 = (".h5", ".hdf5")
_KINDS = (
    "an array (H, W, 2) or (frames - 1, H, W, 2), a .flo, .pfm, .png or .h5 file, a Sequence, a FramePair, or a result "
    "of tracking with keep_flow=True"
)


def inspect_flow(
    flow: np.ndarray | str | Path | Sequence | FramePair | TrackingResult,
    frames: CineLoop | np.ndarray | list[np.ndarray] | None = None,
    *,
    truth: np.ndarray | str | Path | Sequence | FramePair | None = None,
    backward: np.ndarray | None = None,
    mask: np.ndarray | None = None,
    contours: np.ndarray | None = None,
    spacing_mm: tuple[float, float] | None = None,
    frame_rate_hz: float | None = None,
    unit: str | None = None,
    panels: tuple[str, ...] | None = None,
    index: int | None = None,
    line: tuple[tuple[float, float], tuple[float, float]] | None = None,
    region: tuple[int, int, int, int] | None = None,
    largest: float | None = None,
) -> FlowInspector:
    """Look into a flow field: arrows, colours, length, profiles, warped differences, disagreement, error.

    In a notebook, as the last line of a cell, it shows sliders over the pictures (with ipywidgets) or the picture
    alone; elsewhere ``inspect_flow(…).figure().savefig("flow.png")``.

    ::

        inspect_flow("flow.flo", frames=[image1, image2])
        inspect_flow("result/tracking.h5", frames=cpwc.read("patient.dcm"))
        inspect_flow(estimated, truth="simulated/procedural-0-0_clean.h5")

    Args:
        flow: an array (H, W, 2), or (T-1, H, W, 2) from each frame to the next, in pixels (dx right, dy down); a
            ``.flo``, ``.pfm`` or KITTI ``.png`` file; a sequence file or a ``tracking.h5`` with dense motion; a
            `Sequence`, a `FramePair`, or a result of `cpwc_keras.track` with ``keep_flow=True``.
        frames: the images: a `CineLoop`, an array (T, H, W) in [0, 1], or two images. By default those that come with
            `flow` or `truth`, if any.
        truth: the true motion, of any kind that `flow` can be; enables the panels "truth" and "error".
        backward: of the shape of `flow`, from each next frame back; enables "disagreement".
        mask: (H, W) or (T-1, H, W), 1 where `flow` is to be shown. By default where it is known.
        contours: (T, N, 2) pixels (x, y), drawn with the arrows.
        spacing_mm: (row_mm, col_mm) of a pixel. By default what the files say.
        frame_rate_hz: frames a second. By default what the files say.
        unit: "mm" or "px"; by default mm where the spacing is known.
        panels: which of `cpwc_keras.viz.flow_inspector.PANELS`; by default all for which there is something to show.
        index: of the pair that is shown first; by default the one that moves most.
        line: ((x, y), (x, y)) pixels, for the profiles; by default across the middle.
        region: (left, top, right, bottom) pixels that are shown; by default around what is known to move.
        largest: length in `unit` that is fully coloured; by default that of each pair.

    Raises:
        InputError: a file cannot be read, or the arrays do not fit together.
    """
    fields = _fields_of(flow, "flow")
    known = None if truth is None else _fields_of(truth, "truth")
    other = known or fields
    masks = fields.masks if mask is None else _as_sequence(mask, 3)
    if masks is not None and len(masks) == 1 < len(fields):
        masks = np.broadcast_to(masks, fields.flows.shape[:3])
    loop = frames if isinstance(frames, CineLoop) else None
    given = FlowFields(
        fields.flows,
        _first(fields.frames, other.frames) if frames is None else _frames_of(frames),
        masks,
        None if backward is None else _as_sequence(backward, 4),
        None if known is None else known.flows,
        None if known is None else known.masks,
        _first(contours, fields.contours, other.contours),
        spacing_mm or fields.spacing_mm or other.spacing_mm or (loop.spacing_mm if loop else None),
        frame_rate_hz or fields.frame_rate_hz or other.frame_rate_hz or (loop.frame_rate_hz if loop else None),
    )
    return FlowInspector(given, unit, panels, index, line, region, largest)


def _fields_of(source, name: str) -> FlowFields:
    """What a source says of the motion, and of all that comes with it."""
    if isinstance(source, str | Path):
        return _read(Path(source))
    if isinstance(source, Sequence):
        return _of_sequence(source)
    if isinstance(source, FramePair):
        images = np.stack([source.image1, source.image2])
        return FlowFields(source.flow[None], images, source.mask[None], spacing_mm=source.spacing_mm)
    if hasattr(source, "flows") and hasattr(source, "contours"):  # a result of tracking
        if source.flows is None:
            raise InputError("This result holds no dense motion; track with keep_flow=True.")
        return FlowFields(
            source.flows, contours=source.contours, spacing_mm=source.spacing_mm, frame_rate_hz=source.frame_rate_hz
        )
    try:
        flows = np.asarray(source, np.float32)
    except (TypeError, ValueError) as error:
        raise InputError(f"The {name} is {type(source).__name__}; expected {_KINDS}.") from error
    return FlowFields(_as_sequence(flows, 4))


def _read(path: Path) -> FlowFields:
    suffix = path.suffix.lower()
    if suffix in FLOW_SUFFIXES:
        flow, mask = read_flow(path)
        return FlowFields(flow[None], masks=None if mask.all() else mask[None])
    if suffix not in _HDF5:
        raise InputError(f"{path}: found the suffix {suffix!r}; expected one of {', '.join((*FLOW_SUFFIXES, *_HDF5))}.")
    if is_tracked_motion(path):
        motion = read_tracked_motion(path)
        return FlowFields(
            motion.flows,
            contours=motion.contours,
            spacing_mm=motion.spacing_mm,
            frame_rate_hz=motion.frame_rate_hz,
        )
    return _of_sequence(read_sequence(path))


def _of_sequence(sequence: Sequence) -> FlowFields:
    loop = sequence.loop
    if len(loop) < 2:
        raise InputError(f"{loop.source or 'The sequence'}: found one frame, expected two or more to show motion.")
    contours = None
    if sequence.mesh is not None:
        height, width = loop.frames.shape[1:]
        mesh = sequence.mesh
        steps = [dense_flow(mesh[t], mesh[t + 1], (height, width)) for t in range(len(loop) - 1)]
        flows, masks = np.stack([flow for flow, _ in steps]), np.stack([mask for _, mask in steps])
        if loop.sector is not None:  # a wall may reach beyond what is imaged
            masks *= loop.sector
        contours = mesh[:, :, 0]
    else:
        assert sequence.flows is not None and sequence.masks is not None  # a sequence has either of both
        flows, masks = sequence.flows, sequence.masks
    return FlowFields(
        flows, loop.frames, masks, contours=contours, spacing_mm=loop.spacing_mm, frame_rate_hz=loop.frame_rate_hz
    )


def _frames_of(frames) -> np.ndarray:
    frames = frames.frames if isinstance(frames, CineLoop) else np.asarray(frames)
    return frames.astype(np.float32) / 255 if frames.dtype == np.uint8 else frames


def _as_sequence(values, dimensions: int) -> np.ndarray:
    """With a first axis of one pair, where there was none."""
    values = np.asarray(values, np.float32)
    return values[None] if values.ndim == dimensions - 1 else values


def _first(*values: np.ndarray | None) -> np.ndarray | None:
    return next((value for value in values if value is not None), None)
