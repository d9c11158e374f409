"""Both directions from features computed once are those of two calls."""

import keras
import numpy as np
import pytest

from cpwc_keras.models import EchoPWCNet, PWCNet
from cpwc_keras.tracking.both_ways import BothWays
from cpwc_keras.tracking.pair import NetworkTracker, estimate, estimate_both

SMALL = {"skip_connections": False, "finest_level": 5, "context_levels": (5,), "search_range": 1}


@pytest.fixture(scope="module", params=[PWCNet, EchoPWCNet])
def tracker(request):
    keras.utils.set_random_seed(0)
    return NetworkTracker(request.param(**SMALL))


@pytest.fixture(scope="module")
def both():
    return BothWays(PWCNet(**SMALL))


@pytest.mark.parametrize("shape", [(64, 128), (70, 50)])
def test_they_are_those_of_two_calls(tracker, shape):
    images = np.random.default_rng(0).random((2, *shape), dtype=np.float32)
    expected = estimate(tracker, images, images[::-1])
    found = estimate_both(tracker, *images)
    for one, other in zip(found, expected, strict=True):
        assert one.shape == (*shape, 2)
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_an_image_s_features_are_computed_once_and_few_are_kept(both, monkeypatch):
    images = np.random.default_rng(1).random((9, 64, 64), dtype=np.float32)
    calls = []
    compute = both._features.predict_on_batch
    monkeypatch.setattr(both._features, "predict_on_batch", lambda image: calls.append(1) or compute(image))
    flows = [both(images[k], images[k + 1]) for k in range(8)]
    assert len(calls) == 9
    assert len(both._kept) == 4
    again = both(images[0], images[1])
    np.testing.assert_array_equal(again[0], flows[0][0])
    assert len(calls) == 11


def test_images_of_equal_bytes_and_another_shape_are_told_apart(both):
    wide = np.random.default_rng(2).random((64, 128), dtype=np.float32)
    tall = wide.reshape(128, 64)
    assert both(wide, wide)[0].shape == (64, 128, 2)
    assert both(tall, tall)[0].shape == (128, 64, 2)
