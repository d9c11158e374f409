"""Shape checks shared by the ops: every mismatch is one sentence that names both shapes."""

from __future__ import annotations


def require_same_shape(name1: str, shape1, name2: str, shape2) -> None:
    """Raise unless two shapes agree wherever both are known (None is unknown).

    Raises:
        ValueError: the ranks or a pair of known sizes differ.
    """
    shape1, shape2 = tuple(shape1), tuple(shape2)
    agree = len(shape1) == len(shape2) and all(
        a is None or b is None or a == b for a, b in zip(shape1, shape2, strict=True)
    )
    if not agree:
        raise ValueError(f"{name1} and {name2} must have the same shape, got {shape1} and {shape2}")


def require_maps(name: str, shape, channels: int | None = None) -> None:
    """Raise unless `shape` is (batch, height, width, channels).

    Raises:
        ValueError: the rank is not 4, or the number of channels is known and is not `channels`.
    """
    shape = tuple(shape)
    if len(shape) != 4 or (channels is not None and shape[-1] not in (None, channels)):
        wanted = "channels" if channels is None else channels
        raise ValueError(f"{name} must have shape (batch, height, width, {wanted}), got {shape}")
