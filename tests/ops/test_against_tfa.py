"""Cost volume and warp against tensorflow-addons 0.23: a small golden file always, many cases after `make oracle`."""

from collections import defaultdict
from pathlib import Path

import keras
import numpy as np
import pytest

from cpwc_keras.ops import cost_volume, warp

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests" / "data_files" / "tfa_golden.npz"
FULL = ROOT / "build" / "tfa_reference.npz"
TOLERANCE = 1e-5

if keras.backend.backend() == "tensorflow":
    import tensorflow as tf
else:
    pytest.skip("gradients are taken with TensorFlow here", allow_module_level=True)


def _cases(kind):
    for path in (GOLDEN, FULL):
        if path.is_file():
            cases = defaultdict(dict)
            with np.load(path) as arrays:
                for key in arrays.files:
                    name, index, part = key.split("/")
                    if name == kind:
                        cases[index][part] = arrays[key]
            yield from (pytest.param(case, id=f"{path.stem}-{index}") for index, case in cases.items())


def _worst(pairs):
    return max(float(np.abs(np.asarray(ours) - theirs).max()) for ours, theirs in pairs)


@pytest.mark.parametrize("case", list(_cases("cost_volume")))
def test_cost_volume(case, record_property):
    first, second = tf.Variable(case["maps1"]), tf.Variable(case["maps2"])
    with tf.GradientTape() as tape:
        out = cost_volume(first.value(), second.value(), int(case["search_range"]))
        loss = tf.reduce_sum(out * case["upstream"])
    gradient1, gradient2 = tape.gradient(loss, [first, second])
    worst = _worst([(out, case["out"]), (gradient1, case["gradient1"]), (gradient2, case["gradient2"])])
    record_property("max_difference", worst)
    assert worst <= TOLERANCE


@pytest.mark.parametrize("case", list(_cases("warp")))
def test_warp(case, record_property):
    maps, flow = tf.Variable(case["maps"]), tf.Variable(case["flow"])
    with tf.GradientTape() as tape:
        out = warp(maps.value(), flow.value())
        loss = tf.reduce_sum(out * case["upstream"])
    gradient_maps, gradient_flow = (tf.convert_to_tensor(g) for g in tape.gradient(loss, [maps, flow]))
    worst = _worst([(out, case["out"]), (gradient_maps, case["gradient_maps"]), (gradient_flow, case["gradient_flow"])])
    record_property("max_difference", worst)
    assert worst <= TOLERANCE
