"""The training objective: eq. (1) of the paper."""

from __future__ import annotations

import keras
from keras import ops

from cpwc_keras.models.pwc_net import FLOW_SCALE
from cpwc_keras.ops import downsample_masked_flow
from cpwc_keras.training.distribution import share_of_loss

LEVEL_WEIGHTS = {6: 0.32, 5: 0.08, 4: 0.02, 3: 0.01, 2: 0.005, 1: 0.0025}
"""α of eq. (1): FlowNet's and PWC-Net's values, continued by halving for level 1."""

_SMALLEST_SQUARE = 1e-12  # keeps the gradient of the norm finite where the estimate is exact


def multi_scale_loss(flows: list, flow, mask, levels) -> object:
    """Σ over levels of α_l Σ over pixels of ‖w_l − GT_l‖₂, averaged over the batch (eq. (1), without γ‖Θ‖²).

    The truth of a level is the mean of what is known in each of its cells, in the network's units; a cell counts by the
    known fraction, so that in transfer only the myocardium teaches (III-C.4).

    Args:
        flows: (B, H / 2**l, W / 2**l, 2) for each of `levels`, divided by `FLOW_SCALE`.
        flow: (B, H, W, 2) truth in pixels.
        mask: (B, H, W, 1), 1 where the truth is known.
        levels: pyramid level of each of `flows`.

    Returns:
        A scalar.
    """
    total = 0.0
    for estimate, level in zip(flows, levels, strict=True):
        truth, weight = downsample_masked_flow(flow, mask, 2**level)
        square = ops.sum(ops.square(estimate - truth / FLOW_SCALE), axis=-1, keepdims=True)
        total = total + LEVEL_WEIGHTS[level] * ops.sum(weight * ops.sqrt(square + _SMALLEST_SQUARE))
    return total / ops.cast(ops.shape(flow)[0], "float32")


def endpoint_error(estimate, flow, mask, level: int):
    """Sum of the error in pixels over the known part of a level, and the size of that part.

    Args:
        estimate: (B, H / 2**level, W / 2**level, 2), divided by `FLOW_SCALE`.
        flow: (B, H, W, 2) truth in pixels.
        mask: (B, H, W, 1).
        level: pyramid level of `estimate`.
    """
    truth, weight = downsample_masked_flow(flow, mask, 2**level)
    error = ops.norm(estimate * FLOW_SCALE - truth, axis=-1, keepdims=True)
    return ops.sum(error * weight), ops.sum(weight)


class FlowTrainer(keras.Model):
    """A PWC-Net with its loss, ready for `fit` on ``((image1, image2), (flow, mask))``.

    Images, flow and mask are (B, H, W, ·) with H and W multiples of 64. Logs the loss with weight decay (`loss`) and
    without (`data_loss`), and the endpoint error at the finest level (`epe`, pixels of the full grid).
    """

    def __init__(self, network, **kwargs):
        super().__init__(**kwargs)
        self.network = network
        self.data_loss = keras.metrics.Mean(name="data_loss")
        self.epe = keras.metrics.Mean(name="epe")
        self.build(None)

    def build(self, input_shape):
        self.built = True  # the network builds itself

    def call(self, inputs, training=False):
        return self.network.flow_pyramid(inputs)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """Eq. (1) with weight decay."""
        flow, mask = y
        loss = multi_scale_loss(y_pred, flow, mask, self.network.levels)
        self.data_loss.update_state(loss)
        return share_of_loss(loss + sum(self.network.losses))

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        """The logs of a step."""
        error, weight = endpoint_error(y_pred[-1], *y, self.network.finest_level)
        self.epe.update_state(error / ops.maximum(weight, 1e-6), sample_weight=weight)
        return self.get_metrics_result()
