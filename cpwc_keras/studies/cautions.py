"""What a reader of an evaluation has to be careful with: contours that were lost, images that a network never saw."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from cpwc_keras.evaluation import strain
from cpwc_keras.studies.results import CaseResult
from cpwc_keras.tracking.description import PLAUSIBLE_STRAIN
from cpwc_keras.tracking.familiarity import unfamiliar
from cpwc_keras.tracking.pair import NetworkTracker, Tracker
from cpwc_keras.types import CineLoop


def lost(tracker: str, contours: np.ndarray, spacing_mm, ed: int) -> tuple[str, ...]:
    """A note where a tracked contour, (T, N, 2) px, changed its length as no heart does."""
    curve = strain.longitudinal_strain(contours, spacing_mm, ed)
    implausible = np.flatnonzero((curve < PLAUSIBLE_STRAIN[0]) | (curve > PLAUSIBLE_STRAIN[1]))
    if not len(implausible):
        return ()
    worst = implausible[np.abs(curve[implausible]).argmax()]
    return (f"{tracker} lost the contour: its strain is {curve[worst]:+.0f} % in frame {worst}; look at the video.",)


def unlike_training(loop: CineLoop, contour: np.ndarray, run: Tracker, ed: int) -> tuple[str, ...]:
    """What sets the images, which are measured on as they are, apart from those the tracker's network was trained on.

    Args:
        loop: the recording.
        contour: (N, 2) px, in the frame `ed`.
        run: the tracker; one that is no network, or says nothing of its training, knows all images.
        ed: index of the end-diastolic frame.
    """
    ranges = run.ranges if isinstance(run, NetworkTracker) else None
    return tuple(unfamiliar(loop, contour, ranges, ed, resampled=False))


def unfamiliar_lines(results: Iterable[CaseResult]) -> list[str]:
    """One sentence for each tracker and dataset with images unlike those its network saw, with one case as example."""
    groups: dict[tuple[str, str], list[CaseResult]] = {}
    for result in results:
        if not result.error:
            groups.setdefault((result.tracker, result.case.dataset), []).append(result)
    lines = []
    for (tracker, dataset), group in groups.items():
        if strange := [result for result in group if result.unfamiliar]:
            first = strange[0]
            lines.append(
                f"{tracker}: {len(strange)} of {len(group)} recordings ({dataset}) are unlike the images that its "
                f"network saw, as {first.case.name}: {' '.join(first.unfamiliar)}"
            )
    return lines
