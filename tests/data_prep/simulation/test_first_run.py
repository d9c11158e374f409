"""The first run on a machine, which compiles the kernels, makes the same numbers as the later ones, which load them."""

import os
import subprocess
import sys

import numpy as np
import pytest


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["exact", "surrogate"])
def test_compiled_and_loaded_kernels_agree(tmp_path, engine):
    """Of parallel functions Numba runs one variant when it has compiled them and keeps another, optimised once more:
    with `fastmath` the two round differently."""
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    for name in ("first", "second"):
        code = f"""
import sys
import numpy as np
from cpwc_keras.data_prep.simulation import engines, exact, surrogate
signals = []
for kind in (exact.ExactEngine, surrogate.SurrogateEngine):
    original = kind.iq
    def iq(self, *arguments, original=original):
        signals.append(original(self, *arguments))
        return signals[-1]
    kind.iq = iq
from cpwc_keras.cli.main import cli
cli(["simulate", "--procedural", "1", "--engine", "{engine}", "--elements", "16", "--beams", "24", "--density", "2",
     "--frames", "2", "--workers", "1", "-o", "{name}"], standalone_mode=False)
np.savez("{name}.npz", *signals)
"""
        subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, check=True, timeout=900)
    with np.load(tmp_path / "first.npz") as first, np.load(tmp_path / "second.npz") as second:
        assert len(first.files) > 3
        for key in first.files:
            np.testing.assert_array_equal(first[key], second[key])
    made = [sorted((tmp_path / name).glob("*.h5")) for name in ("first", "second")]
    assert made[0] and all(one.read_bytes() == other.read_bytes() for one, other in zip(*made, strict=True))
