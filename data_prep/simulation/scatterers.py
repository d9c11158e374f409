"""Scatterers: a still background and a myocardium that moves with its mesh and keeps its texture (paper, II-A.1).

Every scatterer has a coefficient drawn from N(0, 1), which the template's brightness at its place turns into an
amplitude. Background scatterers stay where they are and take the brightness of each frame. Myocardial scatterers are
drawn in the mesh of the first frame, keep the brightness found there, and are carried by their cell.

The wall goes on beyond the mitral annulus for a while (see `annulus`): tissue does not stand still where the mesh ends.

Both populations share the border of the wall: a myocardial scatterer has the weight w of its place in the mesh (0 on
the border, 1 inside the wall), a background scatterer within the mesh sqrt(1 - w²), so that the expected power is that
of one population everywhere, after the scheme of ref. [25].
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import cv2
import numpy as np

from cpwc_keras.data_prep.simulation.annulus import continued_beyond_annulus
from cpwc_keras.data_prep.simulation.display import Display
from cpwc_keras.data_prep.simulation.memory import available_memory
from cpwc_keras.data_prep.simulation.surroundings import surrounding_motion
from cpwc_keras.data_prep.simulation.template import Template
from cpwc_keras.data_prep.simulation.template_check import check_template
from cpwc_keras.data_prep.simulation.transducer import DENSITY, ImageGrid, SectorScan
from cpwc_keras.data_prep.simulation.wall_kernels import CELL, bilinear, carry, fade, mesh_weight
from cpwc_keras.errors import InputError
from cpwc_keras.mesh import mesh_triangles

_BYTES_EACH = 200
"""Memory a scatterer needs while a frame is made, the engine's own copies included, generously."""

_EDGE_PIXELS = 3

_BEYOND_MM, _BEYOND_DEG = 15.0, 10.0
"""So far beyond the sector surroundings that move are filled with scatterers, or they would leave gaps at its edges."""

"""How far within the sector's edge brightness is taken for wall that lies beyond it."""

# Streams of random numbers, so that switching one option on leaves all other draws as they were.
_BACKGROUND, _MYOCARDIUM, _BLOOD, _REPLACED, _DECORRELATED = range(5)


@dataclass(frozen=True)
class ScattererSettings:
    """How many scatterers there are and what their speckle does in time. The default is the paper's but for
    `annulus_mm`.

    Attributes:
        density: scatterers per square wavelength; with fewer, each reflects the more.
        border: fraction of the wall, from the endocardium and from the epicardium, over which the myocardium blends
            into the background.
        decorrelation: how much of the correlation of the myocardial coefficients is lost from one frame to the next.
        replacement: fraction of the myocardial scatterers that leave the image plane, and are replaced by others
            elsewhere in the wall, from one frame to the next.
        blood_decorrelation: as `decorrelation`, of the still scatterers in the cavity; 1: new blood in every frame.
        annulus_mm: how far beyond the base the wall goes on and moves with the annulus; 0, the paper's: not at all.
        surroundings: "still", the paper's: the background takes each frame's brightness; or "moving": it goes along
            with the wall (see `surroundings`) and keeps the first frame's.

    Raises:
        InputError: a value out of its range.
    """

    density: float = DENSITY
    border: float = 0.15
    decorrelation: float = 0.0
    replacement: float = 0.0
    blood_decorrelation: float = 0.0
    annulus_mm: float = 20.0
    surroundings: str = "still"

    def __post_init__(self):
        for name, low, high in (
            ("density", 0.1, 1000.0),
            ("border", 0.01, 0.5),
            ("decorrelation", 0.0, 1.0),
            ("replacement", 0.0, 1.0),
            ("blood_decorrelation", 0.0, 1.0),
            ("annulus_mm", 0.0, 40.0),
        ):
            value = getattr(self, name)
            if not low <= value <= high:  # NaN fails too
                raise InputError(f"{name} of the scatterers is {value}; expected {low:g} to {high:g}.")
        if self.surroundings not in ("still", "moving"):
            raise InputError(f"The scatterers' surroundings are {self.surroundings!r}; expected 'still' or 'moving'.")


class Medium:
    """All scatterers of a sequence. A pure function of its arguments.

    Args:
        template: brightness and motion.
        scan: its sector.
        wavelength_mm: at the probe's centre frequency.
        display: turns brightness into the scatterers' amplitude.
        settings: density and behaviour in time.
        seed: entropy of everything random, as `numpy.random.default_rng` takes it.
        memory: bytes that may be used. None: what the system has left.

    Raises:
        InputError: the template cannot be simulated, or there are more scatterers than memory allows.
    """

    def __init__(
        self,
        template: Template,
        scan: SectorScan,
        wavelength_mm: float,
        display: Display,
        settings: ScattererSettings,
        seed: list[int],
        memory: int | None = None,
    ):
        check_template(template, scan)
        self._template, self._scan, self._display, self._settings, self._seed = template, scan, display, settings, seed
        per_mm2 = settings.density / wavelength_mm**2
        mesh_mm = continued_beyond_annulus(template.grid.to_mm(template.mesh.astype(np.float64)), settings.annulus_mm)
        self._triangles = mesh_triangles(mesh_mm.shape[1])
        moving = settings.surroundings == "moving"
        self._filled = _wider(scan) if moving else scan
        self.surroundings = surrounding_motion(mesh_mm, self._filled) if moving else None
        mesh_mm = mesh_mm.reshape(len(mesh_mm), -1, 2)
        areas = np.abs(_doubled_areas(mesh_mm[0], self._triangles)) / 2
        count, wall_count = int(per_mm2 * self._filled.area_mm2), int(per_mm2 * areas.sum())
        _require_memory(count + wall_count, available_memory() if memory is None else memory)

        self._still_count, self._wall_count = count, wall_count
        self._nodes = np.ascontiguousarray(mesh_mm)
        self._chance = np.cumsum(areas) / areas.sum()

    def frames(self, first: int = 0) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """The scatterers of each frame, from frame `first` on.

        Yields:
            points_mm: (N, 2) float32 (x, z), those within the sector that reflect anything.
            amplitude: (N,) float32.
        """
        self._draw()
        for index in range(len(self._template.frames)):
            if index:
                self._age(index)
            if index >= first:
                yield self._frame(index)

    def _draw(self) -> None:
        """The scatterers of the first frame."""
        rng = self._rng(_BACKGROUND)
        still = self._filled.draw_points(self._still_count, rng)
        self._still_px, order, self._cells = _sorted_by_cell(self._template.grid.to_pixels(still), self._template.grid)
        self._still = still[order]
        self._still_coefficient = rng.standard_normal(self._still_count, np.float32)
        seen = self._in_view(self._still_px) if self.surroundings else self._still_px
        self._first_brightness = bilinear(np.asarray(self._template.frames[0], np.float32), seen)
        rng = self._rng(_MYOCARDIUM)
        self._triangle, self._barycentric = self._draw_in_mesh(self._wall_count, rng)
        self._wall_coefficient = rng.standard_normal(self._wall_count, np.float32)
        self._wall_scale = self._amplitude_in_mesh(self._triangle, self._barycentric)

    def _frame(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        places, around, places_px, cells = self._around(index)
        nodes_px = self._template.grid.to_pixels(self._nodes[index])
        fade(around, places_px, *cells, nodes_px, self._triangles, self._settings.border)
        wall = carry(self._nodes[index], self._triangles, self._triangle, self._barycentric)
        points = np.concatenate([places, wall])
        amplitude = np.concatenate([around, self._wall_scale * self._wall_coefficient])
        seen = amplitude != 0
        first = 0 if self.surroundings else len(around)  # what stands still was drawn within the sector
        seen[first:] &= self._scan.holds(points[first:])
        return points[seen], amplitude[seen]

    def _around(self, index: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, tuple]:
        """The background in a frame: places (mm), amplitudes, places (px), and where they lie among the cells."""
        grid = self._template.grid
        if self.surroundings is None:
            brightness = bilinear(np.asarray(self._template.frames[index], np.float32), self._still_px)
            return self._still, self._amplitude_of(brightness) * self._still_coefficient, self._still_px, self._cells
        places = self.surroundings.moved(self._still, index).astype(np.float32)
        amplitude = self._amplitude_of(self._first_brightness) * self._still_coefficient
        places_px, order, cells = _sorted_by_cell(grid.to_pixels(places), grid)
        return places[order], amplitude[order], places_px, cells

    def _age(self, index: int) -> None:
        """What changes from the frame before to frame `index`; nothing, with the default settings."""
        settings = self._settings
        if settings.blood_decorrelation:
            # The first frame's endocardium would not do: the wall sweeps over the cavity's border.
            inside = _in_cavity(self._template.mesh[index], self._places_px(index), self._template.grid.shape)
            fresh = self._rng(_BLOOD, index).standard_normal(len(self._still), np.float32)
            older = self._still_coefficient
            self._still_coefficient = np.where(inside, _mix(older, fresh, settings.blood_decorrelation), older)
        if settings.decorrelation:
            fresh = self._rng(_DECORRELATED, index).standard_normal(len(self._triangle), np.float32)
            self._wall_coefficient = _mix(self._wall_coefficient, fresh, settings.decorrelation)
        if settings.replacement:
            rng = self._rng(_REPLACED, index)
            gone = np.flatnonzero(rng.random(len(self._triangle), np.float32) < settings.replacement)
            self._triangle[gone], self._barycentric[gone] = self._draw_in_mesh(len(gone), rng)
            self._wall_coefficient[gone] = rng.standard_normal(len(gone), np.float32)
            self._wall_scale[gone] = self._amplitude_in_mesh(self._triangle[gone], self._barycentric[gone])

    def _places_px(self, index: int) -> np.ndarray:
        """Of the background in a frame, in the order of its coefficients."""
        if self.surroundings is None:
            return self._still_px
        return self._template.grid.to_pixels(self.surroundings.moved(self._still, index))

    def _rng(self, stream: int, index: int = 0) -> np.random.Generator:
        return np.random.default_rng([*self._seed, stream, index])

    def _draw_in_mesh(self, count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Uniform in the first frame's mesh: triangle (N,) int32 and barycentric weights (N, 3) float32."""
        triangle = np.searchsorted(self._chance, rng.random(count), side="right").astype(np.int32)
        side, rest = np.sqrt(rng.random(count)), rng.random(count)
        weights = np.stack([1 - side, side * (1 - rest), side * rest], -1)
        return np.minimum(triangle, len(self._triangles) - 1), weights.astype(np.float32)

    def _amplitude_in_mesh(self, triangle: np.ndarray, barycentric: np.ndarray) -> np.ndarray:
        """What a unit coefficient there amounts to: the first frame's reflectivity times the weight w."""
        nodes = self._template.grid.to_pixels(self._nodes[0])
        places = self._in_view(carry(nodes, self._triangles, triangle, barycentric))
        brightness = bilinear(np.asarray(self._template.frames[0], np.float32), places)
        weight = mesh_weight(self._triangles, triangle, barycentric, self._settings.border)
        return self._amplitude_of(brightness) * weight

    def _in_view(self, points_px: np.ndarray) -> np.ndarray:
        """The same points (N, 2) float32, those out of the sector brought to its nearest border.

        Wall that is out of sight in the first frame and comes into view later is as bright as the wall beside it.
        """
        grid, margin = self._template.grid, _EDGE_PIXELS * max(self._template.grid.spacing_mm)
        x, z = grid.to_mm(points_px).T
        radius = np.clip(np.hypot(x, z), margin, self._scan.depth_mm - margin)
        half = np.maximum(np.deg2rad(self._scan.sector_deg) / 2 - margin / radius, 0)
        angle = np.clip(np.arctan2(x, z), -half, half)
        seen = grid.to_pixels(np.stack([radius * np.sin(angle), radius * np.cos(angle)], -1))
        return np.where(self._scan.holds(np.stack([x, z], -1))[:, None], points_px, seen).astype(np.float32)

    def _amplitude_of(self, brightness: np.ndarray) -> np.ndarray:
        """Standard deviation of the amplitudes, (N,) float32: one that does not depend on the density on the screen."""
        return self._display.reflectivity(brightness) * np.float32(np.sqrt(DENSITY / self._settings.density))


def _wider(scan: SectorScan) -> SectorScan:
    """The sector with what may move into it."""
    depth, sector = scan.depth_mm + _BEYOND_MM, scan.sector_deg + 2 * _BEYOND_DEG
    return replace(scan, depth_mm=min(depth, 300.0), sector_deg=min(sector, 150.0))


def _require_memory(count: int, memory: int) -> None:
    if count * _BYTES_EACH > memory:
        raise InputError(
            f"{count:,} scatterers need about {count * _BYTES_EACH / 2**30:,.1f} GiB of memory; about "
            f"{memory // _BYTES_EACH:,} fit; lower the density, the depth or the frequency, or use fewer workers."
        )


def _mix(old: np.ndarray, fresh: np.ndarray, loss: float) -> np.ndarray:
    """One step of an AR(1) process of unit variance with correlation 1 - loss."""
    keep = 1 - loss
    return np.float32(keep) * old + np.float32(np.sqrt(1 - keep**2)) * fresh


def _doubled_areas(nodes: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    corner = nodes[triangles]
    one, other = corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]
    return one[:, 0] * other[:, 1] - one[:, 1] * other[:, 0]


def _sorted_by_cell(points_px: np.ndarray, grid: ImageGrid) -> tuple[np.ndarray, np.ndarray, tuple]:
    """Points sorted by squares of `CELL` pixels, their order, and where each square of the image begins."""
    rows, columns = (length // CELL + 1 for length in grid.shape)
    column, row = np.clip(points_px // CELL, 0, [columns - 1, rows - 1]).astype(np.int32).T
    cell = row * columns + column
    order = np.argsort(cell, kind="stable")
    begin = np.searchsorted(cell[order], np.arange(rows * columns + 1)).astype(np.int32)
    return np.ascontiguousarray(points_px[order], np.float32), order, (begin, rows, columns)


def _in_cavity(mesh: np.ndarray, points_px: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Which points lie within the endocardium, closed at the base, to half a pixel."""
    mask = np.zeros(shape, np.uint8)
    cv2.fillPoly(mask, [np.rint(mesh[:, 0]).astype(np.int32)], 1)
    column, row = np.clip(np.rint(points_px), 0, [shape[1] - 1, shape[0] - 1]).astype(np.int32).T
    return mask[row, column] > 0
