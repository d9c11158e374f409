import numpy as np
import pytest

import cpwc_keras
from cpwc_keras.baselines.optical_flow import dis
from cpwc_keras.tracking.cine import track
from cpwc_keras.tracking.pair import NetworkTracker, as_tracker
from cpwc_keras.types import CineLoop

RNG = np.random.default_rng(0)


class ShiftModel:
    """What `NetworkTracker` needs of a Keras model: finds which of two offsets the frame numbers tell."""

    def __init__(self):
        self.shapes = set()

    def predict_on_batch(self, images):
        first, second = images
        assert first.dtype == np.float32 and first.shape == second.shape and first.shape[-1] == 1
        self.shapes.add(first.shape)
        sign = np.sign(second[:, :1, :1] - first[:, :1, :1])
        return sign * np.broadcast_to([3.0, -2.0], (*first.shape[:-1], 2))


def test_names_and_callables():
    assert as_tracker("dis") == (dis, "dis")
    assert as_tracker(dis) == (dis, "dis")
    assert as_tracker(NetworkTracker(ShiftModel()))[1] == "NetworkTracker"


def test_a_network_sees_a_window_that_follows_the_heart():
    """The contour moves 60 px, further than the window's margin; the window never leaves the image."""
    index = np.arange(21, dtype=np.float32)[:, None, None] / 100
    loop = CineLoop(np.broadcast_to(index, (21, 300, 400)).copy())
    contour = np.array([[20.0, 290], [15, 250], [40, 230], [65, 250], [60, 290]])
    model = ShiftModel()
    result = track(loop, contour, NetworkTracker(model), n_points=None, es=10)
    expected = contour + np.arange(21)[:, None, None] * [3, -2]
    np.testing.assert_allclose(result.points, expected, atol=1e-4)
    assert model.shapes == {(2, 128, 128, 1)}
    whole = ShiftModel()
    kept = track(loop, contour, NetworkTracker(whole), n_points=None, es=10, keep_flow=True)
    assert whole.shapes == {(2, 300, 400, 1)} and kept.flows.shape == (20, 300, 400, 2)
    np.testing.assert_allclose(kept.points, expected, atol=1e-4)


def test_a_real_network_of_random_weights_tracks():
    """The interface, not the quality: finite, of the right shape, the same twice."""
    from cpwc_keras.models import PWCNet

    tracker = NetworkTracker(PWCNet(skip_connections=False, context_levels=()))
    images = RNG.random((2, 70, 90), np.float32)
    flow = tracker(images, images[::-1])
    assert flow.shape == (2, 70, 90, 2) and flow.dtype == np.float32 and np.isfinite(flow).all()
    np.testing.assert_array_equal(flow, tracker(images, images[::-1]))


def test_the_default_is_the_shipped_preset(monkeypatch):
    from cpwc_keras.models import presets

    asked = []
    monkeypatch.setattr(presets, "load_model", lambda name: asked.append(name) or ShiftModel())
    tracker, name = as_tracker(None)
    assert name == presets.DEFAULT_PRESET and asked == [presets.DEFAULT_PRESET]
    assert as_tracker(tracker) == (tracker, name), "once resolved, it keeps its name"


def test_missing_weights_are_one_sentence(tmp_path):
    with pytest.raises(cpwc_keras.errors.InputError, match="neither a tracker"):
        as_tracker(tmp_path / "absent.h5")
