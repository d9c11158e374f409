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
options = {"skip_connections": False, "context_levels": [4], "finest_level": 4, "search_range": 1}
run(load_experiment("pretrain", datasets={"speckle": ""}, steps=1, crop=(64, 64), batch_size=1, validation_pairs=1,
                    network_options=options), Path(sys.argv[1]))
"""

TRACK = """
import numpy as np
import cpwc_keras
from pydicom import examples
from cpwc_keras.cli.track import demo_contour
loop = cpwc_keras.read(examples.get_path("ybr_color"))
contour = demo_contour()
import dataclasses
short = dataclasses.replace(loop, frames=loop.frames[:4])
result = cpwc_keras.track(short, contour)
np.save(sys.argv[1], result.contours)
"""


def python(program, path, backend, block):
    environment = {**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
    text = (BLOCK if block else "import sys") + program
    result = subprocess.run(
        [sys.executable, "-c", text, str(path)], env=environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr[-3000:]


def test_a_training_step(tmp_path):
    python(TRAIN, tmp_path, "jax", block=True)
    assert (tmp_path / "network.h5").is_file() and (tmp_path / "log.jsonl").is_file()


def test_tracking_gives_what_tensorflow_gives(tmp_path):
    pytest.importorskip("tensorflow")
    python(TRACK, tmp_path / "jax.npy", "jax", block=True)
    python(TRACK, tmp_path / "tf.npy", "tensorflow", block=False)
    np.testing.assert_allclose(np.load(tmp_path / "jax.npy"), np.load(tmp_path / "tf.npy"), atol=1e-3)
