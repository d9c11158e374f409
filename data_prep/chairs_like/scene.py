"""A background and the objects before it, and the two images of them.

Image 2 is the frame in which every layer is defined: a layer's gray and coverage at q are its texture and mask there.
Image 1 at p shows what image 2's layers have at p + flow(p), with each layer's motion in closed form. The flow is
therefore exact for deforming objects, too, and no map has to be inverted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cpwc_keras.data_prep.chairs_like.kernels import draw_layer
from cpwc_keras.data_prep.chairs_like.motion import Motion, background_motion, object_motion
from cpwc_keras.data_prep.chairs_like.settings import REFERENCE_SIZE, ChairsLikeSettings
from cpwc_keras.data_prep.chairs_like.shapes import draw_shape
from cpwc_keras.data_prep.chairs_like.textures import PROCEDURAL, Pyramid, list_photos, photo, procedural
from cpwc_keras.types import FramePair

_FINEST = 1.2
"""Pixels of a texture's level for a pixel of the image, at most: finer detail would alias."""

_STILL = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
_NO_BUMPS = np.zeros((0, 5))
_NO_FLOW = np.zeros((0, 0, 2), np.float32)
_NO_MASK = np.zeros((0, 0), np.uint8)


@dataclass(frozen=True, eq=False)
class Layer:
    """A surface, its outline and its motion.

    Attributes:
        motion: from image 1 to image 2.
        texture: (h, w) uint8.
        to_texture: (2, 3) from image 2 to the texture.
        tone: (2,) factor and offset from the texture's values to gray.
        mask: (S, S) uint8 coverage; (0, 0): the layer has no end.
        to_mask: (2, 3) from image 2 to the mask.
        centre: (x, y) in image 2.
        radius: of the mask's bounding circle in image 2; infinite where there is no mask.
    """

    motion: Motion
    texture: np.ndarray
    to_texture: np.ndarray
    tone: np.ndarray
    mask: np.ndarray
    to_mask: np.ndarray
    centre: tuple[float, float] = (0.0, 0.0)
    radius: float = np.inf

    def box(self, size: tuple[int, int], first: bool) -> np.ndarray:
        """First and last column and row that it can reach in image 1 or 2; the last before the first: none."""
        height, width = size
        if not np.isfinite(self.radius):
            return np.array([0, width - 1, 0, height - 1])
        reach = self.radius + (self.motion.reach if first else 0.0)
        corners = np.array(self.centre) + reach * np.array([(-1, -1), (-1, 1), (1, -1), (1, 1)])
        if first:
            corners = self.motion.before(corners)
        low, high = np.floor(corners.min(0)) - 1, np.ceil(corners.max(0)) + 1
        return np.array([max(low[0], 0), min(high[0], width - 1), max(low[1], 0), min(high[1], height - 1)], np.int64)

    def draw(self, image: np.ndarray, flow: np.ndarray | None) -> None:
        """Draw it on image 1 (with the flow to be filled) or on image 2 (without)."""
        first = flow is not None
        draw_layer(
            image,
            flow if first else _NO_FLOW,
            self.box(image.shape, first),
            self.motion.matrix if first else _STILL,
            self.motion.bumps if first else _NO_BUMPS,
            self.texture, self.to_texture, self.tone, self.mask, self.to_mask,
        )  # fmt: skip


@dataclass(frozen=True, eq=False)
class Scene:
    """Layers from the background to the nearest object.

    Attributes:
        size: (height, width) of the images.
        layers: the background first.
    """

    size: tuple[int, int]
    layers: tuple[Layer, ...]

    @classmethod
    def draw(cls, settings: ChairsLikeSettings, rng: np.random.Generator) -> Scene:
        """A random scene.

        Raises:
            InputError: the folder of photographs does not exist or holds none, or one of them is broken.
        """
        height, width = settings.size
        scale = settings.length_scale
        centre = np.array([(width - 1) / 2, (height - 1) / 2])
        # With `scale` above that of the images, they are the middle of a larger scene.
        extent = np.maximum(scale * np.array(REFERENCE_SIZE[::-1]), (width, height))
        photos = list_photos(settings.photos) if settings.photos else ()
        # Few different photographs a pair, since in a large folder most of them have to be read anew.
        chosen = [photos[rng.integers(len(photos))] for _ in range(3)] if photos else []

        motion = background_motion(settings, centre, rng)
        pyramid = photo(chosen[0]) if chosen else procedural(int(rng.integers(PROCEDURAL)))
        layers = [Layer(motion, *_background_texture(pyramid, centre, scale, bool(chosen), rng), _NO_MASK, _STILL)]
        low, high = np.log(settings.object_size)
        for _ in range(rng.integers(settings.objects[0], settings.objects[1] + 1)):
            diameter = scale * np.exp(rng.uniform(low, high))
            place = centre + rng.uniform(-0.5, 0.5, 2) * (extent + 0.5 * diameter)
            own = object_motion(settings, motion, place, diameter, rng)
            mask, resolution = draw_shape(diameter, rng)
            use_photo = chosen and rng.random() < 0.5
            texture = photo(chosen[rng.integers(1, 3)]) if use_photo else procedural(int(rng.integers(PROCEDURAL)))
            there = own(place[None])[0]
            offset = (len(mask) - 1) / 2 - resolution * there
            to_mask = np.column_stack([resolution * np.eye(2), offset])
            radius = len(mask) / (2 * resolution)
            layers.append(Layer(own, *_object_texture(texture, scale, rng), mask, to_mask, tuple(there), radius))
        return cls(settings.size, tuple(layers))

    def render(self, name: str) -> FramePair:
        """Both images with 256 gray levels, as files hold them, and the flow between them."""
        image1, image2 = np.zeros(self.size, np.float32), np.zeros(self.size, np.float32)
        flow = np.zeros((*self.size, 2), np.float32)
        for layer in self.layers:
            layer.draw(image1, flow)
            layer.draw(image2, None)
        image1, image2 = (np.rint(image * 255).astype(np.float32) / np.float32(255) for image in (image1, image2))
        return FramePair(image1, image2, flow, np.ones(self.size, np.float32), name=name)


def _background_texture(
    pyramid: Pyramid, centre, scale: float, upright: bool, rng
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Texture, map and tone of a background: photographs stay upright and keep their tones, but for mirroring."""
    if upright:
        fit = min(pyramid[0].shape[1] / REFERENCE_SIZE[1], pyramid[0].shape[0] / REFERENCE_SIZE[0])
        finest = min(fit, rng.uniform(0.9, 1.7)) / scale
        turn, contrast, offset = rng.normal(0, 0.05), rng.uniform(0.8, 1.0), rng.uniform(0.0, 0.05)
    else:
        finest = rng.uniform(0.8, 2.0) / scale
        turn, contrast = rng.uniform(0, 2 * np.pi), rng.uniform(0.3, 1.0)
        offset = rng.uniform(0, 1 - contrast)
    shape = np.array(pyramid[0].shape[::-1])
    middle = shape / 2 + rng.uniform(-0.5, 0.5, 2) * np.maximum(0, shape - 2 * centre * finest)
    texture, to_texture = _mapped(pyramid, finest, turn, rng.random() < 0.5, centre, middle)
    return texture, to_texture, np.array([contrast, offset])


def _object_texture(pyramid: Pyramid, scale: float, rng) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Texture, map and tone of an object: any orientation and size; dark and flat as often as bright and rich."""
    finest = np.exp(rng.uniform(np.log(0.6), np.log(3))) / scale
    middle = rng.uniform(0, 1, 2) * pyramid[0].shape[::-1]
    turn, mirror = rng.uniform(0, 2 * np.pi), rng.random() < 0.5
    texture, to_texture = _mapped(pyramid, finest, turn, mirror, np.zeros(2), middle)
    contrast = rng.choice([-1, 1]) * rng.uniform(0.08, 0.9)
    level = rng.uniform(0.05, 0.85) ** 1.3
    return texture, to_texture, np.array([contrast, level - 0.5 * contrast])


def _mapped(pyramid: Pyramid, finest: float, turn: float, mirror: bool, centre, middle):
    """The level of the pyramid to sample, and the map from the image to it.

    Args:
        pyramid: of the texture.
        finest: pixels of its finest level for a pixel of the image.
        turn: angle in radians.
        mirror: turn left and right.
        centre: (x, y) in the image that falls on …
        middle: … (x, y) of the finest level.
    """
    level = int(np.clip(np.ceil(np.log2(finest / _FINEST)), 0, len(pyramid) - 1))
    c, s = finest * np.cos(turn), finest * np.sin(turn)
    linear = np.array([[c, -s], [s, c]])
    if mirror:
        linear[:, 0] *= -1
    matrix = np.column_stack([linear, middle - linear @ centre]) / 2**level
    return pyramid[level], matrix
