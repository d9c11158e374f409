"""Procedural speckle pairs: moving scatterers, seen by a phased array of which only the point spread is simulated.

A small, fast stand-in for the physical simulation, for training without any data: a random scene in the scan plane
(a ventricle-like chamber, generic tissue, bright borders), a random smooth motion known everywhere in closed form, and
two images of the same scatterers before and after it. Speckle is fully developed: each scatterer adds a complex echo
with its own phase at twice its range, spread over a polar grid by an axial and a lateral Gaussian (II-A uses the same
scatterer model with the full physics of SIMUS). What real systems add is drawn at random: gain and its change with
depth, dynamic range, gamma, smoothing, frame averaging, thermal noise, static clutter and haze, shadows, the sector's
edge.

Every pair is a pure function of (seed, index).
"""

from cpwc_keras.data_prep.speckle.pairs import SpecklePairs, SpeckleSettings

__all__ = ["SpecklePairs", "SpeckleSettings"]
