"""PWC-Net: pyramid, warping, cost volume (Sun et al., CVPR 2018; the paper's II-B.1 and reference [12])."""

from __future__ import annotations

import keras
from keras import ops

from cpwc_keras.models.blocks import (
    PYRAMID_FILTERS,
    ContextNetwork,
    FeaturePyramid,
    FlowEstimator,
    flow_head,
    flow_upsampling,
    leaky_relu,
    upsampling,
)
from cpwc_keras.models.convolutions import join
from cpwc_keras.ops import cost_volume, crop_to, native, pad_to_multiple, standardize, upsample_flow, warp
from cpwc_keras.ops.shapes import require_maps, require_same_shape

COARSEST_LEVEL = len(PYRAMID_FILTERS)
FLOW_SCALE = 20.0
"""Flows are divided by this inside the network, so that its outputs are of order one."""


@keras.saving.register_keras_serializable("cpwc_keras")
class PWCNet(keras.Model):
    """Dense motion from one image to another, coarse to fine.

    ``flow = model([image1, image2])``: two (B, H, W, C) images in [0, 1], any size; the flow is (B, H, W, 2) float32 in
    pixels, (dx, dy), such that ``warp(image2, flow) ≈ image1``. Images are padded to a multiple of 64 and the flow
    is cropped back.

    The defaults are NVlabs' PWC-Net: dense estimators, one context network at the finest level, a bare product in the
    cost volume, for gray images.

    Args:
        skip_connections: densely connected estimators (Fig. 4; Table II).
        context_levels: pyramid levels that get a context network (Fig. 3; Tables II and III); at most 6, at least
            `finest_level`.
        finest_level: last level at which flow is estimated: 2 = a quarter of the image, 1 = half.
        search_range: of the cost volume, in pixels of each level.
        normalize_cost_volume: standardise the features of each pixel first, so that the cost volume is a normalised
            cross-correlation (II-B.1).
        image_channels: 1 for gray.
        weight_decay: γ of eq. (1), an L2 penalty on all kernels.

    Raises:
        ValueError: a level outside 1 … 6, or a negative option.
    """

    def __init__(
        self,
        skip_connections: bool = True,
        context_levels: tuple[int, ...] = (2,),
        finest_level: int = 2,
        search_range: int = 4,
        normalize_cost_volume: bool = False,
        image_channels: int = 1,
        weight_decay: float = 4e-4,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if not 1 <= finest_level <= COARSEST_LEVEL:
            raise ValueError(f"finest_level must be 1 to {COARSEST_LEVEL}, got {finest_level}")
        if not set(context_levels) <= set(range(finest_level, COARSEST_LEVEL + 1)):
            raise ValueError(f"context_levels must lie in {finest_level} to {COARSEST_LEVEL}, got {context_levels}")
        if search_range < 0 or weight_decay < 0 or image_channels < 1:
            raise ValueError("search_range and weight_decay must not be negative, image_channels at least 1")
        self.skip_connections = skip_connections
        self.context_levels = tuple(sorted(context_levels))
        self.finest_level = finest_level
        self.search_range = search_range
        self.normalize_cost_volume = normalize_cost_volume
        self.image_channels = image_channels
        self.weight_decay = weight_decay

        decay = {"weight_decay": weight_decay}
        self.pyramid = FeaturePyramid(name="pyramid", **decay)
        self.estimators, self.heads, self.contexts = {}, {}, {}
        self.flow_upsamplings, self.feature_upsamplings = {}, {}
        for level in self.levels:
            key = str(level)  # Keras saves the layers of a dictionary under its keys, which must be strings
            self.estimators[key] = FlowEstimator(skip_connections=skip_connections, name=f"estimator{level}", **decay)
            self.heads[key] = flow_head(name=f"flow{level}", **decay)
            if level in self.context_levels:
                self.contexts[key] = ContextNetwork(name=f"context{level}", **decay)
            if level > finest_level:
                self.flow_upsamplings[key] = flow_upsampling(name=f"upsample_flow{level}", **decay)
                self.feature_upsamplings[key] = upsampling(name=f"upsample_features{level}", **decay)
        self.build([(None, None, None, image_channels)] * 2)

    @property
    def levels(self) -> range:
        """Pyramid levels at which flow is estimated, coarsest first."""
        return range(COARSEST_LEVEL, self.finest_level - 1, -1)

    def estimator_input_channels(self, level: int) -> int:
        """Channels the estimator of a level sees: the cost volume and, below the coarsest level, what came before."""
        cost = (2 * self.search_range + 1) ** 2
        # The features of image 1, and two channels each of upsampled flow and upsampled features.
        return cost if level == COARSEST_LEVEL else cost + PYRAMID_FILTERS[level - 1] + 4

    def build(self, input_shape):
        # Weights do not depend on the image size: everything is built at once, so that weights can be counted and
        # loaded before the first call.
        if self.built:
            return
        self.pyramid.build((None, None, None, self.image_channels))
        for level in self.levels:
            key = str(level)
            estimator_input = (None, None, None, self.estimator_input_channels(level))
            self.estimators[key].build(estimator_input)
            features = (None, None, None, self.estimators[key].output_channels(estimator_input[-1]))
            self.heads[key].build(features)
            if key in self.contexts:
                self.contexts[key].build(features)
            if key in self.flow_upsamplings:
                self.flow_upsamplings[key].build((None, None, None, 2))
                self.feature_upsamplings[key].build(features)
        self.built = True

    def call(self, inputs):
        image1, image2 = inputs
        require_maps("image1", image1.shape, channels=self.image_channels)
        require_same_shape("image1", image1.shape, "image2", image2.shape)
        height, width = ops.shape(image1)[1:3]
        # Both images in one batch: twice the work for each convolution call, half the calls.
        maps = self.features(ops.concatenate([image1, image2], axis=0))
        return crop_to(self.flow_between(*_halves(maps)), height, width)

    def features(self, images) -> list:
        """What is computed of each image alone; `flow_between` needs nothing else of it.

        Args:
            images: (B, H, W, C) in [0, 1].

        Returns:
            the feature pyramid, level 1 first: (B, H' / 2**level, W' / 2**level, ·), H' and W' padded to multiples of
            64.
        """
        require_maps("images", images.shape, channels=self.image_channels)
        return self.pyramid(pad_to_multiple(images, 2**COARSEST_LEVEL))

    def flow_between(self, features1: list, features2: list):
        """The flow from one image to another, given the `features` of each.

        Returns:
            (B, H', W', 2) float32 px, of the padded size.
        """
        return upsample_flow(self._flows(features1, features2)[-1] * FLOW_SCALE, 2**self.finest_level)

    def flow_pyramid(self, inputs) -> list:
        """The flow at every level, coarsest first, divided by `FLOW_SCALE`: what the loss of eq. (1) compares.

        Args:
            inputs: two (B, H, W, C) images, H and W multiples of 64.

        Returns:
            (B, H / 2**level, W / 2**level, 2) float32 for each of `levels`.
        """
        return self._flows(*_halves(self.pyramid(ops.concatenate(inputs, axis=0))))

    def _flows(self, pyramid1: list, pyramid2: list) -> list:
        flow = features = None
        flows = []
        for level in self.levels:
            key, features1, features2 = str(level), pyramid1[level - 1], pyramid2[level - 1]
            if flow is None:
                seen = [self.match(features1, features2)]
            else:
                above = str(level + 1)
                flow = self.flow_upsamplings[above](flow)
                features = self.feature_upsamplings[above](features)
                cost = self.match(features1, features2, flow * (FLOW_SCALE / 2**level))
                seen = [cost, features1, ops.cast(flow, features1.dtype), features]
            seen += self.extra_features(pyramid1, level)
            features = self.estimators[key](join(seen))
            flow = self.heads[key](features)
            if key in self.contexts:
                flow = flow + self.contexts[key](features)
            flows.append(flow)
        return flows

    def match(self, features1, features2, flow=None):
        """The cost volume of a level: image 2's features are warped by the flow so far (in pixels of the level)."""
        if flow is not None:
            features2 = warp(features2, flow)
        if self.normalize_cost_volume:  # last: what a warp interpolates has no longer unit variance
            features1, features2 = standardize(features1), standardize(features2)
        return leaky_relu(cost_volume(features1, features2, self.search_range))

    def extra_features(self, pyramid1, level: int) -> list:
        """Further maps an estimator sees; none here, a place for variants."""
        return []

    def export(self, *arguments, **options):
        """As `keras.Model.export`; what is exported calls nothing of this process (`cpwc_keras.ops.native`)."""
        with native.portable():
            return super().export(*arguments, **options)

    def get_config(self):
        return {
            **super().get_config(),
            "skip_connections": self.skip_connections,
            "context_levels": self.context_levels,
            "finest_level": self.finest_level,
            "search_range": self.search_range,
            "normalize_cost_volume": self.normalize_cost_volume,
            "image_channels": self.image_channels,
            "weight_decay": self.weight_decay,
        }


def _halves(maps: list) -> tuple[list, list]:
    """The first half of each batch, and the second."""
    halves = [ops.split(level, 2, axis=0) for level in maps]
    return [first for first, _ in halves], [second for _, second in halves]
