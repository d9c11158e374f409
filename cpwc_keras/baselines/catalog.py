"""The trackers without a network, by the names the command line gives them."""

from __future__ import annotations

from cpwc_keras.baselines.block_matching import fft_xcorr
from cpwc_keras.baselines.optical_flow import dis, farneback, zero

BASELINES = {"zero": zero, "fft-xcorr": fft_xcorr, "farneback": farneback, "dis": dis}
"""Name on the command line → tracker."""
