"""What a visitor of the page can choose for the tracking."""

from __future__ import annotations

from dataclasses import dataclass

from cpwc_keras.baselines.catalog import BASELINES
from cpwc_keras.errors import InputError
from cpwc_keras.models.precision import PRECISIONS, require_precision
from cpwc_keras.models.presets import DEFAULT_PRESET, list_presets
from cpwc_keras.tracking.carry import REACH

_LARGEST_REACH = 10


@dataclass(frozen=True)
class Choices:
    """What the visitor chose.

    Attributes:
        tracker: a preset or a baseline.
        composition: average forward and backward motion.
        reach: how many frames apart the images of a pair may be.
        precision: of a network.
        dense: keep the motion of every pixel in the HDF5 file.
    """

    tracker: str = DEFAULT_PRESET
    composition: bool = True
    reach: int = REACH
    precision: str = PRECISIONS[0]
    dense: bool = False

    def __post_init__(self):
        if self.tracker not in trackers():  # never a path or a function: those are for the command line
            raise InputError(f"There is no tracker {str(self.tracker)[:40]!r} here; choose one of the list.")
        require_precision(self.precision)
        if isinstance(self.reach, bool) or int(self.reach) != self.reach or not 1 <= self.reach <= _LARGEST_REACH:
            raise InputError(f"The reach must be 1 to {_LARGEST_REACH} frames, got {self.reach}.")


def trackers() -> list[str]:
    """Names of the trackers to choose from, the default first."""
    presets = list_presets()
    return [DEFAULT_PRESET, *(name for name in presets if name != DEFAULT_PRESET), *BASELINES]


def tracker_labels() -> dict[str, str]:
    """The same → what the page calls them: a network with its licence, since not every one may serve every end."""
    licences = {name: f"{name} · {card['licence']}" for name, card in list_presets().items()}
    return {name: licences.get(name, name) for name in trackers()} | {"zero": "zero · nothing moves, to compare with"}
