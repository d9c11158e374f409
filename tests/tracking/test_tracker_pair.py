import numpy as np
import pytest

import cpwc_keras
from cpwc_keras.baselines.optical_flow import dis
from cpwc_keras.errors import InputError
from cpwc_keras.models import presets
from cpwc_keras.tracking import pair
from cpwc_keras.tracking.cine import track
from cpwc_keras.tracking.pair import NetworkTracker, as_tracker, estimate, names_network
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
    tracker, name = as_tracker("dis")
    pair = np.random.default_rng(0).random((2, 1, 40, 48), dtype=np.float32)
    np.testing.assert_array_equal(tracker(*pair), dis(*pair))
    assert name == "dis" and as_tracker(dis) == (dis, "dis")
    assert as_tracker(NetworkTracker(ShiftModel()))[1] == "NetworkTracker"


def test_a_network_sees_a_window_that_follows_the_heart():
    """The contour moves 60 px, further than the window's margin; the window never leaves the image."""
    index = np.arange(21, dtype=np.float32)[:, None, None] / 100
    loop = CineLoop(np.broadcast_to(index, (21, 300, 400)).copy())
    contour = np.array([[20.0, 290], [15, 250], [40, 230], [65, 250], [60, 290]])
    model = ShiftModel()
    result = track(loop, contour, NetworkTracker(model), n_points=None, es=10, reach=1)
    expected = contour + np.arange(21)[:, None, None] * [3, -2]
    np.testing.assert_allclose(result.points, expected, atol=1e-4)
    assert model.shapes == {(2, 128, 128, 1)}
    whole = ShiftModel()
    kept = track(loop, contour, NetworkTracker(whole), n_points=None, es=10, keep_flow=True, reach=1)
    assert whole.shapes == {(2, 300, 400, 1)} and kept.flows.shape == (20, 300, 400, 2)
    np.testing.assert_allclose(kept.points, expected, atol=1e-4)


def test_a_real_network_of_random_weights_tracks():
    """The interface, not the quality: finite, of the right shape, the same twice."""
    from cpwc_keras.models import PWCNet

    tracker = NetworkTracker(PWCNet(skip_connections=False, context_levels=(), finest_level=5, search_range=1))
    images = RNG.random((2, 70, 90), np.float32)
    flow = tracker(images, images[::-1])
    assert flow.shape == (2, 70, 90, 2) and flow.dtype == np.float32 and np.isfinite(flow).all()
    np.testing.assert_array_equal(flow, tracker(images, images[::-1]))


def test_the_default_is_the_shipped_preset(monkeypatch):
    asked = []
    monkeypatch.setattr(presets, "load_model", lambda name, precision: asked.append(name) or ShiftModel())
    tracker, name = as_tracker(None)
    assert name == presets.DEFAULT_PRESET and asked == [presets.DEFAULT_PRESET]
    assert as_tracker(tracker) == (tracker, name), "once resolved, it keeps its name"


def test_missing_weights_are_one_sentence(tmp_path):
    with pytest.raises(cpwc_keras.errors.InputError, match="neither a tracker"):
        as_tracker(tmp_path / "absent.h5")


IMAGES = RNG.random((2, 8, 9), np.float32)


def test_every_kind_of_name(tmp_path, monkeypatch):
    """Baselines, a stranger's ONNX model and functions: none of them needs Keras; a file comes before a function."""
    asked = []
    for kind in ("onnx_tracker", "python_tracker"):
        monkeypatch.setattr(pair, kind, lambda spec, kind=kind: asked.append((kind, spec)) or dis)
    assert as_tracker("models/Mine.ONNX") == (dis, "Mine.ONNX")
    assert as_tracker("package.module:track") == (dis, "package.module:track")
    assert as_tracker(tmp_path / "mine.py:Track") == (dis, "mine.py:Track")
    assert [kind for kind, _ in asked] == ["onnx_tracker", "python_tracker", "python_tracker"]
    assert as_tracker("fft-xcorr")[1] == "fft-xcorr"
    for spec in ("zero", "fft-xcorr", "x.onnx", "module:function", "C:/folder/file.py:function"):
        assert not names_network(spec), spec
    (tmp_path / "weights:v2").touch()
    for spec in (None, presets.DEFAULT_PRESET, "C:/network.h5", "nonsense", tmp_path / "weights:v2"):
        assert names_network(spec), spec


def flow_or_complaint(tracker):
    try:
        return estimate(tracker, IMAGES, IMAGES[::-1])
    except cpwc_keras.errors.InputError as error:
        assert "\n" not in str(error)
        return str(error)


def test_whatever_a_strangers_tracker_returns_is_a_flow_or_one_sentence():
    zeros = np.zeros((2, 8, 9, 2))
    hole = zeros.copy()
    hole[1, 3, 4, 0], hole[0, 0, 0] = np.nan, np.inf
    flow = flow_or_complaint(lambda *_: zeros.tolist())
    assert flow.dtype == np.float32 and not flow.any()
    for returned, found in (
        (zeros[0], r"ndarray of shape (8, 9, 2) for images (2, 8, 9), expected (2, 8, 9, 2)"),
        (np.moveaxis(zeros, -1, 1), "shape (2, 2, 8, 9)"),
        (None, "NoneType of shape ()"),
        ("flow", "str, which is no array"),
        ([[1.0], [2.0, 3.0]], "list, which is no array"),
        (hole, "NaN or infinite motion at 2 of 144 pixels"),
    ):
        assert found in flow_or_complaint(lambda *_, returned=returned: returned)


def test_an_exception_of_a_stranger_is_named_but_ctrl_c_passes():
    def failing(error):
        def tracker(first, second):
            raise error

        return tracker

    complaint = flow_or_complaint(failing(RuntimeError("no GPU\non Mondays.")))
    assert complaint == "The tracker failed with RuntimeError: no GPU on Mondays."
    assert flow_or_complaint(failing(cpwc_keras.errors.InputError("Said already."))) == "Said already."
    for passing in (KeyboardInterrupt(), MemoryError()):
        with pytest.raises(type(passing)):
            estimate(failing(passing), IMAGES, IMAGES)


def test_a_tracker_may_write_into_its_images():
    before = IMAGES.copy()

    def careless(first, second):
        assert first.flags.c_contiguous and second.flags.c_contiguous
        first *= 255
        np.testing.assert_array_equal(second, before[::-1])
        return np.zeros((*first.shape, 2))

    estimate(careless, IMAGES, IMAGES[::-1])
    np.testing.assert_array_equal(IMAGES, before)


def test_a_file_without_its_function(tmp_path):
    (tmp_path / "own.py").write_text("def flow(a, b): pass\n")
    with pytest.raises(InputError, match=r"which function of it\? Name it: .*own\.py:flow"):
        as_tracker(tmp_path / "own.py")
