"""In which precision a network calculates."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from cpwc_keras.errors import InputError

PRECISIONS = ("auto", "float32", "bfloat16")
"""What a user can ask for. Images, flows and weights are float32 under any of them."""

_NATIVE = ("avx512bf16", "amx-bf16")
"""Features of processors that multiply bfloat16 as such, at twice the speed or more; others imitate it slowly."""


def resolve_precision(name: str) -> str:
    """What "auto" means on this machine: bfloat16 where the processor knows it and nothing better is there.

    A trained network's flow changes by some thousandths of a millimetre (`benchmarks/precision.py`).

    Args:
        name: one of `PRECISIONS`.

    Returns:
        "float32" or "bfloat16".

    Raises:
        InputError: there is no such precision.
    """
    if name not in PRECISIONS:
        raise InputError(f"Precision {name!r} is unknown; choose one of {', '.join(PRECISIONS)}.")
    if name != "auto":
        return name
    import keras
    import llvmlite.binding

    if keras.backend.backend() != "tensorflow":
        return "float32"
    import tensorflow as tf

    features = llvmlite.binding.get_host_cpu_features()
    native = any(features.get(feature) for feature in _NATIVE) and not tf.config.list_physical_devices("GPU")
    return "bfloat16" if native else "float32"


@contextmanager
def building_in(precision: str) -> Iterator[None]:
    """Networks built within calculate in this precision.

    Args:
        precision: one of `PRECISIONS`.
    """
    import keras

    before = keras.config.dtype_policy()
    resolved = resolve_precision(precision)
    keras.config.set_dtype_policy("mixed_bfloat16" if resolved == "bfloat16" else resolved)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
