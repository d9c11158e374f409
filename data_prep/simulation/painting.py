"""Brightness painted around a known motion: frames of an apical view whose tissue moves with the mesh.

What is drawn at end-diastole is carried along: in the wall by the mesh itself, around it by a smooth continuation of
its motion that dies away with distance. The border of the cavity is the mesh's endocardium in every frame. What belongs
to the scan rather than to the heart stands still: depth gain, drop-out, clutter near the probe.
"""

from __future__ import annotations

import cv2
import numpy as np
from scipy.ndimage import gaussian_filter1d

from cpwc_keras.data_prep.simulation.tissue import draw_tissue, polygon, smooth_noise
from cpwc_keras.data_prep.simulation.transducer import ImageGrid
from cpwc_keras.evaluation.strain import cavity_area
from cpwc_keras.fields import fill_triangles
from cpwc_keras.mesh import TRIANGLES

_COARSE = 4  # pixels a side of the grid on which the motion around the wall is continued
_BORDER_MM = 0.9
"""Standard deviation of the blur of the borders between wall, cavity and surroundings."""


def paint(
    mesh: np.ndarray,
    grid: ImageGrid,
    depth_mm: float,
    edges: tuple[float, float],
    view: str,
    rng: np.random.Generator,
) -> np.ndarray:
    """Paint an apical view around a moving mesh.

    Args:
        mesh: (T, 36, 5, 2) pixels; texture is drawn in the first frame.
        grid: of the images.
        depth_mm: range of the sector.
        edges: angles of the sector's left and right edge from the vertical, radians.
        view: "A2C", "A3C", "A4C" or "".
        rng: source of everything random.

    Returns:
        (T, H, W) float32 in [0, 1], 0 outside of the sector.
    """
    tissue = draw_tissue(mesh[0], grid, view, rng)
    gain, clutter = _scan_look(mesh[0], grid, depth_mm, edges, rng)
    blur = [_BORDER_MM / step for step in grid.spacing_mm[::-1]]
    opening = _valve_opening(mesh[:, :, 0], grid.spacing_mm)
    columns, rows = np.meshgrid(*(np.arange(length, dtype=np.float32) for length in grid.shape[::-1]))
    frames = np.empty((len(mesh), *grid.shape), np.float32)
    for frame, now, opened in zip(frames, mesh, opening, strict=True):
        back = motion_back(mesh[0], now, grid)
        source = columns + back[..., 0], rows + back[..., 1]
        wall, blood, around = (
            cv2.remap(picture, *source, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
            for picture in (tissue.wall, tissue.blood, tissue.around)
        )
        outline = np.concatenate([now[:, -1], now[::-1, 0]])
        for picture, border in ((wall, outline), (blood, now[:, 0])):
            share = _soft(polygon(border, grid.shape), blur)
            around += share * (picture - around)
        leaflets = _soft(_leaflets(now, grid, opened), blur)
        around += leaflets * np.maximum(0.45 - around, 0)
        np.clip(around * gain + clutter, 0, 1, out=frame)
    return frames * _sector(grid, depth_mm, edges)


def motion_back(mesh: np.ndarray, now: np.ndarray, grid: ImageGrid) -> np.ndarray:
    """From each pixel of a frame to where its tissue was in the first frame.

    Args:
        mesh: (36, 5, 2) pixels in the first frame.
        now: (36, 5, 2) pixels in the frame.
        grid: of the image.

    Returns:
        (H, W, 2) float32 pixels: exact in the wall, continued around it, towards 0 far from it.
    """
    nodes, back = now.reshape(-1, 2).astype(np.float64), (mesh - now).reshape(-1, 2).astype(np.float64)
    exact, inside = fill_triangles(nodes, back, TRIANGLES, grid.shape)
    coarse_shape = (-(-grid.shape[0] // _COARSE), -(-grid.shape[1] // _COARSE))
    coarse, known = fill_triangles((nodes + 0.5) / _COARSE - 0.5, back, TRIANGLES, coarse_shape)
    total, weight = np.zeros_like(coarse), np.full(coarse_shape, 0.002, np.float32)
    # Close to the wall its nearest part decides, further away the wall as a whole.
    for reach_mm, share in ((2.0, 1.0), (6.0, 0.1), (15.0, 0.03)):
        sigma = [reach_mm / step / _COARSE for step in grid.spacing_mm[::-1]]
        total += share * cv2.GaussianBlur(coarse, (0, 0), *sigma, borderType=cv2.BORDER_CONSTANT)
        weight += share * cv2.GaussianBlur(known, (0, 0), *sigma, borderType=cv2.BORDER_CONSTANT)
    columns, rows = np.meshgrid(*((np.arange(n, dtype=np.float32) + 0.5) / _COARSE - 0.5 for n in grid.shape[::-1]))
    continued = cv2.remap(total / weight[..., None], columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.where(inside[..., None] > 0, exact, continued)


def _soft(mask: np.ndarray, blur: list[float]) -> np.ndarray:
    return cv2.GaussianBlur(mask.astype(np.float32) / 255, (0, 0), *blur)


def _valve_opening(endocardium: np.ndarray, spacing_mm: tuple[float, float]) -> np.ndarray:
    """(T,) how far the mitral valve is open, 0 to 1: it is while the cavity fills."""
    if len(endocardium) < 2:
        return np.zeros(len(endocardium))
    growth = np.diff(cavity_area(endocardium, spacing_mm))
    # Growing both before and after a frame: at end-systole it is still closed.
    filling = np.minimum(np.append(growth, growth[-1]), np.insert(growth, 0, growth[0]))
    return np.clip(gaussian_filter1d(filling, 0.5) / max(0.5 * filling.max(), 1e-6), 0, 1)


def _leaflets(mesh: np.ndarray, grid: ImageGrid, opening: float) -> np.ndarray:
    """(H, W) uint8: the mitral leaflets, from their hinges to where they meet, or apart into the ventricle."""
    septal, lateral = grid.to_mm(mesh[[0, -1], 0]).astype(np.float64)
    apex = grid.to_mm(mesh[17:19, 0]).mean(0)
    middle = septal + 0.58 * (lateral - septal)
    inwards = (apex - middle) / np.linalg.norm(apex - middle)
    width = np.linalg.norm(lateral - septal)
    image = np.zeros(grid.shape, np.uint8)
    thickness = max(round(1.2 / min(grid.spacing_mm)), 1)
    for hinge, length in ((septal, 0.6), (lateral, 0.45)):
        closed = middle + 0.12 * width * inwards
        opened = hinge + 0.25 * (middle - hinge) + length * width * inwards
        tip = closed + opening * (opened - closed)
        belly = (hinge + tip) / 2 + (0.08 * width * inwards if opening < 0.5 else 0)
        s = np.linspace(0, 1, 12)[:, None]
        curve = (1 - s) ** 2 * hinge + 2 * s * (1 - s) * belly + s**2 * tip
        points = np.rint(grid.to_pixels(curve) * 16).astype(np.int32)
        cv2.polylines(image, [points], False, 255, thickness, cv2.LINE_AA, 4)
    return image


def _scan_look(
    mesh, grid: ImageGrid, depth_mm: float, edges, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """What stands still: the gain (H, W) by which brightness is multiplied, and the clutter (H, W) added to it."""
    radius, angle = grid.polar()
    deep = radius / depth_mm
    control = np.clip(1 + rng.normal(0, 0.08, 6), 0.8, 1.2)  # the sliders of the time gain compensation
    gain = np.interp(deep, np.linspace(0, 1, 6), control) * (
        1 - rng.uniform(0.1, 0.5) * np.clip(deep - 0.7, 0, 0.3) / 0.3
    )
    middle = np.arctan2(*grid.to_mm(mesh[24:32]).reshape(-1, 2).mean(0))  # towards the lateral wall
    gain *= 1 - rng.uniform(0, 0.65) * np.exp(-0.5 * ((angle - middle) / np.deg2rad(rng.uniform(3, 7))) ** 2)
    for edge, inwards in zip(edges, (1, -1), strict=True):
        gain *= 1 - rng.uniform(0, 0.5) * np.exp(-np.clip((angle - edge) * inwards, 0, None) / np.deg2rad(5))
    for _ in range(rng.integers(0, 3)):  # shadows of ribs and lung
        at, width, loss = rng.uniform(*edges), np.deg2rad(rng.uniform(1, 3)), rng.uniform(0.1, 0.4)
        gain *= 1 - loss * np.exp(-0.5 * ((angle - at) / width) ** 2)
    near = rng.uniform(0.2, 0.5) * np.exp(-radius / rng.uniform(4, 9)) * (1 + 0.25 * smooth_noise(grid, 2, rng))
    haze = rng.uniform(0.0, 0.06) * np.exp(-0.5 * (deep / 0.35) ** 2)
    return gain.astype(np.float32), np.clip(near + haze, 0, 1).astype(np.float32)


def _sector(grid: ImageGrid, depth_mm: float, edges: tuple[float, float]) -> np.ndarray:
    radius, angle = grid.polar()
    return ((radius <= depth_mm) & (angle >= edges[0]) & (angle <= edges[1])).astype(np.float32)
