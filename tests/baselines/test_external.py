import sys

import numpy as np
import pytest

from cpwc_keras.baselines.external import last_line, onnx_tracker, python_tracker
from cpwc_keras.errors import InputError

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
from onnx import TensorProto, helper  # noqa: E402

RNG = np.random.default_rng(0)
FIRST, SECOND = RNG.random((2, 3, 20, 30), np.float32)


def model(path, inputs, nodes, outputs, types=TensorProto.FLOAT, constants=()):
    """Write an ONNX model of a few nodes; shapes hold numbers, or names for open sizes."""
    ends = [[helper.make_tensor_value_info(name, types, shape) for name, shape in x] for x in (inputs, outputs)]
    graph = helper.make_graph(nodes, "tracker", *ends, initializer=list(constants))
    content = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(content)
    onnx.save(content, path)
    return path


def difference_and_sum(path, shape, axis, out_shape=None, types=TensorProto.FLOAT):
    """Two inputs: the flow is (image2 - image1, image1 + image2) of the first channel."""
    ends = [helper.make_tensor(n, TensorProto.INT64, [1], [v]) for n, v in (("start", 0), ("stop", 1), ("axis", axis))]
    nodes = [
        helper.make_node("Sub", ["b", "a"], ["d"]),
        helper.make_node("Add", ["a", "b"], ["s"]),
        helper.make_node("Slice", ["d", "start", "stop", "axis"], ["dx"]),
        helper.make_node("Slice", ["s", "start", "stop", "axis"], ["dy"]),
        helper.make_node("Concat", ["dx", "dy"], ["flow"], axis=axis),
    ]
    out_shape = out_shape or [2 if k == axis else f"o{k}" for k in range(4)]
    return model(path, [("a", shape), ("b", shape)], nodes, [("flow", out_shape)], types, ends)


def stacked(path, shape, axis, channels):
    """One input: the same flow from the first and the last of the stacked channels."""
    sizes = [1] + [channels - 2] * (channels > 2) + [1]
    split = helper.make_tensor("split", TensorProto.INT64, [len(sizes)], sizes)
    names = ["a", "middle", "b"] if channels > 2 else ["a", "b"]
    nodes = [
        helper.make_node("Split", ["pair", "split"], names, axis=axis),
        helper.make_node("Sub", ["b", "a"], ["dx"]),
        helper.make_node("Add", ["a", "b"], ["dy"]),
        helper.make_node("Concat", ["dx", "dy"], ["flow"], axis=axis),
    ]
    outputs = [("flow", [2 if k == axis else f"o{k}" for k in range(4)])]
    return model(path, [("pair", shape)], nodes, outputs, constants=[split])


EXPECTED = np.stack([SECOND - FIRST, FIRST + SECOND], -1)


@pytest.mark.parametrize(
    ("shape", "axis"),
    [
        (["B", "H", "W", 1], 3),
        (["B", "H", "W", 3], 3),
        (["B", 1, "H", "W"], 1),
        (["B", 3, "H", "W"], 1),
        ([1, 1, 20, 30], 1),
        ([2, "H", "W", 1], 3),
        ([1, 3, 32, 64], 1),
        ([4, 24, 30, 1], 3),
    ],
)
def test_two_inputs_in_any_layout_and_size(tmp_path, shape, axis):
    tracker = onnx_tracker(difference_and_sum(tmp_path / "t.onnx", shape, axis))
    flow = tracker(FIRST, SECOND)
    assert flow.shape == EXPECTED.shape and flow.dtype == np.float32 and tracker.__name__ == "t.onnx"
    np.testing.assert_allclose(flow, EXPECTED, atol=1e-6)


@pytest.mark.parametrize(("axis", "channels"), [(1, 2), (3, 2), (1, 6), (3, 6)])
def test_one_input_with_both_images_stacked(tmp_path, axis, channels):
    shape = [channels if k == axis else f"n{k}" for k in range(4)]
    flow = onnx_tracker(stacked(tmp_path / "t.onnx", shape, axis, channels))(FIRST, SECOND)
    np.testing.assert_allclose(flow, EXPECTED, atol=1e-6)


def test_half_precision(tmp_path):
    path = difference_and_sum(tmp_path / "t.onnx", ["B", "H", "W", 1], 3, types=TensorProto.FLOAT16)
    flow = onnx_tracker(path)(FIRST, SECOND)
    assert flow.dtype == np.float32
    np.testing.assert_allclose(flow, EXPECTED, atol=2e-3)


def test_padding_repeats_the_edge(tmp_path):
    """A model that looks to the right and below sees the edge again, not black."""
    starts = helper.make_tensor("s", TensorProto.INT64, [2], [4, 4])
    ends = helper.make_tensor("e", TensorProto.INT64, [2], [24, 34])
    axes = helper.make_tensor("x", TensorProto.INT64, [2], [2, 3])
    nodes = [
        helper.make_node("Slice", ["a", "s", "e", "x"], ["dx"]),
        helper.make_node("Slice", ["b", "s", "e", "x"], ["dy"]),
        helper.make_node("Concat", ["dx", "dy"], ["half"], axis=1),
        helper.make_node("Pad", ["half", "pads"], ["flow"], mode="edge"),
    ]
    pads = helper.make_tensor("pads", TensorProto.INT64, [8], [0, 0, 0, 0, 0, 0, 4, 4])
    shape = [1, 1, 24, 34]
    ends_ = [("flow", [1, 2, 24, 34])]
    path = model(tmp_path / "t.onnx", [("a", shape), ("b", shape)], nodes, ends_, constants=[starts, ends, axes, pads])
    flow = onnx_tracker(path)(FIRST[:1], SECOND[:1])[0]
    np.testing.assert_array_equal(flow[-5:, -5:, 0], np.pad(FIRST[0], ((0, 4), (0, 4)), mode="edge")[-5:, -5:])


def test_the_full_size_flow_is_taken_among_outputs(tmp_path):
    zeros = helper.make_tensor("z", TensorProto.FLOAT, [1, 2, 5, 7], np.zeros(70))
    nodes = [
        helper.make_node("Identity", ["z"], ["low"]),
        helper.make_node("Concat", ["a", "b"], ["flow"], axis=1),
    ]
    shape = ["B", 1, "H", "W"]
    outputs = [("low", [1, 2, 5, 7]), ("flow", ["B", 2, "H", "W"])]
    path = model(tmp_path / "t.onnx", [("a", shape), ("b", shape)], nodes, outputs, constants=[zeros])
    np.testing.assert_array_equal(onnx_tracker(path)(FIRST, SECOND), np.stack([FIRST, SECOND], -1))


def test_our_own_network_as_onnx_tracks_as_in_keras(tmp_path):
    keras = pytest.importorskip("keras")
    pytest.importorskip("tf2onnx")
    if keras.backend.backend() != "tensorflow":
        pytest.skip("exported with TensorFlow")
    from cpwc_keras.models import CPWCNet
    from cpwc_keras.tracking.pair import NetworkTracker

    keras.utils.set_random_seed(4)
    network = CPWCNet(skip_connections=False, context_levels=(), finest_level=4, search_range=1)
    for level in network.levels:
        network.heads[str(level)].kernel.assign(network.heads[str(level)].kernel * 100)
    signature = [[keras.InputSpec(shape=(1, 64, 128, 1), dtype="float32")] * 2]
    network.export(tmp_path / "network.onnx", format="onnx", input_signature=signature, verbose=False)
    first, second = RNG.random((2, 3, 64, 128), np.float32)
    flow = NetworkTracker(network)(first, second)
    assert np.abs(flow).max() > 0.1
    np.testing.assert_allclose(onnx_tracker(tmp_path / "network.onnx")(first, second), flow, atol=1e-3)


@pytest.mark.parametrize(
    ("inputs", "found"),
    [
        ([("a", ["B", "H", "W", 1])], r"a tensor\(float\)\['B', 'H', 'W', 1\]"),
        ([("a", ["B", "H", "W", "C"]), ("b", ["B", "H", "W", "C"])], "two inputs"),
        ([("a", ["B", "H", "W", 1]), ("b", ["B", 1, "H", "W"])], "stacked"),
        ([("a", ["B", "H", "W"]), ("b", ["B", "H", "W"])], r"\(B, H, W, C\)"),
        ([("a", ["B", 3, "H", 3]), ("b", ["B", 3, "H", 3])], "two inputs"),
        ([(n, ["B", "H", "W", 1]) for n in "abc"], "two inputs"),
    ],
)
def test_inputs_of_another_kind_are_one_sentence(tmp_path, inputs, found):
    path = model(tmp_path / "t.onnx", inputs, [helper.make_node("Identity", ["a"], ["o"])], [("o", inputs[0][1])])
    with pytest.raises(InputError, match=found) as error:
        onnx_tracker(path)
    assert str(path) in str(error.value) and "\n" not in str(error.value)


def test_whole_numbers_are_no_images(tmp_path):
    shape = ["B", "H", "W", 1]
    node = helper.make_node("Identity", ["a"], ["o"])
    path = model(tmp_path / "t.onnx", [("a", shape), ("b", shape)], [node], [("o", shape)], TensorProto.UINT8)
    with pytest.raises(InputError, match="uint8"):
        onnx_tracker(path)


def test_too_small_a_model_and_outputs_that_are_no_flow(tmp_path):
    small = onnx_tracker(difference_and_sum(tmp_path / "small.onnx", [1, 16, 30, 1], 3))
    with pytest.raises(InputError, match="16×30 images, expected one for at least 20×30"):
        small(FIRST, SECOND)
    shape = ["B", "H", "W", 1]
    node = helper.make_node("Sub", ["b", "a"], ["o"])
    gray = onnx_tracker(model(tmp_path / "gray.onnx", [("a", shape), ("b", shape)], [node], [("o", shape)]))
    with pytest.raises(InputError, match=r"\(3, 20, 30, 1\), expected exactly one flow of shape \(3, 20, 30, 2\)"):
        gray(FIRST, SECOND)
    nodes = [helper.make_node("Concat", ["a", "b"], [name], axis=3) for name in "op"]
    outputs = [(name, ["B", "H", "W", 2]) for name in "op"]
    twice = onnx_tracker(model(tmp_path / "twice.onnx", [("a", shape), ("b", shape)], nodes, outputs))
    with pytest.raises(InputError, match="exactly one flow"):
        twice(FIRST, SECOND)


def test_files_that_are_no_model(tmp_path):
    (tmp_path / "t.onnx").write_bytes(b"nothing of the kind")
    with pytest.raises(InputError, match="no model that onnxruntime can load") as error:
        onnx_tracker(tmp_path / "t.onnx")
    assert "\n" not in str(error.value)
    with pytest.raises(InputError, match="cannot be opened"):
        onnx_tracker(tmp_path / "absent.onnx")


def test_without_onnxruntime_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(InputError, match=r"pip install 'cpwc-keras\[export\]'"):
        onnx_tracker(tmp_path / "t.onnx")


CODE = """
from dataclasses import dataclass
import numpy as np
from beside_it import GAIN

def difference(first, second):
    return np.stack([second - first, GAIN * first], -1)

@dataclass
class Tracker:
    gain: float = GAIN
    def __call__(self, first, second):
        return difference(first, second)

class Needy:
    def __init__(self, weights): ...

instance, number = Tracker(), 3
"""


@pytest.fixture
def strangers_file(tmp_path, monkeypatch):
    (tmp_path / "strangers_tracker.py").write_text(CODE)
    (tmp_path / "beside_it.py").write_text("GAIN = 2.0")
    monkeypatch.setattr(sys, "path", sys.path[:])
    yield tmp_path / "strangers_tracker.py"
    for name in ("strangers_tracker", "beside_it", "cpwc_keras_tracker_strangers_tracker"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize("name", ["difference", "Tracker", "instance"])
def test_functions_classes_and_instances_of_a_file(strangers_file, name):
    flow = python_tracker(f"{strangers_file}:{name}")(FIRST, SECOND)
    np.testing.assert_array_equal(flow, np.stack([SECOND - FIRST, 2 * FIRST], -1))


def test_a_module_of_the_current_folder_and_one_that_is_installed(strangers_file, monkeypatch):
    monkeypatch.chdir(strangers_file.parent)
    np.testing.assert_array_equal(python_tracker("strangers_tracker:difference")(FIRST, SECOND)[..., 1], 2 * FIRST)
    from cpwc_keras.baselines.optical_flow import zero

    assert python_tracker("cpwc_keras.baselines.optical_flow:zero") is zero


@pytest.mark.parametrize(
    ("content", "name", "found"),
    [
        (CODE, "absent", "has no 'absent'"),
        (CODE, "number", "type int, which cannot be called"),
        (CODE, "Needy", r"instantiated without arguments: TypeError: .*weights"),
        ("import not_a_module_of_anyone", "f", "ModuleNotFoundError: No module named 'not_a_module_of_anyone'"),
        ("def f(:", "f", "SyntaxError"),
        ("1 / 0", "f", "ZeroDivisionError: division by zero"),
        ("raise SystemExit('no GPU')", "f", "SystemExit: no GPU"),
        ("raise ValueError('two\\nlines')", "f", "ValueError: two lines"),
    ],
)
def test_code_that_cannot_be_used_is_one_sentence(strangers_file, content, name, found):
    strangers_file.write_text(content)
    with pytest.raises(InputError, match=found) as error:
        python_tracker(f"{strangers_file}:{name}")
    assert "\n" not in str(error.value) and str(error.value).startswith(f"{strangers_file}:{name}")


def test_what_is_not_there(tmp_path):
    with pytest.raises(InputError, match=r"absent\.py: cannot be opened"):
        python_tracker(f"{tmp_path}/absent.py:f")
    with pytest.raises(InputError, match="ModuleNotFoundError"):
        python_tracker("no_such_package.tracker:f")


def test_ctrl_c_and_no_memory_are_not_swallowed(strangers_file):
    for name in ("KeyboardInterrupt", "MemoryError"):
        strangers_file.write_text(f"raise {name}")
        with pytest.raises((KeyboardInterrupt, MemoryError)):
            python_tracker(f"{strangers_file}:f")


def test_long_messages_are_cut():
    assert len(last_line(ValueError("x" * 1000))) == 300
