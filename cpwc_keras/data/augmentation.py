"""Random changes of training pairs: FlowNet's for natural images, brightness and contrast for echo (paper, III-C.3).

Each augmentation is a frozen configuration whose `apply` is a pure function of the pair and of the generator.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cpwc_keras.compiled import njit
from cpwc_keras.errors import InputError
from cpwc_keras.types import FramePair

_DRAWS = 50
"""Geometric transforms drawn before a plain crop is taken instead."""


@dataclass(frozen=True)
class ChairsAugmentation:
    """The augmentation of FlowNet (Dosovitskiy et al. 2015, section 4.3) on gray images, used for pretraining.

    One geometric transform is drawn for both images and a small second one on top of it for the second image; the flow
    is transformed exactly with them. A transform whose crop would leave an image is drawn again, so that no invented
    border is seen. FlowNet's ranges; of its colour changes those that the paper lists are kept.

    Attributes:
        crop: (H, W) of the result; the paper's 448 × 384 is width × height.
        translation: largest shift, as a fraction of the image's width and height.
        rotation_degrees: largest rotation, either way.
        scale: smallest and largest magnification.
        flip: mirror half of the pairs left to right and, independently, half of them upside down.
        relative_translation: largest shift of the second image alone, as a fraction of its width and height.
        relative_rotation_degrees: largest rotation of the second image alone, either way.
        relative_scale: largest magnification of the second image alone, and its inverse the smallest.
        brightness: standard deviation of what is added to both images.
        contrast: smallest and largest factor on both images' distance from their mean.
        noise: largest standard deviation of the Gaussian noise.
    """

    crop: tuple[int, int] = (384, 448)
    translation: float = 0.2
    rotation_degrees: float = 17.0
    scale: tuple[float, float] = (0.9, 2.0)
    flip: bool = True
    relative_translation: float = 0.03
    relative_rotation_degrees: float = 1.7
    relative_scale: float = 1.03
    brightness: float = 0.2
    contrast: tuple[float, float] = (0.2, 1.4)
    noise: float = 0.04

    def apply(self, pair: FramePair, rng: np.random.Generator) -> FramePair:
        """A random view of the pair, of size `crop`. Its spacing is no longer known.

        Raises:
            InputError: the images are smaller than the crop.
        """
        height, width = pair.image1.shape
        if height < self.crop[0] or width < self.crop[1]:
            raise InputError(
                f"{pair.name or 'A pair'}: its images of {width}×{height} pixels are smaller than the training crop of "
                f"{self.crop[1]}×{self.crop[0]}; choose a smaller crop."
            )
        result = transform_pair(pair, *self._transforms((height, width), rng), self.crop)
        image1, image2 = _brightness_contrast(result, self.brightness, self.contrast, rng)
        sigma = np.float32(rng.uniform(0, self.noise))
        for image in (image1, image2):
            image += sigma * rng.standard_normal(image.shape, np.float32)
            np.clip(image, 0, 1, out=image)
        return FramePair(image1, image2, result.flow, result.mask, name=pair.name)

    def _transforms(self, shape: tuple[int, int], rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """The maps (2, 3) from pixels of the result to pixels of the first and of the second image."""
        size, crop = np.array(shape[::-1]), np.array(self.crop[::-1])
        centre, crop_centre = (size - 1) / 2, (crop - 1) / 2
        corners = crop_centre * [[-1, -1], [1, -1], [-1, 1], [1, 1]]
        for _ in range(_DRAWS):
            mirror = rng.choice([-1.0, 1.0], 2) if self.flip else np.ones(2)
            common = _similarity(rng.uniform(-1, 1) * self.rotation_degrees, rng.uniform(*self.scale)) * mirror
            shift = rng.uniform(-1, 1, 2) * self.translation * size
            relative = _similarity(
                rng.uniform(-1, 1) * self.relative_rotation_degrees, self.relative_scale ** rng.uniform(-1, 1)
            )
            relative_shift = rng.uniform(-1, 1, 2) * self.relative_translation * size
            # Of a point of the result, given from its centre: where it is in each image, given from the image's centre.
            first = np.column_stack([common, shift])
            second = np.column_stack([relative @ common, relative @ shift + relative_shift])
            seen = np.stack([corners @ view[:, :2].T + view[:, 2] for view in (first, second)])
            if (np.abs(seen) <= centre).all():
                for view in (first, second):
                    view[:, 2] += centre - view[:, :2] @ crop_centre
                return first, second
        plain = np.column_stack([np.eye(2), rng.integers(0, size - crop, endpoint=True)])
        return plain, plain


@dataclass(frozen=True)
class EchoAugmentation:
    """Brightness and contrast only, so that shapes and speckle stay those of the scanner (paper, III-C.3).

    The paper gives no ranges; these are ours. The crop is ours too: it makes small examples of large images for small
    machines, and brings images of different sizes to one size.

    Attributes:
        brightness: standard deviation of what is added to both images.
        contrast: smallest and largest factor on both images' distance from their mean.
        crop: (H, W) of the result, placed at random so that it holds a random pixel of the mask; an image that is
            smaller is continued in black to the right and below. None: the whole image.
    """

    brightness: float = 0.1
    contrast: tuple[float, float] = (0.6, 1.4)
    crop: tuple[int, int] | None = None

    def apply(self, pair: FramePair, rng: np.random.Generator) -> FramePair:
        """A random view of the pair."""
        if self.crop is not None:
            pair = _crop_at_mask(pair, self.crop, rng)
        image1, image2 = _brightness_contrast(pair, self.brightness, self.contrast, rng)
        np.clip(image1, 0, 1, out=image1)
        np.clip(image2, 0, 1, out=image2)
        return FramePair(image1, image2, pair.flow, pair.mask, pair.spacing_mm, pair.name)


def transform_pair(pair: FramePair, first: np.ndarray, second: np.ndarray, shape: tuple[int, int]) -> FramePair:
    """Both images under affine maps, with the flow between the results.

    A pixel u of the result shows p = first(u) of image 1, whose point moves to p + flow(p) in image 2 and is found in
    the second result at second⁻¹(p + flow(p)). Images and flow are sampled bilinearly; what lies outside the images is
    continued from their border and has mask 0 in the first.

    Args:
        pair: the pair.
        first: (2, 3) map from (x, y) of the result to (x, y) of image 1.
        second: (2, 3) map from (x, y) of the result to (x, y) of image 2.
        shape: (H, W) of the result.
    """
    image1, image2, mask = (np.empty(shape, np.float32) for _ in range(3))
    flow = np.empty((*shape, 2), np.float32)
    _transform(
        *(np.ascontiguousarray(array, np.float32) for array in (pair.image1, pair.image2, pair.flow, pair.mask)),
        np.ascontiguousarray(first, np.float64),
        np.ascontiguousarray(second, np.float64),
        np.linalg.inv(second[:, :2]),
        image1,
        image2,
        flow,
        mask,
    )
    return FramePair(image1, image2, flow, mask, name=pair.name)


def _similarity(degrees: float, magnification: float) -> np.ndarray:
    """The linear map from a turned and magnified result back to its source."""
    cosine, sine = np.cos(np.deg2rad(degrees)) / magnification, np.sin(np.deg2rad(degrees)) / magnification
    return np.array([[cosine, -sine], [sine, cosine]])


def _brightness_contrast(
    pair: FramePair, brightness: float, contrast: tuple[float, float], rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """New images under one random change, the same for both; not yet clipped to [0, 1]."""
    added, factor = np.float32(rng.normal(0, brightness)), np.float32(rng.uniform(*contrast))
    mean = (pair.image1.mean() + pair.image2.mean()) / 2
    offset = mean + added - factor * mean
    return factor * pair.image1 + offset, factor * pair.image2 + offset


def _crop_at_mask(pair: FramePair, crop: tuple[int, int], rng: np.random.Generator) -> FramePair:
    shape = np.array(pair.mask.shape)
    inside = np.flatnonzero(pair.mask)
    if len(inside):
        target = np.array(np.unravel_index(inside[rng.integers(len(inside))], pair.mask.shape))
        corner = target - rng.integers(0, crop)
    else:
        corner = rng.integers(0, np.maximum(shape - crop, 0), endpoint=True)
    top, left = np.clip(corner, 0, np.maximum(shape - crop, 0))

    def cut(array: np.ndarray) -> np.ndarray:
        part = array[top : top + crop[0], left : left + crop[1]]
        if part.shape[:2] == tuple(crop):
            return part
        missing = [(0, crop[0] - part.shape[0]), (0, crop[1] - part.shape[1])]
        return np.pad(part, missing + [(0, 0)] * (array.ndim - 2))

    image1, image2, flow, mask = (cut(a) for a in (pair.image1, pair.image2, pair.flow, pair.mask))
    return FramePair(image1, image2, flow, mask, pair.spacing_mm, pair.name)


@njit(keep=False)
def _neighbours(x, y, height, width):
    """The bilinear cell of a point, the point moved to the nearest place within the image."""
    x, y = min(max(x, 0.0), width - 1.0), min(max(y, 0.0), height - 1.0)
    left, top = min(int(x), max(width - 2, 0)), min(int(y), max(height - 2, 0))
    return left, top, min(left + 1, width - 1), min(top + 1, height - 1), x - left, y - top


@njit()
def _transform(image1, image2, flow, mask, first, second, inverse, new1, new2, new_flow, new_mask):
    height, width = image1.shape
    for row in range(new1.shape[0]):
        for column in range(new1.shape[1]):
            x = second[0, 0] * column + second[0, 1] * row + second[0, 2]
            y = second[1, 0] * column + second[1, 1] * row + second[1, 2]
            left, top, right, low, fx, fy = _neighbours(x, y, height, width)
            new2[row, column] = (1 - fy) * ((1 - fx) * image2[top, left] + fx * image2[top, right]) + fy * (
                (1 - fx) * image2[low, left] + fx * image2[low, right]
            )

            x = first[0, 0] * column + first[0, 1] * row + first[0, 2]
            y = first[1, 0] * column + first[1, 1] * row + first[1, 2]
            left, top, right, low, fx, fy = _neighbours(x, y, height, width)
            new1[row, column] = (1 - fy) * ((1 - fx) * image1[top, left] + fx * image1[top, right]) + fy * (
                (1 - fx) * image1[low, left] + fx * image1[low, right]
            )
            # Only where the flow is known may it enter the mean.
            a, b = (1 - fx) * (1 - fy) * mask[top, left], fx * (1 - fy) * mask[top, right]
            c, d = (1 - fx) * fy * mask[low, left], fx * fy * mask[low, right]
            known = a + b + c + d
            inside = -0.5 <= x <= width - 0.5 and -0.5 <= y <= height - 0.5
            if known < 0.5 or not inside:
                new_mask[row, column] = 0.0
                new_flow[row, column, 0] = 0.0
                new_flow[row, column, 1] = 0.0
                continue
            upper, lower = flow[top], flow[low]
            dx = (a * upper[left, 0] + b * upper[right, 0] + c * lower[left, 0] + d * lower[right, 0]) / known
            dy = (a * upper[left, 1] + b * upper[right, 1] + c * lower[left, 1] + d * lower[right, 1]) / known
            to_x, to_y = x + dx - second[0, 2], y + dy - second[1, 2]
            new_mask[row, column] = 1.0
            new_flow[row, column, 0] = inverse[0, 0] * to_x + inverse[0, 1] * to_y - column
            new_flow[row, column, 1] = inverse[1, 0] * to_x + inverse[1, 1] * to_y - row
