"""The stream of pairs: scenes made ahead of need, and crops of their frames."""

from __future__ import annotations

import threading
import warnings
from collections import OrderedDict
from collections.abc import Callable
from collections.abc import Sequence as List
from concurrent.futures import BrokenExecutor, Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial

import cv2
import numpy as np

from cpwc_keras.data.pairs import PairPolicy
from cpwc_keras.data_prep.hearts.scene import (
    Scene,
    SceneSettings,
    require_fraction,
    require_ordered,
    simulate_scene,
)
from cpwc_keras.data_prep.simulation.template import TemplateItem
from cpwc_keras.errors import InputError
from cpwc_keras.fields import fill_triangles
from cpwc_keras.mesh import mesh_triangles
from cpwc_keras.processes import KILLED, Workers
from cpwc_keras.types import FramePair

_LEAST_WALL = 0.04
"""Fraction of a crop that has to show myocardium; another one is drawn otherwise."""

_ATTEMPTS = 5

_SMOOTHING = 0.4
"""Standard deviation of a pixel's view, in pixels."""

_SCENE, _PAIR, _ANOTHER = range(3)  # streams of random numbers


@dataclass(frozen=True, eq=False)
class HeartPairs:
    """An endless supply of `FramePair` of simulated hearts, each a pure function of `seed` and its index.

    Scenes enter one after the other; each example is of one of the `window` newest, so that neighbouring examples
    show different hearts. The motion is known in the myocardium, in the atrial wall next to it, and in half of the
    scenes in everything around, but not in blood whose speckle does not last. Where it is not, the motion of the
    nearest wall can be taught in a band beside it (`beyond_mm`): a contour lies on the very border, and a network that
    sees still surroundings beyond it makes the motion there too small.

    Attributes:
        groups: lists of hearts; each list gives the same share of scenes, each heart the same share of its list's.
        crop: (height, width) of the images in pixels.
        policy: which frames of a scene become a pair.
        settings: bounds of the scenes.
        pixel_mm: bounds of the pixel size: crops are resampled.
        turn_deg: crops are turned by up to so many degrees to either side, and mirrored at random.
        beyond_mm: width of that band.
        shaken: probability that the second image is moved as a whole, as by the hand that holds the probe.
        pairs_per_scene: examples after which a scene gives place to the next.
        window: scenes that are in use at a time.
        processes: that simulate scenes; 0: a thread of this one.
        seed: of the whole stream.
        epoch_size: how many indices are called an epoch.
    """

    groups: tuple[List[TemplateItem], ...]
    crop: tuple[int, int] = (128, 128)
    policy: PairPolicy = field(default_factory=PairPolicy)
    settings: SceneSettings = field(default_factory=SceneSettings)
    pixel_mm: tuple[float, float] = (0.27, 0.8)
    turn_deg: float = 20.0
    beyond_mm: float = 0.0
    shaken: float = 0.3
    pairs_per_scene: int = 96
    window: int = 32
    processes: int = 0
    seed: int = 0
    epoch_size: int = 10_000

    def __post_init__(self):
        if not self.groups or not all(self.groups):
            raise InputError("There is no heart to simulate; name templates, or procedural hearts.")
        require_ordered("pixel_mm", self.pixel_mm, above=0.0)
        for name, least in (("turn_deg", 0), ("beyond_mm", 0), ("pairs_per_scene", 1), ("window", 1), ("processes", 0)):
            if not least <= getattr(self, name) < float("inf"):
                raise InputError(f"{name} must be {least} or more, found {getattr(self, name)}.")
        require_fraction("shaken", self.shaken)
        if self.settings.frames < max(self.policy.spacings) + 2:
            raise InputError(
                f"Pairs {max(self.policy.spacings) + 1} frames apart need scenes of {max(self.policy.spacings) + 2} "
                f"frames or more, found {self.settings.frames}."
            )

    def sample(self, index: int) -> FramePair:
        """The pair with this index: (H, W) images, flow and mask of the wall.

        Raises:
            InputError: a template cannot be read or simulated.
        """
        rng = np.random.default_rng([self.seed, _PAIR, index])
        oldest = index // self.pairs_per_scene
        # At the start there are few, or the first step would wait for a whole window.
        in_use = min(self.window, 2 + oldest // 2)
        scene = self._scenes.get(oldest + int(rng.integers(in_use)), ahead=oldest + in_use)
        return self._draw_pair(scene, rng, f"{scene.name} {self.seed}/{index}")

    def scene(self, number: int) -> Scene:
        """The scene with this number. A heart that cannot be simulated gives place to another one, with a warning.

        Raises:
            InputError: so many in a row cannot be simulated that something else must be wrong.
        """
        group: List[TemplateItem] = ()
        failure = InputError("no heart could be simulated.")
        for attempt in range(_ATTEMPTS):
            entropy = [self.seed, _SCENE, number, *([_ANOTHER, attempt] if attempt else [])]
            rng = np.random.default_rng(entropy)
            drawn = self.groups[int(rng.integers(len(self.groups)))]
            group = group or drawn  # another of the same kind: a source that cannot be read is not to go unnoticed
            item = group[int(rng.integers(len(group)))]
            try:
                return simulate_scene(item, self.settings, [*entropy, 1])
            except InputError as error:  # hours of training do not end for one heart of many
                failure = error
                warnings.warn(f"{item.name} is left out: {error}", stacklevel=2)
        raise failure

    def close(self) -> None:
        """Make no more scenes: those that are waiting would be finished before the interpreter may end."""
        self._scenes.close()

    @property
    def _scenes(self) -> _Scenes:
        with _making:  # several threads ask for the first one
            made = self.__dict__.get("_made")
            if made is None:
                made = self.__dict__["_made"] = _Scenes(self)
        return made

    def _draw_pair(self, scene: Scene, rng: np.random.Generator, name: str) -> FramePair:
        gap = 1 + int(rng.choice(self.policy.spacings))
        first = int(rng.integers(len(scene.frames) - gap))
        second = first + gap
        if self.policy.directions == "both" and rng.random() < 0.5:
            first, second = second, first
        for _ in range(8):
            pair, wall = self._crop(scene, first, second, rng, name)
            if wall > _LEAST_WALL:
                break
        return pair

    def _crop(
        self, scene: Scene, first: int, second: int, rng: np.random.Generator, name: str
    ) -> tuple[FramePair, float]:
        """A crop, and how much of it shows the wall."""
        pixel = float(np.exp(rng.uniform(*np.log(self.pixel_mm))))
        node = scene.mesh[first].reshape(-1, 2)[rng.integers(scene.mesh[first].size // 2)]
        centre = node + rng.uniform(-0.35, 0.35, 2) * self.crop[::-1] * pixel / scene.spacing_mm[::-1]
        to1 = self._placement(centre, pixel, scene.spacing_mm, rng)
        to2 = _shake(self.crop, rng) @ to1 if rng.random() < self.shaken else to1
        image1, image2 = (_resampled(scene.frames[frame], to, self.crop) for frame, to in ((first, to1), (second, to2)))
        mesh = scene.mesh.reshape(len(scene.mesh), -1, 2)
        flow, mask = _motion(mesh, mesh_triangles(scene.mesh.shape[1]), (first, second), (to1, to2), self.crop)
        wall = mask > 0
        if scene.around is not None:
            beside, mask = _motion(scene.around, scene.around_triangles, (first, second), (to1, to2), self.crop)
            flow = np.where(wall[..., None], flow, beside)
            if not scene.blood:
                cavity = np.rint(_placed(scene.mesh[first, :, 0], to1)).astype(np.int32)
                cv2.fillPoly(mask, [cavity], 0.0)
            mask[wall] = 1
        if self.beyond_mm:
            flow, mask = _extended(flow, mask, wall, self.beyond_mm / pixel)
        seen = cv2.warpAffine(scene.sector.astype(np.uint8), to1[:2], self.crop[::-1], flags=cv2.INTER_NEAREST)
        mask *= seen
        pair = FramePair(image1, image2, flow * mask[..., None], mask, (pixel, pixel), name)
        return pair, float((wall & (seen > 0)).mean())

    def _placement(self, centre: np.ndarray, pixel_mm: float, spacing_mm, rng: np.random.Generator) -> np.ndarray:
        """(3, 3): from pixels of the scene to pixels of a crop around `centre`, scaled, turned, mirrored."""
        angle = np.deg2rad(rng.uniform(-self.turn_deg, self.turn_deg))
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        mirror = np.diag([rng.choice([-1.0, 1.0]), 1.0])
        linear = turn @ mirror @ np.diag(spacing_mm[::-1]) / pixel_mm
        middle = (np.array(self.crop[::-1]) - 1) / 2
        return np.block([[linear, (middle - linear @ centre)[:, None]], [np.zeros((1, 2)), np.ones((1, 1))]])


def _placed(points: np.ndarray, to: np.ndarray) -> np.ndarray:
    """Points (..., 2) of a scene in pixels of a crop, float64."""
    return points.astype(np.float64) @ to[:2, :2].T + to[:2, 2]


def _motion(points, triangles, frames: tuple[int, int], to: tuple, crop) -> tuple[np.ndarray, np.ndarray]:
    """Flow (H, W, 2) and mask (H, W) of a triangulation whose points (T, N, 2) move from one frame to the other."""
    start, stop = (_placed(points[frame], placement) for frame, placement in zip(frames, to, strict=True))
    return fill_triangles(start, stop - start, triangles, crop)


def _extended(flow: np.ndarray, mask: np.ndarray, wall: np.ndarray, width: float) -> tuple[np.ndarray, np.ndarray]:
    """Flow and mask with the motion of the nearest wall wherever nothing is known within `width` pixels of it."""
    if not wall.any():
        return flow, mask
    distance, label = cv2.distanceTransformWithLabels(
        (~wall).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    of_label = np.zeros((label.max() + 1, 2), flow.dtype)
    of_label[label[wall]] = flow[wall]
    band = (mask == 0) & (distance <= width)
    return np.where(band[..., None], of_label[label], flow), np.where(band, np.float32(1), mask)


def _shake(crop: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """(3, 3): a small shift, turn and change of scale about the middle of a crop."""
    angle, scale = np.deg2rad(rng.normal(0, 1.0)), np.exp(rng.normal(0, 0.01))
    linear = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    middle = (np.array(crop[::-1]) - 1) / 2
    shift = middle - linear @ middle + rng.normal(0, 2.0, 2)
    return np.block([[linear, shift[:, None]], [np.zeros((1, 2)), np.ones((1, 1))]])


def _resampled(frame: np.ndarray, to: np.ndarray, crop: tuple[int, int]) -> np.ndarray:
    """The crop of a frame, float32 in [0, 1]; what is too fine for its pixels is smoothed away, or it would flicker."""
    coarser = 1 / np.sqrt(abs(np.linalg.det(to[:2, :2])))
    if coarser > 1:
        frame = cv2.GaussianBlur(frame, (0, 0), _SMOOTHING * np.sqrt(coarser**2 - 1) + 1e-3)
    return cv2.warpAffine(frame, to[:2], crop[::-1], flags=cv2.INTER_LINEAR).astype(np.float32) / np.float32(255)


class _Scenes:
    """The scenes in use, each made once, a few ahead of need, however many threads ask."""

    def __init__(self, pairs: HeartPairs):
        self._pairs = pairs
        self._made: OrderedDict[int, Future] = OrderedDict()
        self._lock = threading.Lock()
        self._submit: Callable[[int], Future[Scene]]
        self.close: Callable[[], None]  # make no more
        if pairs.processes:
            workers = Workers(pairs.processes, _keep, (replace(pairs, processes=0),))
            self._submit, self.close = lambda number: workers.submit(_make, number), workers.close
        else:
            thread = ThreadPoolExecutor(1, thread_name_prefix="scenes")
            self._submit = lambda number: thread.submit(pairs.scene, number)
            self.close = partial(thread.shutdown, wait=False, cancel_futures=True)

    def get(self, number: int, ahead: int) -> Scene:
        """Scene `number`; those up to `ahead` are asked for."""
        with self._lock:
            for wanted in range(min(number, ahead), max(number, ahead) + 1):
                if wanted not in self._made:
                    self._made[wanted] = self._submit(wanted)
            future = self._made[number]
            # Examples are asked for nearly in order: what lies windows back is not needed again.
            for old in [made for made in self._made if made < ahead - 3 * self._pairs.window]:
                del self._made[old]
        try:
            return future.result()
        except BrokenExecutor as error:
            raise InputError(f"{KILLED}.") from error


_making = threading.Lock()
_kept: HeartPairs | None = None


def _keep(pairs: HeartPairs) -> None:
    global _kept
    _kept = pairs


def _make(number: int) -> Scene:
    assert _kept is not None, "`_keep` was called in this process before"
    return _kept.scene(number)
