"""c-PWC-Net: the paper's customised PWC-Net (II-B.2)."""

from __future__ import annotations

import keras

from cpwc_keras.models.pwc_net import COARSEST_LEVEL, PWCNet


@keras.saving.register_keras_serializable("cpwc_keras")
class CPWCNet(PWCNet):
    """PWC-Net with a context network at each level, dense estimators and a normalised cross-correlation.

    14,078,762 parameters with the defaults: the "14M" of III-C.1. Called and configured as `PWCNet`.

    Args:
        skip_connections: densely connected estimators (Fig. 4; Table II).
        context_levels: levels with a context network; None for all from 6 to `finest_level` (Fig. 3; Table III).
        finest_level: last level at which flow is estimated: 2 = a quarter of the image, 1 = half.
        search_range: of the cost volume, in pixels of each level.
        normalize_cost_volume: the paper's normalised cross-correlation (II-B.1) instead of the bare product.
        **kwargs: `image_channels`, `weight_decay`, and those of `keras.Model`.
    """

    def __init__(
        self,
        skip_connections: bool = True,
        context_levels: tuple[int, ...] | None = None,
        finest_level: int = 2,
        search_range: int = 4,
        normalize_cost_volume: bool = True,
        **kwargs,
    ):
        super().__init__(
            skip_connections=skip_connections,
            context_levels=tuple(range(finest_level, COARSEST_LEVEL + 1)) if context_levels is None else context_levels,
            finest_level=finest_level,
            search_range=search_range,
            normalize_cost_volume=normalize_cost_volume,
            **kwargs,
        )

    @classmethod
    def from_preset(cls, name: str) -> CPWCNet:
        """The network with the weights of a shipped preset (`cpwc_keras.models.presets`).

        Raises:
            InputError: there is no such preset, or its file is damaged.
        """
        from cpwc_keras.models.presets import load_preset

        return load_preset(name)
