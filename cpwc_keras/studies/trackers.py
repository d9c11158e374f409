"""Which trackers are measured, under which names, and what tells one from another."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from cpwc_keras import __version__
from cpwc_keras.baselines.catalog import BASELINES
from cpwc_keras.errors import InputError
from cpwc_keras.models.presets import list_presets
from cpwc_keras.tracking.pair import Tracker, as_tracker

_VENDOR = "{vendor}"
_DIGEST = re.compile(r"\b[0-9a-f]{64}\b")


@dataclass(frozen=True)
class TrackerSpec:
    """A tracker as it is named on the command line.

    Attributes:
        name: what the tables call it.
        spec: a baseline, preset, weights file, ONNX file or Python callable, as `tracking.pair.as_tracker` takes it. A
            path with "{vendor}" is a file for each vendor: that of a fold that left the vendor out (Table IV).
    """

    name: str
    spec: str

    @classmethod
    def parse(cls, text: str) -> TrackerSpec:
        """From "SPEC" or "NAME=SPEC".

        Raises:
            InputError: the name or what it stands for is empty.
        """
        name, equals, spec = text.partition("=")
        if not equals:
            name, spec = _short_name(text), text
        if not name.strip() or not spec.strip():
            raise InputError(f"{text!r}: expected a tracker, or NAME=TRACKER.")
        return cls(name.strip(), spec.strip())

    def of_vendor(self, vendor: str) -> str:
        """The spec for the recordings of a vendor, whose name is made fit for a path."""
        return self.spec.replace(_VENDOR, vendor_folder(vendor))

    @property
    def by_vendor(self) -> bool:
        """Whether each vendor has a file of its own."""
        return _VENDOR in self.spec


def parse_trackers(texts) -> tuple[TrackerSpec, ...]:
    """Trackers from the command line, in its order.

    Raises:
        InputError: there is none, or two have the same name.
    """
    specs = tuple(TrackerSpec.parse(text) for text in texts)
    if not specs:
        raise InputError("No tracker is named; give one or more, like fft-xcorr farneback dis.")
    names = [spec.name for spec in specs]
    if twice := [name for name in names if names.count(name) > 1]:
        raise InputError(f"Two trackers are called {twice[0]!r}; name them apart: NAME=TRACKER.")
    return specs


def vendor_folder(vendor: str) -> str:
    """A vendor's name as a folder's: letters, digits and single underscores."""
    return re.sub(r"[^A-Za-z0-9]+", "_", vendor).strip("_")


@lru_cache(maxsize=2)
def load(spec: str, precision: str = "float32") -> Tracker:
    """A tracker, kept for the next case.

    Args:
        spec: what `as_tracker` takes.
        precision: in which networks calculate.

    Raises:
        InputError: there is no such tracker or precision.
    """
    return as_tracker(spec, precision)[0]


@lru_cache(maxsize=1024)
def fingerprint(spec: str) -> str:
    """What changes when a tracker does: the hash of its file, or its name and this package's version.

    Raises:
        InputError: there is no such tracker.
    """
    if spec in BASELINES:
        return f"{spec} {__version__}"
    module, _, function = spec.rpartition(":") if re.search(r":\w+$", spec) else (spec, "", "")
    path = Path(module)
    if not path.is_file() and function:
        try:
            path = Path(find_spec(module).origin)  # type: ignore[union-attr, arg-type]
        except (ImportError, ValueError, AttributeError, TypeError):  # `load` says what is wrong with it
            return spec
    if path.is_file():
        with open(path, "rb") as file:
            return f"{function} {hashlib.file_digest(file, 'sha256').hexdigest()}"
    return str(list_presets().get(spec, {}).get("sha256", spec))


def described(trackers: Iterable[TrackerSpec], vendors: Iterable[str]) -> dict[str, str]:
    """Name → what stands behind it, with the SHA-256 of each file of weights or code, for the record.

    Args:
        trackers: that were measured.
        vendors: of the recordings, for trackers with a file for each.

    Raises:
        InputError: there is no such tracker.
    """
    vendors = sorted(set(vendors))
    return {
        tracker.name: "; ".join(
            map(_with_digest, (map(tracker.of_vendor, vendors) if tracker.by_vendor else [tracker.spec]))
        )
        for tracker in trackers
    }


def _with_digest(spec: str) -> str:
    digest = _DIGEST.search(fingerprint(spec))
    return f"{spec}, SHA-256 {digest[0]}" if digest else spec


def _short_name(text: str) -> str:
    """Of a file, its name; a trained network's is that of its run's folder."""
    path = Path(text)
    if path.name == "network.h5" and path.parent.name:
        return path.parent.name
    return path.name if path.suffix and not text.count(":") else text
