"""What a tracking on the page has left."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from cpwc_keras.app.choices import Choices
from cpwc_keras.tracking.result import TrackingResult


@dataclass(frozen=True, eq=False)
class Outcome:
    """A result with its files, and what it was made of.

    Attributes:
        result: of the tracking.
        files: name → path of what can be downloaded, all in one folder.
        choices: of the visitor.
        contour: (N, 2) px, the drawing that was tracked.
        es: the end-systolic frame that was marked, or None.
        number: tells it from others.
    """

    result: TrackingResult
    files: dict[str, Path]
    choices: Choices
    contour: np.ndarray
    es: int | None
    number: int = field(default_factory=time.monotonic_ns)


def remove_files(outcome: Outcome | None) -> None:
    """Delete what can be downloaded of an outcome."""
    if outcome is not None:
        for folder in {path.parent for path in outcome.files.values()}:
            shutil.rmtree(folder, ignore_errors=True)
