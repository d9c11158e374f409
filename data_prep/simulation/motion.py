"""A whole beat from two instants: how the wall of a still picture moves between end-diastole and end-systole.

The paper's templates have every frame annotated and bring their own motion; CAMUS' public stills do not. Between them
the wall follows a physiological time course (isovolumic contraction, ejection, isovolumic relaxation, early filling,
diastasis, atrial kick), after the mitral annulus' displacement as textbooks draw it; its times are drawn around those
of a resting adult. The amplitude, regional disease, delays between regions and sliding along the wall are drawn too,
so that the strain covers what the paper's simulations do (Fig. 5).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.interpolate import PchipInterpolator

from cpwc_keras.evaluation.strain import longitudinal_strain
from cpwc_keras.mesh import inverted_triangles
from cpwc_keras.types import MESH_SHAPE

_APEX = (MESH_SHAPE[0] - 1) / 2

_ATTEMPTS = ((1.0, 1.6), (0.7, 1.6), (0.4, 1.3), (0.2, 1.0), (0.0, 0.7), (0.0, 0.35), (0.0, 0.0))
"""How strong disease, delays and sliding are, and how much of the stills' own change is used at the most, in turn."""

_INWARDS = 0.8
"""How much the endocardium narrows in a plain contraction, for the same fraction of shortening."""


@dataclass(frozen=True)
class MotionSettings:
    """What is drawn at random, and within which bounds.

    Attributes:
        gls_percent: mean and standard deviation of the peak strain of a beat without regional disease.
        gls_bounds: lowest and highest of these.
        heart_rate_bpm: bounds.
        disease: probability that a part of the wall moves less than the rest.
        disease_motion: bounds of how much of its shortening such a part has left: 0 is akinetic, below 0 it stretches.
        dyssynchrony: probability that parts of the wall reach end-systole at different times.
        largest_delay: of those parts, as a fraction of the beat.
        sliding: bounds of how far tissue slides along the wall against the outline, in thirty-fifths of its length
            (some 5 mm) at the most.
    """

    gls_percent: tuple[float, float] = (-20.0, 4.0)
    gls_bounds: tuple[float, float] = (-28.0, -8.0)
    heart_rate_bpm: tuple[float, float] = (55.0, 90.0)
    disease: float = 0.35
    disease_motion: tuple[float, float] = (-0.1, 0.6)
    dyssynchrony: float = 0.3
    largest_delay: float = 0.06
    sliding: tuple[float, float] = (0.0, 0.4)


@dataclass(frozen=True, eq=False)
class Cycle:
    """One beat.

    Attributes:
        mesh: (T, 36, 5, 2) float32 pixels; frame 0 is end-diastole, and frame 0 follows on the last one.
        es: frame of the shortest endocardium.
        frame_rate_hz: frames a second.
    """

    mesh: np.ndarray
    es: int
    frame_rate_hz: float


def draw_cycle(
    mesh_ed: np.ndarray,
    mesh_es: np.ndarray,
    spacing_mm: tuple[float, float],
    frames: int,
    settings: MotionSettings,
    rng: np.random.Generator,
) -> Cycle:
    """Draw a beat whose first frame is `mesh_ed` and whose change of shape is that towards `mesh_es`.

    The change is scaled, up to 1.6 times, so that the endocardium's peak strain is the drawn one; what is still missing
    then (stills of a ventricle that hardly moves) is added as a plain contraction: the base towards the apex, the
    inner wall inwards. Where a triangle would be inverted, what is drawn at random is weakened and more is left to the
    contraction.

    Args:
        mesh_ed: (36, 5, 2) pixels.
        mesh_es: (36, 5, 2) pixels.
        spacing_mm: (row_mm, col_mm).
        frames: of the beat.
        settings: bounds.
        rng: source of everything random.

    Returns:
        a beat without inverted triangles.
    """
    mesh_ed, mesh_es = np.asarray(mesh_ed, np.float64), np.asarray(mesh_es, np.float64)
    wanted = np.clip(rng.normal(*settings.gls_percent), *settings.gls_bounds)
    beat_s = 60 / rng.uniform(*settings.heart_rate_bpm)
    course = _draw_time_course(beat_s, rng)
    left = _draw_disease(settings, rng)
    delay = _draw_delay(settings, rng)
    slide = _draw_sliding(settings, rng)

    for strength, largest_gain in _ATTEMPTS:
        change = _change(mesh_ed, _slid(mesh_es, strength * slide), wanted, largest_gain, spacing_mm)
        change = _regional(change, 1 - strength * (1 - left))
        mesh = mesh_ed + _activation(course, strength * delay, frames)[:, :, None, None] * change
        if not inverted_triangles(mesh).any():
            break
    else:
        mesh = np.repeat(mesh_ed[None], frames, 0)
    strain = longitudinal_strain(mesh[:, :, 0], spacing_mm)
    return Cycle(mesh.astype(np.float32), int(strain.argmin()), frames / beat_s)


def _draw_time_course(beat_s: float, rng: np.random.Generator) -> tuple[PchipInterpolator, float]:
    """How far the wall is on its way to end-systole at each fraction of the beat, and when it gets there."""
    end_systole = np.clip(rng.normal(0.33, 0.02) / beat_s, 0.28, 0.5)
    relaxed = end_systole + rng.uniform(0.05, 0.08)
    filled = relaxed + rng.uniform(0.12, 0.18)
    kick = np.clip(1 - rng.uniform(0.12, 0.17) / beat_s, filled + 0.03, 0.92)
    rest = rng.uniform(0.15, 0.4)  # what early filling leaves to the atrial kick
    times = [0, 0.04, end_systole, relaxed, filled, kick, 1]
    return PchipInterpolator(times, [0, 0.03, 1, 0.95, rest, 0.9 * rest, 0]), float(end_systole)


def _draw_disease(settings: MotionSettings, rng: np.random.Generator) -> np.ndarray:
    """(36,) how much of its shortening each part of the wall has left."""
    left = np.ones(MESH_SHAPE[0])
    if rng.random() < settings.disease:
        centre, width = rng.uniform(0, MESH_SHAPE[0] - 1), rng.uniform(0.08, 0.2) * MESH_SHAPE[0]
        bump = np.exp(-0.5 * ((np.arange(MESH_SHAPE[0]) - centre) / width) ** 4)  # flat in its middle
        left -= (1 - rng.uniform(*settings.disease_motion)) * bump
    return left


def _draw_delay(settings: MotionSettings, rng: np.random.Generator) -> np.ndarray:
    """(36,) by which fraction of the beat each part of the wall is late."""
    if rng.random() >= settings.dyssynchrony:
        return np.zeros(MESH_SHAPE[0])
    along = np.linspace(0, 1, MESH_SHAPE[0])
    shape = rng.normal() * np.cos(np.pi * along) + rng.normal() * np.cos(2 * np.pi * along)
    return shape / np.abs(shape).max() * rng.uniform(0, settings.largest_delay)


def _draw_sliding(settings: MotionSettings, rng: np.random.Generator) -> np.ndarray:
    """(36,) by how many places along the wall tissue slides until end-systole; none at the base."""
    along = np.linspace(0, np.pi, MESH_SHAPE[0])
    shape = rng.normal() * np.sin(along) + rng.normal() * np.sin(2 * along) + 0.5 * rng.normal() * np.sin(3 * along)
    return shape / np.abs(shape).max() * rng.uniform(*settings.sliding)


def _slid(mesh: np.ndarray, places: np.ndarray) -> np.ndarray:
    """The mesh with its rows moved along the wall."""
    row = np.arange(MESH_SHAPE[0])
    at = np.clip(row + places, 0, row[-1])
    return PchipInterpolator(row, mesh)(at)


def _change(mesh_ed, mesh_es, wanted: float, largest_gain: float, spacing_mm) -> np.ndarray:
    """(36, 5, 2) pixels: the way to end-systole by which the endocardium's strain becomes the wanted one."""
    own = mesh_es - mesh_ed

    def strain(mesh: np.ndarray) -> float:
        return float(longitudinal_strain(np.stack([mesh_ed[:, 0], mesh[:, 0]]), spacing_mm)[1])

    gain = _least(lambda gain: strain(mesh_ed + gain * own) <= wanted, largest_gain)
    shape = mesh_ed + gain * own
    contraction = _least(lambda fraction: strain(_contracted(shape, fraction, spacing_mm)) <= wanted, 0.4)
    return _contracted(shape, contraction, spacing_mm) - mesh_ed


def _least(enough, largest: float) -> float:
    """The smallest value from 0 to `largest` that is enough, by bisection; `largest` if none is."""
    if enough(0.0):
        return 0.0
    low, high = 0.0, largest
    for _ in range(30):
        middle = (low + high) / 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def _contracted(mesh: np.ndarray, fraction: float, spacing_mm) -> np.ndarray:
    """The mesh shortened by a fraction along its axis, towards the apex, its inner layers drawn inwards."""
    scale = np.array(spacing_mm[::-1])
    points = mesh * scale
    apex = points[[int(_APEX), int(np.ceil(_APEX))], -1].mean(0)
    axis = points[[0, -1], 0].mean(0) - apex
    axis /= np.linalg.norm(axis)
    along = ((points - apex) @ axis)[..., None] * axis
    across = points - apex - along
    inwards = _INWARDS * np.linspace(1, 0, MESH_SHAPE[1])[:, None]
    return (apex + along * (1 - fraction) + across * (1 - fraction * inwards)) / scale


def _regional(change: np.ndarray, left: np.ndarray) -> np.ndarray:
    """The change with the deformation between neighbouring rows scaled: a part that does not shorten is carried along.

    Rebuilt from the apex towards both bases, so that what lies beyond a diseased part moves less too.
    """
    steps = np.diff(change, axis=0) * ((left[1:] + left[:-1]) / 2)[:, None, None]
    rebuilt = np.concatenate([np.zeros_like(change[:1]), np.cumsum(steps, 0)])
    below, above = int(np.floor(_APEX)), int(np.ceil(_APEX))
    apex, rebuilt_apex = (values[[below, above]].mean(0) for values in (change, rebuilt))
    return rebuilt - rebuilt_apex + apex


def _activation(course: tuple[PchipInterpolator, float], delay: np.ndarray, frames: int) -> np.ndarray:
    """(T, 36): the time course of each part of the wall; time is bent so that all start and end the beat together."""
    curve, end_systole = course
    time = np.arange(frames) / frames
    bent = [np.interp(time, [0, end_systole + late, 1], [0, end_systole, 1]) for late in delay]
    return curve(np.stack(bent, -1))
