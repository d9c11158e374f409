"""Beating hearts, simulated while a network trains: fresh speckle, motion, artifacts and image settings for each scene.

The paper trains on a fixed set of simulated sequences, since SIMUS takes hours for each. The surrogate engine takes
some 50 ms a frame: a scene (a few consecutive frames of one beat of one heart) is made, used for a few dozen pairs of
crops, and forgotten. Templates are CAMUS stills, the Alessandrini trajectories or procedural hearts.

Every pair is a pure function of (seed, index).
"""

from cpwc_keras.data_prep.hearts.pairs import HeartPairs
from cpwc_keras.data_prep.hearts.scene import SceneSettings

__all__ = ["HeartPairs", "SceneSettings"]
