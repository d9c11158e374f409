"""A network on a loop: both directions of each pair, the features of each image computed once."""

from __future__ import annotations

import hashlib
from collections import OrderedDict

import keras
import numpy as np
from keras import ops

_KEPT = 4
"""Images whose features are kept: the next pair begins where the last one ended, or, backward, at its other end."""


class BothWays:
    """Forward and backward flow of pairs of images.

    Neighbouring pairs of a loop share an image; its features are kept, however long the loop is.

    Args:
        network: a `PWCNet` or one of its kind.
    """

    def __init__(self, network):
        self._features, self._flows = _Features(network), _Flows(network)
        self._kept: OrderedDict[bytes, list[np.ndarray]] = OrderedDict()

    def __call__(self, here: np.ndarray, there: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Both flows between two images.

        Args:
            here: (H, W) float32 in [0, 1].
            there: likewise.

        Returns:
            forward: (H, W, 2) px from `here` to `there`.
            backward: (H, W, 2) px from `there` to `here`.
        """
        height, width = here.shape
        flows = np.asarray(self._flows.predict_on_batch([*self._of(here), *self._of(there)]), np.float32)
        return flows[0, :height, :width], flows[1, :height, :width]

    def _of(self, image: np.ndarray) -> list[np.ndarray]:
        image = np.ascontiguousarray(image, np.float32)
        key = hashlib.blake2b(image.data, digest_size=16, key=str(image.shape).encode()).digest()
        if key not in self._kept:
            self._kept[key] = self._features.predict_on_batch(image[None, ..., None])
            if len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        return self._kept[key]


class _Features(keras.Model):
    """An image's features, as a model that every backend compiles."""

    def __init__(self, network):
        super().__init__(name="features", dtype=network.dtype_policy)
        self.network = network

    def call(self, images):
        return self.network.features(images)


class _Flows(keras.Model):
    """(2, H', W', 2): forward and backward, from the features of both images one after the other."""

    def __init__(self, network):
        super().__init__(name="flows", dtype=network.dtype_policy)
        self.network = network

    def call(self, maps):
        pairs = list(zip(maps[: len(maps) // 2], maps[len(maps) // 2 :], strict=True))
        one = [ops.concatenate([here, there], axis=0) for here, there in pairs]
        other = [ops.concatenate([there, here], axis=0) for here, there in pairs]
        return self.network.flow_between(one, other)
