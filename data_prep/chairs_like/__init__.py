"""Pairs of images in the manner of FlyingChairs, without its download: textured shapes flying over a background.

A background moves by a random affine map; objects of random shape and texture move relative to it, each by its own
affine map, some of them deforming smoothly; nearer objects hide farther ones. Textures are photographs from a folder or
procedural. The motion follows the distributions of FlyingChairs, the flow is known in closed form at every pixel.

Every pair is a pure function of (settings, seed, index).

References:
    Dosovitskiy et al., FlowNet: learning optical flow with convolutional networks, ICCV 2015.
    Mayer et al., What makes good synthetic training data for learning disparity and optical flow estimation?, IJCV
    2018.
"""

from cpwc_keras.data_prep.chairs_like.pairs import ChairsLikePairs
from cpwc_keras.data_prep.chairs_like.settings import ChairsLikeSettings

__all__ = ["ChairsLikePairs", "ChairsLikeSettings"]
