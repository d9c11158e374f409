"""Everything but TensorFlow's own formats works where TensorFlow cannot be imported."""

import os
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("jax")

BLOCK = """
import sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "tensorflow":
            raise ImportError("tensorflow is not here")
sys.meta_path.insert(0, Block())
"""

TRAIN = """
from pathlib import Path
from cpwc_keras.training.experiment import load_experiment
from cpwc_keras.training.phases import run
options = {"skip_connections": False, "context_levels": [5], "finest_level": 5, "search_range": 1}
run(load_experiment("pretrain", datasets={"speckle": ""}, steps=1, crop=(64, 64), batch_size=1, validation_pairs=1,
                    network_options=options), Path(sys.argv[1]))
"""

TRACK = """
from dataclasses import replace
import numpy as np
from pydicom import examples
import cpwc_keras
from cpwc_keras.cli.track import demo_contour
loop, contour = cpwc_keras.read(examples.get_path("ybr_color")), demo_contour()
frames = contour.frame + np.array([-9, -3, 0, 7])
small = loop.frames[frames, ::2, ::2]
some = replace(loop, frames=small, spacing_mm=tuple(2 * np.array(loop.spacing_mm)), ed=None, es=None)
result = cpwc_keras.track(some, contour.points / 2, frame=2, precision="float32")
assert ("tensorflow" in sys.modules) == (sys.argv[2] == "tensorflow")
np.savez(sys.argv[1], contours=result.contours, disagreement=result.disagreement_vectors)
"""


def python(program, path, backend, block):
    environment = {**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
    text = (BLOCK if block else "import sys") + program
    result = subprocess.run(
        [sys.executable, "-c", text, str(path), backend], env=environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr[-3000:]


def test_a_training_step(tmp_path):
    python(TRAIN, tmp_path, "jax", block=True)
    assert (tmp_path / "network.h5").is_file() and (tmp_path / "log.jsonl").is_file()


@pytest.mark.slow  # on two cores JAX takes more than half a minute to build and compile the network
def test_tracking_gives_what_tensorflow_gives(tmp_path):
    pytest.importorskip("tensorflow")
    python(TRACK, tmp_path / "jax.npz", "jax", block=True)
    python(TRACK, tmp_path / "tf.npz", "tensorflow", block=False)
    jax, tensorflow = np.load(tmp_path / "jax.npz"), np.load(tmp_path / "tf.npz")
    moved = np.abs(np.diff(tensorflow["contours"], axis=0)).max(axis=(1, 2))
    assert (moved > 0.5).all(), "between these frames the heart moves"
    for name in ("contours", "disagreement"):
        np.testing.assert_allclose(jax[name], tensorflow[name], rtol=0, atol=1e-3)
