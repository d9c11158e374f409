"""Templates from two annotated stills: a beat is drawn between them, and the picture is carried along with the wall."""

from __future__ import annotations

from zlib import crc32

import cv2
import numpy as np
from scipy import ndimage

from cpwc_keras.compiled import njit
from cpwc_keras.data_prep.conversion.recordings import CONTOURS_NOTE
from cpwc_keras.data_prep.simulation.motion import Cycle, MotionSettings, draw_cycle
from cpwc_keras.data_prep.simulation.sector_geometry import Sector, find_sector
from cpwc_keras.data_prep.simulation.template import Template
from cpwc_keras.errors import InputError
from cpwc_keras.fields import pixel_grid
from cpwc_keras.types import Sequence

DRAWN_NOTE = "The motion between end-diastole and end-systole was drawn at random around their contours, not recorded."

_SMOOTHING_MM = 0.6
"""Standard deviation of the Gaussian over a still: about the speckle, which would modulate the simulated one."""

_REACH_MM = 60.0
"""Distance from the wall at which its motion has faded to none."""

_COARSE_MM = 5.0
"""Distance of the points at which the motion around the wall is evaluated; it is far smoother than that."""

_CYCLE = 0  # stream of random numbers


def cycle_of_stills(stills: Sequence, name: str, frames: int, seed: int) -> Cycle:
    """The beat that `template_from_stills` gives these stills, without its pictures.

    Args:
        stills: two frames with their meshes, marked as end-diastolic and end-systolic.
        name: of the template; each name draws its own beat.
        frames: of the beat.
        seed: of what is drawn.

    Raises:
        InputError: an instant is not marked, or has no mesh; there is no spacing.
    """
    source = stills.loop.source or "The recording"
    if stills.loop.ed is None or stills.loop.es is None:
        raise InputError(f"{source}: does not say which frame is end-diastolic and which end-systolic; stills must.")
    if stills.loop.spacing_mm is None:
        raise InputError(f"{source}: the size of its pixels is not known; strain needs it.")
    assert stills.mesh is not None
    mesh_ed, mesh_es = stills.mesh[[stills.loop.ed, stills.loop.es]]
    if not (np.isfinite(mesh_ed).all() and np.isfinite(mesh_es).all()):
        raise InputError(f"{source}: has no mesh at end-diastole or end-systole; stills need both.")
    rng = np.random.default_rng([seed, crc32(name.encode()), _CYCLE])
    return draw_cycle(mesh_ed, mesh_es, stills.loop.spacing_mm, frames, MotionSettings(), rng)


def template_from_stills(stills: Sequence, name: str, frames: int, seed: int) -> Template:
    """A template of a whole beat from an end-diastolic and an end-systolic still with their meshes.

    The mesh is that of `motion.draw_cycle`. In every frame both stills are carried to where the mesh is, by a smooth
    extension of the motion of its nodes, and mixed according to how far the wall is on its way from one to the other;
    the first frame is the end-diastolic still itself. The stills are smoothed a little, since their own speckle would
    modulate the simulated one.

    Args:
        stills: as `cycle_of_stills`.
        name: of the template.
        frames: of the beat.
        seed: of what is drawn.

    Returns:
        a template without source, split and licence.

    Raises:
        InputError: as `cycle_of_stills`, or an image is black, or no sector is found.
    """
    loop = stills.loop
    cycle = cycle_of_stills(stills, name, frames, seed)
    if black := [instant for instant in ("ed", "es") if not loop.frames[getattr(loop, instant)].any()]:
        raise InputError(f"{loop.source}: the image at {black[0].upper()} is black, expected an echo; copy it again.")
    sector = find_sector(loop)
    smoothed: list[np.ndarray] = [_smooth(image, sector) for image in loop.frames]
    # Both instants and the mesh are known: `cycle_of_stills` has asked.
    meshes, images = ([of_frames[index] for index in (loop.ed, loop.es)] for of_frames in (stills.mesh, smoothed))  # type: ignore[index]
    distance = np.linalg.norm(cycle.mesh - cycle.mesh[0], axis=-1).mean((1, 2))
    share = distance / max(distance.max(), 1e-6)
    brightness = np.empty((frames, *sector.grid.shape), np.float32)
    for frame, (mesh, of_es) in enumerate(zip(cycle.mesh, share, strict=True)):
        ed, es = _carried(images, meshes, mesh, sector)
        brightness[frame] = cv2.addWeighted(ed, 1 - of_es, es, of_es, 0)
    brightness *= sector.mask
    return Template(
        frames=np.clip(brightness, 0, 1, out=brightness),
        mesh=cycle.mesh,
        grid=sector.grid,
        depth_mm=sector.depth_mm,
        sector_deg=sector.sector_deg,
        frame_rate_hz=cycle.frame_rate_hz,
        ed=0,
        es=cycle.es,
        view=loop.view,
        patient=loop.patient,
        vendor=stills.vendor,
        notes=(*(note for note in loop.notes if note != CONTOURS_NOTE), DRAWN_NOTE),
    )


def _smooth(image: np.ndarray, sector: Sector) -> np.ndarray:
    """The image, smoothed, and continued beyond the sector, so that nothing black is carried in from there."""
    inside = cv2.erode(sector.mask.astype(np.uint8), np.ones((3, 3), np.uint8), borderType=cv2.BORDER_CONSTANT,
                       borderValue=0)  # fmt: skip
    nearest = ndimage.distance_transform_edt(inside == 0, return_distances=False, return_indices=True)
    row_mm, col_mm = sector.grid.spacing_mm
    return cv2.GaussianBlur(image[tuple(nearest)], (0, 0), _SMOOTHING_MM / col_mm, sigmaY=_SMOOTHING_MM / row_mm)


def _carried(images: list[np.ndarray], origins: list[np.ndarray], mesh: np.ndarray, sector: Sector) -> list[np.ndarray]:
    """Each of the images, seen with its mesh of `origins`, as it looks with `mesh`."""
    height, width = sector.grid.shape
    row_mm, col_mm = sector.grid.spacing_mm
    rows, columns = int(np.ceil(height * row_mm / _COARSE_MM)), int(np.ceil(width * col_mm / _COARSE_MM))
    # The pixels whose values `cv2.resize` spreads over the image.
    x, y = ((np.arange(count) + 0.5) * length / count - 0.5 for count, length in ((columns, width), (rows, height)))
    back = np.concatenate([origin - mesh for origin in origins], -1).reshape(-1, 2 * len(origins))
    coarse = sector.grid.to_mm(np.stack(np.meshgrid(x, y), -1))
    coarse = extend_motion(sector.grid.to_mm(mesh).reshape(-1, 2), back, coarse).astype(np.float32)
    here = pixel_grid(sector.grid.shape)
    return [
        cv2.remap(image, here + cv2.resize(source, (width, height)), None, cv2.INTER_LINEAR,
                  borderMode=cv2.BORDER_REPLICATE)
        for image, source in zip(images, np.split(coarse, len(images), -1), strict=True)
    ]  # fmt: skip


def extend_motion(nodes_mm: np.ndarray, values: np.ndarray, at_mm: np.ndarray) -> np.ndarray:
    """Values (N, C) given at nodes, and 0 at the probe, as a smooth function that fades to 0 at `_REACH_MM` from them.

    Radial basis functions of compact support (Wendland's C2): they take the given values at the nodes exactly.

    Returns:
        (..., C) at the points `at_mm` (..., 2).
    """
    nodes = np.append(nodes_mm, np.zeros((1, 2)), 0).astype(np.float64)
    weights = np.append(values, np.zeros((1, values.shape[1])), 0).astype(np.float64)
    _solve(nodes / _REACH_MM, weights)
    points = np.ascontiguousarray(at_mm, np.float64).reshape(-1, 2)
    return _evaluate(nodes / _REACH_MM, weights, points / _REACH_MM).reshape(*at_mm.shape[:-1], -1)


# Compiled rather than left to BLAS, whose sums depend on its number of threads: the same seed gives the same bytes.


@njit(keep=False)
def _wendland(x, y):
    distance = np.sqrt(x * x + y * y)
    return (1 - distance) ** 4 * (4 * distance + 1) if distance < 1 else 0.0


@njit()
def _solve(nodes, values):
    """Turn values (N, C) at the nodes into weights of their functions, in place, by a Cholesky decomposition."""
    count = len(nodes)
    lower = np.empty((count, count))
    for i in range(count):
        for j in range(i + 1):
            lower[i, j] = _wendland(nodes[i, 0] - nodes[j, 0], nodes[i, 1] - nodes[j, 1])
        lower[i, i] += 1e-11  # two nodes may lie at one place
    for i in range(count):
        for j in range(i + 1):
            rest = lower[i, j]
            for k in range(j):
                rest -= lower[i, k] * lower[j, k]
            lower[i, j] = np.sqrt(rest) if i == j else rest / lower[j, j]
    for c in range(values.shape[1]):
        for i in range(count):
            for k in range(i):
                values[i, c] -= lower[i, k] * values[k, c]
            values[i, c] /= lower[i, i]
        for i in range(count - 1, -1, -1):
            for k in range(i + 1, count):
                values[i, c] -= lower[k, i] * values[k, c]
            values[i, c] /= lower[i, i]


@njit()
def _evaluate(nodes, weights, points):
    """(P, C) at points (P, 2)."""
    values = np.zeros((len(points), weights.shape[1]))
    for p in range(len(points)):
        for n in range(len(nodes)):
            near = _wendland(points[p, 0] - nodes[n, 0], points[p, 1] - nodes[n, 1])
            for c in range(weights.shape[1]):
                values[p, c] += near * weights[n, c]
    return values
