"""The stream of pairs."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from cpwc_keras.data_prep.speckle.scene import Scene, SpeckleSettings
from cpwc_keras.types import FramePair


@dataclass(frozen=True)
class SpecklePairs:
    """An endless supply of `FramePair`, each a pure function of `seed` and its index.

    Attributes:
        settings: the bounds.
        seed: of the whole stream.
        epoch_size: how many indices are called an epoch.
    """

    settings: SpeckleSettings = field(default_factory=SpeckleSettings)
    seed: int = 0
    epoch_size: int = 10_000

    def sample(self, index: int) -> FramePair:
        """The pair with this index: (H, W) images, the flow everywhere inside the sector."""
        rng = np.random.default_rng([self.seed, index])
        return Scene.draw(self.settings, rng).render(rng, name=f"speckle {self.seed}/{index}")
