"""EchoPWC-Net: the paper's comparison network (reference [24], Østvik et al., TMI 2021)."""

from __future__ import annotations

import keras
from keras import ops

from cpwc_keras.models.blocks import PYRAMID_FILTERS, leaky_relu
from cpwc_keras.models.pwc_net import PWCNet
from cpwc_keras.ops import cost_volume, standardize

BLOCK = 3


@keras.saving.register_keras_serializable("cpwc_keras")
class EchoPWCNet(PWCNet):
    """PWC-Net adapted to speckle as the paper tells it (I and III-B.3).

    From the text: no warping of feature maps (it would resample the speckle pattern), the first feature maps
    propagated, finer resolutions in the loss, block matching in the cost volume.

    Ours, where the text is silent: the flow is estimated down to level 1; the features of level 1, the finest there
    are, are averaged to the size of each level and shown to its estimator; the cost volume holds, for each
    displacement, the normalised cross-correlation averaged over blocks of 3 × 3 pixels; without a warp each level finds
    the whole displacement within its own search range, ±16 px at level 2 and ±8 px at level 1 of the full image.

    Args:
        finest_level: last level at which flow is estimated.
        context_levels: levels with a context network; None for the finest only, as in PWC-Net.
        **kwargs: those of `PWCNet`.
    """

    def __init__(self, finest_level: int = 1, context_levels: tuple[int, ...] | None = None, **kwargs):
        super().__init__(
            finest_level=finest_level,
            context_levels=(finest_level,) if context_levels is None else context_levels,
            normalize_cost_volume=kwargs.pop("normalize_cost_volume", True),
            **kwargs,
        )

    def estimator_input_channels(self, level: int) -> int:
        first = 0 if level == 1 else PYRAMID_FILTERS[0]
        return super().estimator_input_channels(level) + first

    def match(self, features1, features2, flow=None):
        if self.normalize_cost_volume:
            features1, features2 = standardize(features1), standardize(features2)
        cost = cost_volume(features1, features2, self.search_range)
        return leaky_relu(ops.average_pool(cost, BLOCK, strides=1, padding="same"))

    def extra_features(self, pyramid1, level: int) -> list:
        if level == 1:
            return []
        factor = 2 ** (level - 1)
        return [ops.average_pool(pyramid1[0], factor, strides=factor)]
