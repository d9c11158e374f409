"""What an apical view shows besides motion: the echogenicity of the wall, of the blood and of all that lies around.

Three pictures at end-diastole, each of which covers the whole image, so that the border between them can be drawn
where the mesh is: the myocardium, the blood in the cavity, and the surroundings. They are brightness as on the screen,
without speckle, which the simulation adds.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from scipy.ndimage import distance_transform_edt

from cpwc_keras.data_prep.simulation.transducer import ImageGrid
from cpwc_keras.fields import fill_triangles
from cpwc_keras.mesh import TRIANGLES
from cpwc_keras.types import MESH_SHAPE


@dataclass(frozen=True, eq=False)
class Tissue:
    """Brightness at end-diastole, (H, W) float32 each.

    Attributes:
        wall: myocardium.
        blood: the cavity, with trabeculae and papillary muscles along its border.
        around: everything else: right heart, atria, pericardium, lungs.
    """

    wall: np.ndarray
    blood: np.ndarray
    around: np.ndarray


def draw_tissue(mesh: np.ndarray, grid: ImageGrid, view: str, rng: np.random.Generator) -> Tissue:
    """Draw the echogenicity around and within a left ventricle.

    Args:
        mesh: (36, 5, 2) pixels, at end-diastole.
        grid: of the image.
        view: "A4C" has a right heart beside the septum; other views have soft tissue there.
        rng: source of everything random.
    """
    frame = _Frame(mesh, grid)
    # Scanners and patients differ most in how dark blood comes out.
    blood = np.exp(rng.uniform(np.log(0.03), np.log(0.16))) * np.exp(
        0.25 * smooth_noise(grid, 12, rng) + 0.2 * smooth_noise(grid, 2, rng)
    )
    return Tissue(
        _wall(frame, mesh, grid, rng), _cavity(frame, mesh, grid, blood, rng), _around(frame, grid, view, blood, rng)
    )


def smooth_noise(grid: ImageGrid, scale_mm: float, rng: np.random.Generator) -> np.ndarray:
    """(H, W) float32 of about unit variance that changes over `scale_mm`."""
    coarse = [
        max(int(np.ceil(length * step / scale_mm)), 2) for length, step in zip(grid.shape, grid.spacing_mm, strict=True)
    ]
    noise = rng.standard_normal(coarse).astype(np.float32)
    return cv2.resize(noise, grid.shape[::-1], interpolation=cv2.INTER_CUBIC) * np.float32(1.3)


class _Frame:
    """Where each pixel lies before the left ventricle, (H, W) mm each.

    Attributes:
        axis: (2,) unit vector (x, z) from the apex to the middle of the base.
        length: from the epicardial apex to the base, mm.
        base_width: of the mitral annulus, mm.
        along: from the apex (0) to the base (`length`) and beyond.
        across: from the long axis, towards the lateral wall.
        from_epi: distance from the epicardium, 0 inside.
        from_endo: distance from the endocardium, 0 outside of the cavity.
    """

    def __init__(self, mesh: np.ndarray, grid: ImageGrid):
        mesh_mm = grid.to_mm(mesh)
        apex = mesh_mm[MESH_SHAPE[0] // 2 - 1 : MESH_SHAPE[0] // 2 + 1, -1].mean(0)
        septal, lateral = mesh_mm[0, 0], mesh_mm[-1, 0]
        self.base_width = float(np.linalg.norm(lateral - septal))
        axis = (septal + lateral) / 2 - apex
        self.length = float(np.linalg.norm(axis))
        self.axis = axis / self.length
        side = np.array([-self.axis[1], self.axis[0]])
        side *= np.sign(side @ (lateral - septal)) or 1
        offset = _pixels_mm(grid) - apex
        self.along, self.across = offset @ self.axis, offset @ side
        heart = polygon(mesh[:, -1], grid.shape) > 127
        cavity = polygon(mesh[:, 0], grid.shape) > 127
        self.from_epi = distance_transform_edt(~heart, sampling=grid.spacing_mm)
        self.from_endo = distance_transform_edt(cavity, sampling=grid.spacing_mm)


def polygon(curve: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """(H, W) uint8: 255 within the closed curve (N, 2), pixels on its border in part."""
    image = np.zeros(shape, np.uint8)
    points = np.rint(np.asarray(curve, np.float64) * 16).astype(np.int32)
    return cv2.fillPoly(image, [points], 255, lineType=cv2.LINE_AA, shift=4)


def _wall(frame: _Frame, mesh: np.ndarray, grid: ImageGrid, rng: np.random.Generator) -> np.ndarray:
    uneven = 0.2 * smooth_noise(grid, 15, rng) + 0.2 * smooth_noise(grid, 5, rng) + 0.15 * smooth_noise(grid, 2, rng)
    # The septum is mostly the brighter wall, and the base brighter than the apex.
    septal = rng.uniform(0.0, 0.25) * _step(-frame.across / 15)
    basal = rng.uniform(-0.1, 0.4) * np.clip(frame.along / frame.length - 0.4, 0, 1)
    layer = np.broadcast_to(np.arange(MESH_SHAPE[1], dtype=float), MESH_SHAPE).reshape(-1)
    depth, inside = fill_triangles(mesh.reshape(-1, 2), np.stack([layer, layer], -1), TRIANGLES, grid.shape)
    border = inside * (0.15 * np.exp(-depth[..., 0] / 0.7) + 0.2 * np.exp((depth[..., 0] - 4) / 0.7))
    level = rng.uniform(0.3, 0.5) * (1 + septal + basal + border)
    return np.clip(level * np.exp(uneven), 0.03, 0.95).astype(np.float32)


def _cavity(
    frame: _Frame, mesh: np.ndarray, grid: ImageGrid, blood: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    # Trabeculae, most of them near the apex.
    apical = 0.3 + 0.7 * np.clip(1 - frame.along / frame.length, 0, 1)
    rough = np.clip(0.4 + 0.7 * smooth_noise(grid, 5, rng), 0, 1.6)
    picture = blood + 0.3 * apical * rough * np.exp(-frame.from_endo / rng.uniform(1.0, 3.0))
    # Papillary muscles stand before the lateral wall, and now and then before the septum.
    for row, chance in ((rng.integers(22, 28), 0.7), (rng.integers(9, 14), 0.25)):
        wall, inwards = grid.to_mm(mesh[row, 0]), grid.to_mm(mesh[row, 0]) - grid.to_mm(mesh[row, -1])
        centre = wall + rng.uniform(2, 5) * inwards / np.linalg.norm(inwards)
        muscle = _blob(grid, centre, frame.axis, rng.uniform(5, 9), rng.uniform(2, 4))
        picture += (rng.random() < chance) * rng.uniform(0.1, 0.3) * muscle * np.clip(rough + 0.4, 0, 1.2)
    return np.clip(picture, 0, 0.8).astype(np.float32)


def _blob(grid: ImageGrid, centre: np.ndarray, axis: np.ndarray, along: float, across: float) -> np.ndarray:
    """(H, W) a soft ellipse with these half axes in mm."""
    offset = _pixels_mm(grid) - centre
    value = (offset @ axis / along) ** 2 + (offset @ np.array([-axis[1], axis[0]]) / across) ** 2
    return np.exp(-(value**1.5))


def _around(frame: _Frame, grid: ImageGrid, view: str, blood: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    u = frame.along / frame.length
    grain = np.exp(0.2 * smooth_noise(grid, 6, rng) + 0.15 * smooth_noise(grid, 2, rng))
    bend = 3 * smooth_noise(grid, 30, rng)  # mm by which the outlines of the chambers deviate from plain curves
    patchy = np.clip(0.75 + 0.4 * smooth_noise(grid, 14, rng), 0.1, 1.3)  # walls are seen in some places only

    # Lung and mediastinum: brighter far from the probe than beside it.
    picture = rng.uniform(0.12, 0.3) * np.exp(0.45 * smooth_noise(grid, 28, rng)) * (0.75 + 0.4 * np.clip(u, 0, 1.5))
    # Pericardium along the free wall, and the band of echoes it casts behind itself, brightest at the base.
    free = _step((frame.across + 5) / 8) if view == "A4C" else np.ones(grid.shape)
    free = free * _step((1.25 - u) / 0.2) * (0.35 + 0.65 * _step((u - 0.45) / 0.35))
    thick, wide = rng.uniform(1.5, 3.0), rng.uniform(6, 16)
    line = np.exp(-0.5 * ((frame.from_epi - thick) / thick) ** 2)
    picture += free * patchy * (rng.uniform(0.2, 0.5) * line + rng.uniform(0.1, 0.35) * np.exp(-frame.from_epi / wide))

    # The left atrium below the valve; behind it, what blood lets through comes back bright.
    radius = frame.base_width * rng.uniform(0.5, 0.65), rng.uniform(18, 26)
    centre = rng.uniform(-3, 3), frame.length + radius[1] * rng.uniform(0.75, 0.95)
    behind = np.exp(-0.5 * ((frame.along - centre[1] - radius[1] - 9 + bend) / 7) ** 2)
    picture += rng.uniform(0.05, 0.4) * patchy * behind * _step(1.6 - np.abs(frame.across + 15) / 40)
    if view == "A4C":
        picture = _right_heart(picture, frame, bend, patchy, blood, rng)
    picture = _chamber(picture, frame.across - centre[0], frame.along - centre[1], radius, bend, patchy, blood)
    # Nothing but blood stands between the atrium and the valve.
    inflow = _step((0.5 * frame.base_width - 1 - np.abs(frame.across)) / 1.5)
    inflow = inflow * _step((0.5 * radius[1] - np.abs(frame.along - frame.length)) / 2)
    picture += inflow * (blood - picture)
    return np.clip(picture * grain, 0.01, 0.95).astype(np.float32)


def _right_heart(
    picture: np.ndarray, frame: _Frame, bend: np.ndarray, patchy: np.ndarray, blood: np.ndarray, rng
) -> np.ndarray:
    """Right ventricle and atrium beside the septum."""
    u = frame.along / frame.length
    tip, valve = rng.uniform(0.1, 0.3), rng.uniform(0.9, 0.97)
    width = rng.uniform(20, 32) * np.clip((u - tip) / (valve - tip), 0, 1) ** rng.uniform(0.5, 0.9) + bend
    beside = _step((-frame.across - 4) / 4)
    wall = beside * np.exp(-0.5 * ((frame.from_epi - width - 3) / 2.5) ** 2)
    cast = beside * np.exp(-np.clip(frame.from_epi - width, 0, None) / 8) * _step((frame.from_epi - width) / 2)
    above = _step((u - tip) / 0.1) * _step((1.1 - u) / 0.1)
    picture = picture + above * patchy * (rng.uniform(0.1, 0.35) * wall + rng.uniform(0.0, 0.3) * cast)
    within = beside * _step((width - frame.from_epi) / 2) * _step((u - tip) / 0.04)
    within = within * (1 - 0.6 * patchy * np.exp(-0.5 * ((u - valve - 0.002 * frame.across) / 0.012) ** 2))
    picture = picture + within * _step((1.05 - u) / 0.05) * (blood - picture)
    # Trabeculae and the moderator band.
    band = np.exp(-0.5 * ((u - tip - 0.22 - 0.004 * frame.across) / 0.025) ** 2)
    picture += (
        within
        * _step((valve - u) / 0.02)
        * (0.15 * patchy * band + 0.05 * np.clip(bend, 0, 6) * _step((0.6 - u) / 0.2))
    )
    radius = rng.uniform(14, 19), rng.uniform(16, 22)
    centre = -frame.base_width / 2 - radius[0] - rng.uniform(4, 8), valve * frame.length + radius[1] * 0.9
    return _chamber(picture, frame.across - centre[0], frame.along - centre[1], radius, bend, patchy, blood)


def _chamber(picture, x, z, radius: tuple[float, float], bend, patchy, blood) -> np.ndarray:
    """An atrium: an ellipse of blood with half axes `radius` mm at (x, z) = 0, within a wall that is seen in places."""
    distance = (np.hypot(x / radius[0], z / radius[1]) - 1) * min(radius) + bend / 2
    picture = picture + 0.3 * patchy * np.exp(-0.5 * ((distance - 2.5) / 2.0) ** 2)
    return picture + _step(-distance / 2) * (blood - picture)


def _pixels_mm(grid: ImageGrid) -> np.ndarray:
    """(H, W, 2) mm: where the pixels lie before the probe."""
    return grid.to_mm(np.stack(np.meshgrid(*(np.arange(length) for length in grid.shape[::-1])), -1))


def _step(x: np.ndarray) -> np.ndarray:
    """0 below -1, 1 above 1, smooth between."""
    x = np.clip(0.5 + 0.5 * x, 0, 1)
    return x * x * (3 - 2 * x)
