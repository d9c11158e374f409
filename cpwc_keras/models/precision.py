"""In which precision a network calculates."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from cpwc_keras.errors import InputError, did_you_mean

PRECISIONS = ("float32", "bfloat16")
"""What a user can ask for. Images, flows and weights are float32 under both.

bfloat16 is nearly twice as fast on processors that multiply it as such (AVX512-BF16, AMX), slow on others, and moves a
trained network's flow by some thousandths of a millimetre (`benchmarks/precision.py`). It is not the default: see
`docs/decisions.md`.
"""


def require_precision(name: str) -> str:
    """The precision itself.

    Raises:
        InputError: there is no such precision.
    """
    if name not in PRECISIONS:
        raise InputError(
            f"Precision {name!r} is unknown; choose one of {', '.join(PRECISIONS)}.{did_you_mean(name, PRECISIONS)}"
        )
    return name


@contextmanager
def building_in(precision: str) -> Iterator[None]:
    """Networks built within calculate in this precision.

    Args:
        precision: one of `PRECISIONS`.
    """
    import keras

    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16" if require_precision(precision) == "bfloat16" else precision)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
