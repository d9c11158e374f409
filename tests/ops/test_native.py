"""The compiled cost volume: the portable one's values and gradients, or the portable one itself."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cpwc_keras.ops import cost_volume, native

if keras.backend.backend() == "tensorflow":
    import tensorflow as tf

    from cpwc_keras.ops.native import threads
else:
    pytest.skip("TensorFlow alone is given compiled ops", allow_module_level=True)

SHAPES = st.tuples(st.integers(1, 3), st.integers(1, 20), st.integers(1, 40), st.integers(1, 40))


@pytest.fixture
def doubted():
    """The check against NumPy is made anew, before and after."""
    native._trusted.cache_clear()
    yield
    native._trusted.cache_clear()


def maps_and_upstream(shape, r, seed, dtype="float32"):
    rng = np.random.default_rng(seed)
    shapes = shape, shape, (*shape[:3], (2 * r + 1) ** 2)
    return [tf.cast(rng.standard_normal(each).astype(np.float32), dtype) for each in shapes]


def values_and_gradients(maps1, maps2, upstream, r):
    with tf.GradientTape() as tape:
        tape.watch([maps1, maps2])
        out = cost_volume(maps1, maps2, r)
    return [out, *tape.gradient(out, [maps1, maps2], output_gradients=upstream)]


@settings(max_examples=25, deadline=None)
@given(shape=SHAPES, r=st.integers(0, 6), seed=st.integers(0, 2**31))
def test_equals_the_portable_form(shape, r, seed):
    given_maps = maps_and_upstream(shape, r, seed)
    assert native.takes(given_maps[0])
    ours = values_and_gradients(*given_maps, r)
    with native.portable():
        theirs = values_and_gradients(*given_maps, r)
    for one, other in zip(ours, theirs, strict=True):
        assert one.shape == other.shape
        np.testing.assert_allclose(one, other, atol=1e-5)


@settings(max_examples=15, deadline=None)
@given(shape=SHAPES, r=st.integers(0, 5), seed=st.integers(0, 2**31))
def test_bfloat16_is_rounded_once(shape, r, seed):
    given_maps = maps_and_upstream(shape, r, seed, "bfloat16")
    ours = values_and_gradients(*given_maps, r)
    exact = values_and_gradients(*(tf.cast(maps, "float32") for maps in given_maps), r)
    for one, other in zip(ours, exact, strict=True):
        assert one.dtype == tf.bfloat16
        np.testing.assert_array_equal(tf.cast(one, "float32"), tf.cast(tf.cast(other, "bfloat16"), "float32"))


def test_what_is_not_finite_stays_where_it_is():
    maps1, maps2 = np.ones((2, 1, 10, 40, 19), np.float32)
    maps1[0, 2, 3], maps2[0, 6, 20] = np.nan, np.inf
    for dtype in ("float32", "bfloat16"):
        out = tf.cast(cost_volume(tf.cast(maps1, dtype), tf.cast(maps2, dtype), 2), "float32").numpy()[0]
        assert np.isnan(out[2, 3]).all()
        assert np.isnan(out).sum() == 25
        assert np.isinf(out).sum() == 25


def test_the_same_bytes_for_any_number_of_threads(monkeypatch):
    shape, r = (1, 37, 50, 24), 4
    given_maps = [maps.numpy() for maps in maps_and_upstream(shape, r, 3)]
    found = []
    for count in (1, 2, 3, 7):
        monkeypatch.setattr(threads, "_threads", lambda count=count: count)
        found.append((threads.cost_volume(*given_maps[:2], r), *threads.gradients(given_maps[2], *given_maps[:2], r)))
    for others in found[1:]:
        for one, other in zip(found[0], others, strict=True):
            assert one.tobytes() == other.tobytes()


def test_many_callers_at_once():
    given_maps = maps_and_upstream((1, 40, 48, 32), 4, 5)
    alone = cost_volume(*given_maps[:2]).numpy()
    with ThreadPoolExecutor(8) as pool:
        for together in pool.map(lambda _: cost_volume(*given_maps[:2]).numpy(), range(24)):
            np.testing.assert_array_equal(together, alone)


def test_sizes_known_only_when_the_graph_runs():
    @tf.function(input_signature=[tf.TensorSpec((None, None, None, 8))] * 2)
    def graph(maps1, maps2):
        out = cost_volume(maps1, maps2, 2)
        assert out.shape.as_list() == [None, None, None, 25]
        return out, tf.gradients(out, [maps1, maps2])

    for height in (5, 9):
        given_maps = maps_and_upstream((2, height, 7, 8), 2, height)
        out, gradients = graph(*given_maps[:2])
        eager = values_and_gradients(*given_maps[:2], tf.ones_like(out), 2)
        for one, other in zip([out, *gradients], eager, strict=True):
            np.testing.assert_array_equal(one, other)


def test_what_is_left_to_the_portable_form(monkeypatch):
    maps = tf.zeros((1, 4, 4, 2))
    assert native.takes(maps)
    assert not native.takes(np.zeros((1, 4, 4, 2), np.float32))
    assert not native.takes(tf.zeros((1, 4, 4, 2), tf.float64))
    assert not native.takes(keras.KerasTensor((1, 4, 4, 2)))
    with native.portable():
        assert not native.takes(maps)
    monkeypatch.setenv("CPWC_NATIVE", "0")
    assert not native.takes(maps)


def test_an_exported_graph_holds_no_call_into_this_process():
    def operations():
        graph = tf.function(lambda a, b: cost_volume(a, b, 1)).get_concrete_function(*[tf.TensorSpec((1, 4, 4, 2))] * 2)
        return {node.op for node in graph.graph.as_graph_def().node}

    assert "PyFuncStateless" in operations()
    with native.portable():
        assert not any("PyFunc" in name for name in operations())


# Kernels are made when they are first called, and kept on disk; in these processes they are not kept.
COMPILED_ANEW = """
import numba, numpy as np
compiled = numba.njit
numba.njit = lambda *given, **options: compiled(*given, **{k: v for k, v in options.items() if k != "cache"})
from importlib import reload
from cpwc_keras.ops import native
from cpwc_keras.ops.native import vectors
"""

EVERY_WIDTH = """
vectors.LANES = lanes
from cpwc_keras.ops.native import kernels
kernels._ROWS = rows
rng = np.random.default_rng(0)
for height, width, channels, r in ((5, 41, 37, 4), (4, 16, 8, 5), (3, 7, 3, 0), (6, 50, 16, 1)):
    one, other = rng.standard_normal((2, height, width, channels)).astype(np.float32)
    out = np.full((height + 2, width, (2 * r + 1) ** 2), 7, np.float32)
    kernels.cost_volume_rows(*(array.view(np.uint32) for array in (one, other, out[1:-1])), r, 0, 0, height)
    padded = np.pad(other, ((r, r), (r, r), (0, 0)))
    for k, (dy, dx) in enumerate(np.ndindex(2 * r + 1, 2 * r + 1)):
        expected = (one * padded[dy : dy + height, dx : dx + width]).mean(-1)
        np.testing.assert_allclose(out[1:-1, :, k], expected, atol=1e-5)
    assert (out[[0, -1]] == 7).all()
"""

FAULTY_PARTS = """
from cpwc_keras.ops.native import kernels, threads
parts = ["", "_nine", "_one", "_columns", "transpose_tile"] + ["_nine_of_two_rows"] * (kernels._ROWS == 2)
for part in parts:
    reload(kernels)
    if part:
        nothing = numba.njit(lambda *given: None) if part == "transpose_tile" else vectors.accumulator([], spread=False)
        setattr(kernels, part, nothing)
    reload(threads)
    assert (native._largest_error() < 1e-5) == (not part), part
"""


def in_another_process(code: str):
    environment = os.environ | {"KERAS_BACKEND": "numpy"}
    done = subprocess.run([sys.executable, "-c", COMPILED_ANEW + code], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("lanes, rows", [(8, 1), (16, 2)])
def test_vectors_of_any_processor(lanes, rows):
    in_another_process(f"lanes, rows = {lanes}, {rows}\n{EVERY_WIDTH}")


@pytest.mark.slow
def test_a_part_that_does_nothing_is_noticed():
    in_another_process(FAULTY_PARTS)


def test_maps_without_pixels():
    for shape in ((0, 4, 5, 3), (1, 0, 5, 3), (1, 4, 0, 3)):
        maps = np.zeros(shape, np.float32)
        assert threads.cost_volume(maps, maps, 1).shape == (*shape[:3], 9)


@pytest.mark.parametrize("fault", ["wrong", "broken"])
def test_a_faulty_kernel_is_not_used(fault, monkeypatch, doubted):
    def faulty(*arguments):
        if fault == "broken":
            raise RuntimeError("no such instruction")
        return right(*arguments) + 0.01

    right = threads.cost_volume
    monkeypatch.setattr(threads, "cost_volume", faulty)
    given_maps = maps_and_upstream((1, 4, 5, 3), 1, 0)
    with pytest.warns(UserWarning, match="off by 0.01" if fault == "wrong" else "no such instruction"):
        ours = cost_volume(*given_maps[:2], 1)
    with native.portable():
        np.testing.assert_array_equal(ours, cost_volume(*given_maps[:2], 1))
