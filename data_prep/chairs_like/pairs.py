"""The stream of pairs."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from cpwc_keras.data_prep.chairs_like.scene import Scene
from cpwc_keras.data_prep.chairs_like.settings import ChairsLikeSettings
from cpwc_keras.types import FramePair


@dataclass(frozen=True)
class ChairsLikePairs:
    """An endless supply of `FramePair`, each a pure function of `seed` and its index.

    Attributes:
        settings: the bounds.
        seed: of the whole stream.
        epoch_size: how many indices are called an epoch.
    """

    settings: ChairsLikeSettings = field(default_factory=ChairsLikeSettings)
    seed: int = 0
    epoch_size: int = 10_000

    def sample(self, index: int) -> FramePair:
        """The pair with this index: (H, W) images of 256 gray levels, the flow at every pixel.

        Raises:
            InputError: the folder of photographs does not exist or holds none, or one of them is broken.
        """
        rng = np.random.default_rng([self.seed, index])
        return Scene.draw(self.settings, rng).render(name=f"chairs-like {self.seed}/{index}")
