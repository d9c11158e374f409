"""The network's own operations, in `keras.ops` alone: any backend, static or dynamic sizes."""

from cpwc_keras.ops.cost_volume import cost_volume, standardize
from cpwc_keras.ops.resize import crop_to, downsample_masked_flow, pad_to_multiple, upsample_flow
from cpwc_keras.ops.warp import warp

__all__ = [
    "cost_volume",
    "crop_to",
    "downsample_masked_flow",
    "pad_to_multiple",
    "standardize",
    "upsample_flow",
    "warp",
]
