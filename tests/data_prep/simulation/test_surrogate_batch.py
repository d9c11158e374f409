"""The keras.ops form of the surrogate engine: what the NumPy form gives, on each backend, compiled, and in tf.data."""

import os
import pickle
import subprocess
import sys

import numpy as np
import pytest
from keras import backend, ops

from cpwc_keras.data_prep.simulation.display import Display, Imager
from cpwc_keras.data_prep.simulation.surrogate import SurrogateEngine
from cpwc_keras.data_prep.simulation.surrogate_batch import BatchedEngine, BatchedImager
from cpwc_keras.data_prep.simulation.transducer import ImageGrid, SectorScan, Transducer

SCAN = SectorScan(depth_mm=50, sector_deg=50, beams=48)
GRID = ImageGrid((150, 150), (0.35, 0.35), (75.0, 0.0))
DISPLAYS = [Display(), Display("log")]


@pytest.fixture(scope="module")
def engine():
    return SurrogateEngine(Transducer(elements=20), SCAN)


@pytest.fixture(scope="module")
def scatterers():
    """A batch of 3; the last image has fewer scatterers, and some lie where they are not heard."""
    rng = np.random.default_rng(0)
    radius, angle = 56 * np.sqrt(rng.random((3, 15000))), np.deg2rad(70) * (rng.random((3, 15000)) - 0.5)
    points = np.stack([radius * np.sin(angle), radius * np.cos(angle)], -1).astype(np.float32)
    amplitude = rng.standard_normal((3, 15000)).astype(np.float32)
    points[2, 9000:], amplitude[2, 9000:] = 0, 0
    points[0, :10] = -points[0, :10]
    return points, amplitude


def relative(one, other):
    return np.linalg.norm(one - other) / np.linalg.norm(other)


def as_pairs(engine, points, amplitude):
    images = [engine.iq(*image) for image in zip(points, amplitude, strict=True)]
    return np.stack([np.stack([iq.real, iq.imag], axis=-1) for iq in images])


def test_iq_is_that_of_the_engine(engine, scatterers):
    iq = ops.convert_to_numpy(BatchedEngine(engine).iq(*map(ops.convert_to_tensor, scatterers)))
    assert iq.shape == (3, len(SCAN.ranges_mm), SCAN.beams, 2)
    for one, other in zip(iq, as_pairs(engine, *scatterers), strict=True):
        assert relative(one, other) < 1e-4


def test_coarse_ranges(scatterers):
    scan = SectorScan(depth_mm=50, sector_deg=50, beams=48, range_step_mm=0.37)
    engine = SurrogateEngine(Transducer(elements=20), scan)
    assert engine.point_spread.stride > 1
    iq = ops.convert_to_numpy(BatchedEngine(engine).iq(*map(ops.convert_to_tensor, scatterers)))
    assert relative(iq, as_pairs(engine, *scatterers)) < 1e-4


@pytest.mark.parametrize("display", DISPLAYS)
def test_images_are_those_of_the_imager(engine, scatterers, display):
    imager = Imager(engine, GRID, display)
    batched = BatchedImager(imager)
    iq = as_pairs(engine, *scatterers) / 3
    images = ops.convert_to_numpy(batched.image(batched.normalise(ops.convert_to_tensor(iq))))
    expected = [imager.image(imager.normalise(one[..., 0] + 1j * one[..., 1])) for one in iq]
    np.testing.assert_allclose(images, expected, atol=2e-3)
    assert np.abs(images - expected).mean() < 1e-5 and images.mean() > 0.1


PROGRAM = """
import pickle, sys
if sys.argv[1] == "jax":
    class Block:
        def find_spec(self, name, path=None, target=None):
            if name.split(".")[0] == "tensorflow":
                raise ImportError("tensorflow is not here")
    sys.meta_path.insert(0, Block())
import numpy as np
from cpwc_keras.data_prep.simulation.surrogate_batch import BatchedEngine, BatchedImager
imager, points, amplitude = pickle.loads(sys.stdin.buffer.read())
engine, screen = BatchedEngine(imager.engine), BatchedImager(imager)
def both(points, amplitude):
    iq = engine.iq(points, amplitude)
    return iq, screen.image(screen.normalise(iq))
if sys.argv[1] == "jax":
    import jax
    compiled = jax.jit(both)
else:
    import tensorflow as tf
    compiled = tf.function(both, jit_compile=True)
sys.stdout.buffer.write(pickle.dumps([np.array(value) for value in compiled(points, amplitude)]))
"""


@pytest.mark.parametrize("name", ["jax", "tensorflow"])
def test_compiled_on_each_backend(engine, scatterers, name):
    pytest.importorskip(name)
    imager = Imager(engine, GRID, Display())
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM, name],
        input=pickle.dumps((imager, *scatterers)),
        env={**os.environ, "KERAS_BACKEND": name, "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr.decode()[-3000:]
    iq, images = pickle.loads(result.stdout)
    expected = as_pairs(engine, *scatterers)
    assert relative(iq, expected) < 1e-4
    for image, one in zip(images, expected, strict=True):
        np.testing.assert_allclose(image, imager.image(imager.normalise(one[..., 0] + 1j * one[..., 1])), atol=2e-3)


def test_pairs_are_drawn_within_tf_data(engine):
    """New speckle for every training pair, with a motion that is known: here it moves along range."""
    if backend.backend() != "tensorflow":
        pytest.skip("tf.data runs keras.ops of the TensorFlow backend")
    tf = pytest.importorskip("tensorflow")
    batched, screen = BatchedEngine(engine), BatchedImager(Imager(engine, GRID, Display()))

    step = np.float32([0, 3 * GRID.spacing_mm[0]])

    def draw(seed):
        place = tf.random.stateless_uniform((2, 8000, 2), [0, seed], (-20.0, 10.0), (20.0, 45.0))
        amplitude = tf.random.stateless_normal((2, 8000), [1, seed]) / 2
        images = [screen.image(screen.normalise(batched.iq(p, amplitude))) for p in (place, place + step)]
        return tf.stack(images, axis=1)

    seeds = tf.data.Dataset.range(3).map(lambda seed: tf.cast(seed, tf.int32))
    drawn = list(seeds.map(draw, num_parallel_calls=tf.data.AUTOTUNE).as_numpy_iterator())
    assert len(drawn) == 3 and drawn[0].shape == (2, 2, 150, 150)
    for first, second in np.concatenate(drawn):
        inner = (slice(50, 100), slice(60, 90))
        moved = np.corrcoef(first[inner].ravel(), np.roll(second, -3, axis=0)[inner].ravel())[0, 1]
        assert moved > 0.9 > 0.6 > np.corrcoef(first[inner].ravel(), second[inner].ravel())[0, 1]
    assert not np.allclose(drawn[0], drawn[1])
