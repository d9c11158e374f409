"""Precisions: a network keeps what it was built in."""

import keras
import numpy as np
import pytest

from cpwc_keras.errors import InputError
from cpwc_keras.models import precision
from cpwc_keras.models.presets import DEFAULT_PRESET
from cpwc_keras.tracking.pair import as_tracker


def test_nonsense_is_refused():
    assert [precision.require_precision(name) for name in precision.PRECISIONS] == ["float32", "bfloat16"]
    with pytest.raises(InputError, match="'half' is unknown; choose one of float32, bfloat16"):
        precision.require_precision("half")


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
