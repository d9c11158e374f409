"""Temporal augmentation: which two frames of a sequence become a pair, and the true motion between them (II-B.4)."""

from __future__ import annotations

from collections.abc import Sequence as List
from dataclasses import dataclass
from typing import Literal

import numpy as np

from cpwc_keras.fields import compose_flows, invert_flow
from cpwc_keras.mesh import dense_flow
from cpwc_keras.types import DatasetItem, FramePair, Sequence


@dataclass(frozen=True)
class PairPolicy:
    """Which pairs of frames are used (paper, II-B.4).

    Attributes:
        spacings: numbers of frames left out in between: spacing n pairs frame t with t + n + 1.
        directions: "both" also presents every pair backward, from t + n + 1 to t.
    """

    spacings: tuple[int, ...] = (0, 1, 2)
    directions: Literal["both", "forward"] = "both"

    def __post_init__(self):
        if not self.spacings or min(self.spacings) < 0 or len(set(self.spacings)) != len(self.spacings):
            raise ValueError(f"spacings must be distinct numbers of frames from 0 up, got {self.spacings}")
        if self.directions not in ("both", "forward"):
            raise ValueError(f"directions must be 'both' or 'forward', got {self.directions!r}")


def enumerate_pairs(items: List[DatasetItem], policy: PairPolicy) -> np.ndarray:
    """Every pair of frames that the policy takes from these items, known without reading any of them.

    Args:
        items: pairs (2 frames) and sequences.
        policy: which pairs.

    Returns:
        (N, 3) int32 rows (item, first frame, second frame), items in order. Nodes without a valid position show only
        when a sequence is read, so a row may turn out to have an empty mask.
    """
    rows = [np.zeros((0, 3), np.int32)]
    for number, item in enumerate(items):
        for spacing in policy.spacings:
            first = np.arange(item.n_frames - spacing - 1, dtype=np.int32)
            forward = np.stack([np.full_like(first, number), first, first + spacing + 1], -1)
            rows.append(forward)
            if policy.directions == "both":
                rows.append(forward[:, [0, 2, 1]])
    return np.concatenate(rows)


def pair_from_sequence(recording: Sequence | FramePair, first: int, second: int) -> FramePair:
    """Two frames of a recording with the motion from the first to the second.

    From a mesh trajectory the motion is exact, and known where the first frame shows anything (`CineLoop.sector`). From
    dense fields, those of neighbouring frames are composed, and a backward pair is the inverse of the forward one; so
    is the backward direction of a single pair. A pair with a frame whose mesh is NaN has an empty mask (or one with
    holes, where only some nodes are NaN): it adds nothing to a loss that is summed over the mask.

    The images, and the flow and mask of neighbouring frames with dense fields, are views: a pair that is kept longer
    than its recording should be copied, or it keeps the whole recording in memory.

    Args:
        recording: a sequence, or a single pair, whose frames are 0 and 1.
        first: index of the frame that becomes `image1`.
        second: index of the frame that becomes `image2`; may come before `first`.
    """
    if isinstance(recording, FramePair):
        return recording if (first, second) == (0, 1) else _backward(recording)
    loop = recording.loop
    if recording.mesh is not None:
        flow, mask = dense_flow(recording.mesh[first], recording.mesh[second], loop.frames.shape[1:])
        if loop.sector is not None:  # a wall may reach beyond what is imaged
            flow, mask = flow * loop.sector[..., None], mask * loop.sector
    elif recording.flows is not None and recording.masks is not None:
        start, stop = min(first, second), max(first, second)
        flow, mask = recording.flows[start], recording.masks[start]
        for step in range(start + 1, stop):
            flow, mask = compose_flows(flow, recording.flows[step], mask, recording.masks[step])
        if second < first:
            flow, mask = invert_flow(flow, mask)
    name = f"{loop.patient or loop.source} {first}→{second}".strip()
    return FramePair(loop.frames[first], loop.frames[second], flow, mask, loop.spacing_mm, name)


def _backward(pair: FramePair) -> FramePair:
    flow, mask = invert_flow(pair.flow, pair.mask)
    return FramePair(pair.image2, pair.image1, flow, mask, pair.spacing_mm, f"{pair.name} backward")
