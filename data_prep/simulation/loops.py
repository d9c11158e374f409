"""Templates from loops with a mesh in every frame (paper, II-A.2 and II-A.3)."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from cpwc_keras.data_prep.conversion.recordings import CONTOURS_NOTE
from cpwc_keras.data_prep.simulation.sector_geometry import find_sector
from cpwc_keras.data_prep.simulation.template import Template
from cpwc_keras.errors import InputError
from cpwc_keras.mesh import inverted_triangles
from cpwc_keras.types import Sequence

SMOOTHED_NOTE = "The motion is that of contours drawn frame by frame, smoothed in time, not of tracked tissue."

_SMOOTHING_FRAMES = (1.0, 0.5, 0.0)
"""Standard deviations of the Gaussian over time that are tried, until no triangle is inverted."""


def template_from_contours(sequence: Sequence) -> Template:
    """A template of a sequence whose meshes were made from the contours of each frame; frames stay as they are.

    Contours of neighbouring frames are drawn independently of each other: their meshes tremble by a pixel or so against
    each other, as tissue does not, and by more than it moves in diastasis. So the nodes are smoothed in time by a
    Gaussian of one frame, which takes next to nothing from a motion over tens of frames.

    Returns:
        a template without source, split and licence.

    Raises:
        InputError: a frame has no mesh; there is no spacing, or no sector is found.
    """
    loop, contours = sequence.loop, sequence.mesh
    assert contours is not None
    if broken := np.flatnonzero(~np.isfinite(contours).all((1, 2, 3))).tolist():
        # A recording that was just read says why, frame by frame.
        why = next((note for note in loop.notes if note.startswith(f"The mask of frame {broken[0]} ")), "")
        raise InputError(
            f"{loop.source or 'The recording'}: {len(broken)} of {len(loop)} frames have no mesh, the first of them "
            f"frame {broken[0]}; a template needs one in every frame. {why}".rstrip()
        )
    for sigma in _SMOOTHING_FRAMES:
        mesh = ndimage.gaussian_filter1d(contours, sigma, axis=0, mode="nearest") if sigma else contours
        if not inverted_triangles(mesh).any():
            break
    kept = tuple(note for note in loop.notes if note != CONTOURS_NOTE)
    return _template(sequence, mesh, (*kept, SMOOTHED_NOTE))


def template_from_motion(sequence: Sequence) -> Template:
    """A template of a sequence with a true mesh: frames and mesh stay as they are.

    Returns:
        a template without source, split and licence.

    Raises:
        InputError: the motion is given as dense fields; there is no spacing, or no sector is found.
    """
    if sequence.mesh is None:
        raise InputError(f"{sequence.loop.source}: its motion is given as dense fields; a template needs a mesh.")
    return _template(sequence, sequence.mesh, sequence.loop.notes)


def _template(sequence: Sequence, mesh: np.ndarray, notes: tuple[str, ...]) -> Template:
    loop, sector = sequence.loop, find_sector(sequence.loop)
    return Template(
        frames=loop.frames,
        mesh=mesh,
        grid=sector.grid,
        depth_mm=sector.depth_mm,
        sector_deg=sector.sector_deg,
        frame_rate_hz=loop.frame_rate_hz,
        ed=loop.ed,
        es=loop.es,
        view=loop.view,
        patient=loop.patient,
        vendor=sequence.vendor,
        notes=notes,
    )
