"""One scene: consecutive frames of one beat of one heart, as one scanner with one set of knobs shows them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from zlib import crc32

import cv2
import numpy as np

from cpwc_keras.data_prep.simulation.annulus import continued_beyond_annulus
from cpwc_keras.data_prep.simulation.display import Display, Imager
from cpwc_keras.data_prep.simulation.reverberation import ArtifactSettings, artifact_scatterers
from cpwc_keras.data_prep.simulation.scatterers import Medium, ScattererSettings
from cpwc_keras.data_prep.simulation.surrogate import SurrogateEngine, widest_pitch_mm
from cpwc_keras.data_prep.simulation.surroundings import Surroundings
from cpwc_keras.data_prep.simulation.template import Template, TemplateItem
from cpwc_keras.data_prep.simulation.transducer import SectorScan, Transducer
from cpwc_keras.errors import InputError

_MHZ = (2.5, 2.0, 2.5, 3.0, 2.5)
"""Centre frequencies; which one a scan has follows from its depth and angle, so that few engines serve all hearts."""

_DENSITY = 6.0
"""Scatterers per square wavelength: 9 to 60 in a resolution cell, enough for speckle and two thirds of the time."""

_SEEN_BLOOD = 0.1
"""Up to this loss of correlation from frame to frame the motion of blood is taught."""

_SILENCE = (1e-7, 2e-7)

_BASE = Display()
"""From a template's brightness to echoes; the picture is made from them with other settings."""


def require_ordered(name: str, bounds: tuple[float, float], above: float = -np.inf) -> None:
    """Refuse bounds that are not two finite numbers, the lower first.

    Raises:
        InputError: they are not, or the lower one is not above `above`.
    """
    if not above < bounds[0] <= bounds[1] < np.inf:
        limit = f", both above {above:g}" if above > -np.inf else ""
        raise InputError(f"{name} must be two numbers, the lower first{limit}; found {list(bounds)}.")


def require_fraction(name: str, value: float) -> None:
    """Refuse what is not between 0 and 1.

    Raises:
        InputError: it is not.
    """
    if not 0 <= value <= 1:
        raise InputError(f"{name} must be from 0 to 1, found {value}.")


@dataclass(frozen=True)
class SceneSettings:
    """What is drawn at random for a scene, and within which bounds.

    Attributes:
        frames: of a scene, consecutive ones.
        frames_per_beat: bounds of the frames of a whole beat, that is, of how far tissue moves from frame to frame.
        artifacts: probability of patches that stand still, anywhere (II-A.4), and of haze.
        decorrelation: upper bound of what the wall's speckle loses of its correlation from frame to frame.
        replacement: upper bound of the fraction of the wall's scatterers that leave the plane from frame to frame.
        gain_db: bounds of the gain.
        noise: bounds of the electronic noise at half depth, relative to white.
        plain: probability that a scene is as the paper's are (II-A): its display, speckle that lasts, no noise, and the
            artifact, if any, at the mid-anterolateral wall.
        moving: probability that the surroundings of the wall move along with it, in which case their motion is taught
            as well: real ones do, and a crop shows five times as much of them as of the wall.
    """

    frames: int = 9
    frames_per_beat: tuple[int, int] = (22, 60)
    artifacts: float = 0.5
    decorrelation: float = 0.03
    replacement: float = 0.03
    gain_db: tuple[float, float] = (-7.0, 6.0)
    noise: tuple[float, float] = (3e-4, 8e-3)
    plain: float = 0.0
    moving: float = 0.5

    def __post_init__(self):
        if self.frames < 2:
            raise InputError(f"frames must be 2 or more, found {self.frames}.")
        require_ordered("frames_per_beat", self.frames_per_beat, above=1)
        require_ordered("gain_db", self.gain_db)
        require_ordered("noise", self.noise, above=0.0)
        for name in ("artifacts", "decorrelation", "replacement", "plain", "moving"):
            require_fraction(name, getattr(self, name))


@dataclass(frozen=True, eq=False)
class Scene:
    """Images and motion.

    Attributes:
        frames: (T, H, W) uint8.
        mesh: (T, R, 5, 2) float32 pixels: the myocardium, and beyond its 36 rows the atrial wall that moves with it.
        around: (T, N, 2) float32 pixels: a grid of points that moves with the surroundings, or None: they stand still.
        around_triangles: (M, 3) int32: between the points of `around`, or None.
        blood: whether the motion of blood can be seen; otherwise its speckle soon is another.
        sector: (H, W) bool: what the images show.
        spacing_mm: (row_mm, col_mm).
        name: of its template.
    """

    frames: np.ndarray
    mesh: np.ndarray
    around: np.ndarray | None
    around_triangles: np.ndarray | None
    blood: bool
    sector: np.ndarray
    spacing_mm: tuple[float, float]
    name: str


def simulate_scene(item: TemplateItem, settings: SceneSettings, seed: list[int]) -> Scene:
    """Simulate a scene with the surrogate engine. A pure function of its arguments.

    Args:
        item: the heart.
        settings: bounds.
        seed: entropy of everything random, as `numpy.random.default_rng` takes it.

    Raises:
        InputError: the template cannot be read or simulated.
    """
    rng = np.random.default_rng(seed)
    plain = bool(np.random.default_rng([*seed, 3]).random() < settings.plain)  # leaves all other draws as they were
    if plain:
        settings = replace(settings, decorrelation=0.0, replacement=0.0, gain_db=(0.0, 0.0), noise=_SILENCE)
    template = _moment(item, settings, rng)
    scan, transducer = _scan(template)
    engine = _engine(transducer, scan)
    display, look = (_BASE, _as_it_is) if plain else _draw_look(rng)
    wavelength = scan.wavelength_mm(transducer)
    scatterers = _draw_scatterers(settings, plain, rng)
    try:
        medium = Medium(template, scan, wavelength, _BASE, scatterers, [*seed, 1])
    except InputError:  # the rounded sector is too large for this template
        scan = template.scan()
        engine = _engine(transducer, scan)
        medium = Medium(template, scan, wavelength, _BASE, scatterers, [*seed, 1])
    imager = Imager(engine, template.grid, display)
    artifacts = _draw_artifacts(settings, plain, rng)
    still = _still_echoes(template, imager, wavelength, artifacts, [*seed, 2])
    gain = np.float32(10 ** (rng.uniform(*settings.gain_db) / 20))
    noise = np.exp(rng.uniform(*np.log(settings.noise))) * (0.3 + 1.4 * scan.ranges_mm[:, None] / scan.depth_mm)

    sector = template.grid.sector(template.scan())
    frames = np.empty((len(template.frames), *template.grid.shape), np.uint8)
    for frame, (points, amplitude) in zip(frames, medium.frames(), strict=True):
        iq = imager.normalise(engine.iq(points, amplitude)) + still
        hiss = rng.standard_normal((2, *iq.shape), np.float32) * noise.astype(np.float32)
        picture = look(imager.image(gain * iq + (hiss[0] + 1j * hiss[1]).astype(np.complex64)))
        frame[:] = np.rint(np.clip(picture, 0, 1) * 255) * sector
    around = medium.surroundings
    return Scene(
        frames=frames,
        mesh=_with_atrial_wall(template, scatterers.annulus_mm),
        around=_pixels(around, template) if around else None,
        around_triangles=around.triangles if around else None,
        blood=scatterers.blood_decorrelation < _SEEN_BLOOD,
        sector=sector,
        spacing_mm=template.grid.spacing_mm,
        name=item.name,
    )


def _pixels(around: Surroundings, template: Template) -> np.ndarray:
    """(T, N, 2) float32 pixels: where the points of the surroundings are in each frame."""
    places = [template.grid.to_pixels(around.places(frame)) for frame in range(len(template.frames))]
    return np.stack(places).astype(np.float32)


def _moment(item: TemplateItem, settings: SceneSettings, rng: np.random.Generator) -> Template:
    """Consecutive frames of a beat of the heart."""
    beat = int(rng.integers(*settings.frames_per_beat, endpoint=True))
    template = item.load(int(rng.integers(2**31)), max(beat, settings.frames))
    first = int(rng.integers(max(len(template.frames) - settings.frames, 0) + 1))
    chosen = slice(first, first + settings.frames)
    return replace(template, frames=template.frames[chosen], mesh=template.mesh[chosen], ed=None, es=None)


def _scan(template: Template) -> tuple[SectorScan, Transducer]:
    """The template's sector, rounded up to whole centimetres and five degrees: few engines serve all hearts."""
    depth, sector = np.ceil(template.depth_mm / 10) * 10, np.ceil(template.sector_deg / 5) * 5
    scan = SectorScan(depth_mm=float(depth), sector_deg=float(sector))
    transducer = Transducer(centre_frequency_mhz=_MHZ[crc32(f"{depth} {sector}".encode()) % len(_MHZ)])
    if transducer.pitch_mm > widest_pitch_mm(transducer, scan):  # a wide sector has no grating lobes at a lower one
        transducer = Transducer(centre_frequency_mhz=min(_MHZ))
    return scan, transducer


@lru_cache(maxsize=24)
def _engine(transducer: Transducer, scan: SectorScan) -> SurrogateEngine:
    return SurrogateEngine(transducer, scan)


def _draw_scatterers(settings: SceneSettings, plain: bool, rng: np.random.Generator) -> ScattererSettings:
    """Half of the scenes keep their speckle, as the paper's do; in the others some is lost, as out of the plane."""
    lossy = rng.random(3) < 0.5
    losses = rng.uniform(0, [settings.decorrelation, settings.replacement, 0.0 if plain else 1.0]) * lossy
    return ScattererSettings(
        density=_DENSITY,
        decorrelation=float(losses[0]),
        replacement=float(losses[1]),
        blood_decorrelation=float(losses[2]),
        annulus_mm=float(rng.uniform(12, 28)),
        surroundings="moving" if rng.random() < settings.moving else "still",
    )


def _draw_artifacts(settings: SceneSettings, plain: bool, rng: np.random.Generator) -> ArtifactSettings | None:
    """What stands still in a scene, or nothing."""
    patches = int(rng.integers(1, 4)) if rng.random() < settings.artifacts else 0
    haze = float(rng.uniform(-45, -18)) if rng.random() < settings.artifacts else None
    level, position, repeats = float(rng.uniform(0, 22)), str(rng.choice(["fixed", "random"])), int(rng.integers(3))
    if plain:
        return ArtifactSettings() if patches else None
    if not patches and haze is None:
        return None
    return ArtifactSettings(level, position, patches, repeats, haze)


def _still_echoes(
    template: Template, imager: Imager, wavelength_mm: float, artifacts: ArtifactSettings | None, seed: list[int]
) -> np.ndarray | np.complex64:
    """Normalised echoes of what stands still, or 0."""
    if artifacts is None:
        return np.complex64(0)
    scan = imager.engine.scan
    points, amplitude = artifact_scatterers(template, scan, wavelength_mm, _BASE, artifacts, _DENSITY, seed)
    return imager.normalise(imager.engine.iq(points, amplitude))


def _draw_look(rng: np.random.Generator) -> tuple[Display, Callable[[np.ndarray], np.ndarray]]:
    """What a scanner does to all frames alike: its gray scale, and smoothing or sharpening of the finished picture."""
    if rng.random() < 0.6:
        display, curve = Display(gamma=float(rng.uniform(0.32, 0.6))), 1.0
    else:
        # Logarithms alone would make blood and noise gray; scanners darken them again.
        display = Display(compression="log", dynamic_range_db=float(rng.uniform(45, 75)))
        curve = rng.uniform(1.3, 2.4)
    blur = rng.uniform(0.3, 1.1) if rng.random() < 0.4 else 0.0
    sharpen = rng.uniform(0.2, 0.8) if rng.random() < 0.2 else 0.0

    def look(picture: np.ndarray) -> np.ndarray:
        if curve != 1:
            picture = picture ** np.float32(curve)
        if blur:
            picture = cv2.GaussianBlur(picture, (0, 0), blur)
        if sharpen:
            picture = picture + sharpen * (picture - cv2.GaussianBlur(picture, (0, 0), 1.5))
        return picture

    return display, look


def _as_it_is(picture: np.ndarray) -> np.ndarray:
    return picture


def _with_atrial_wall(template: Template, annulus_mm: float) -> np.ndarray:
    """The mesh with the rows beyond the annulus, but for the outermost, which fade into the still background."""
    grid = template.grid
    continued = continued_beyond_annulus(grid.to_mm(template.mesh.astype(np.float64)), annulus_mm)
    if continued.shape[1] > template.mesh.shape[1]:
        continued = continued[:, 1:-1]
    return grid.to_pixels(continued).astype(np.float32)
