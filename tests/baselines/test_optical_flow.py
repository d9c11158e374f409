import numpy as np
import pytest
from scipy import ndimage

from cpwc_keras.baselines.catalog import BASELINES

RNG = np.random.default_rng(0)


def speckle(shape=(96, 112)):
    image = ndimage.gaussian_filter(RNG.normal(size=shape), 1.5)
    return ((image - image.min()) / np.ptp(image)).astype(np.float32)


@pytest.mark.parametrize("name", ["farneback", "dis"])
def test_shift_is_found_with_its_sign_in_each_pair_of_a_batch(name):
    image = speckle()
    shifts = np.array([(3.0, -2.0), (-1.5, 2.5)])  # dx, dy
    second = np.stack([ndimage.shift(image, shift[::-1], order=3, mode="nearest") for shift in shifts])
    flow = BASELINES[name](np.stack([image, image]), second.astype(np.float32))
    assert flow.shape == (2, 96, 112, 2) and flow.dtype == np.float32
    inner = flow[:, 16:-16, 16:-16].reshape(2, -1, 2)
    np.testing.assert_allclose(np.median(inner, axis=1), shifts, atol=0.1)


def test_zero_is_zero():
    image = speckle()[None]
    assert not BASELINES["zero"](image, image).any()
