"""Precisions: what "auto" means, and that a network keeps what it was built in."""

import keras
import llvmlite.binding
import numpy as np
import pytest

from cpwc_keras.errors import InputError
from cpwc_keras.models import precision
from cpwc_keras.models.presets import DEFAULT_PRESET
from cpwc_keras.tracking.pair import as_tracker


@pytest.mark.parametrize(
    ("feature", "expected"), [("avx512bf16", "bfloat16"), ("amx-bf16", "bfloat16"), ("avx2", "float32")]
)
def test_auto_asks_the_processor(feature, expected, monkeypatch):
    monkeypatch.setattr(llvmlite.binding, "get_host_cpu_features", lambda: {feature: True})
    if keras.backend.backend() != "tensorflow":
        expected = "float32"
    assert precision.resolve_precision("auto") == expected


def test_the_others_are_themselves_and_nonsense_is_refused():
    assert [precision.resolve_precision(name) for name in precision.PRECISIONS[1:]] == ["float32", "bfloat16"]
    with pytest.raises(InputError, match="'half' is unknown; choose one of auto, float32, bfloat16"):
        precision.resolve_precision("half")


def test_networks_keep_the_precision_they_were_built_in():
    first, second = np.random.default_rng(0).random((2, 1, 64, 128), dtype=np.float32)
    before = keras.config.dtype_policy()
    trackers = {name: as_tracker(DEFAULT_PRESET, name)[0] for name in ("float32", "bfloat16")}
    assert keras.config.dtype_policy() == before
    assert {name: tracker.precision for name, tracker in trackers.items()} == {name: name for name in trackers}
    flows = {name: tracker(first, second) for name, tracker in trackers.items()}
    assert flows["bfloat16"].dtype == np.float32
    change = np.abs(flows["bfloat16"] - flows["float32"])
    assert 0 < change.mean() < 0.1
