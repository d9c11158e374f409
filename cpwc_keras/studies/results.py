"""What one tracker did on one case, and the file it is kept in, so that an interrupted evaluation goes on.

Scalars, by name (a missing one could not be measured on this case):

======================  ===============================================================================================
name                    meaning
======================  ===============================================================================================
``epe_mm``              endpoint error over the myocardium, mean over all pairs of neighbouring frames
``epe_forward_mm``      the same without averaging forward and backward motion
``cumulative_epe_mm``   how far material points of end-diastole are from their true place at end-systole
``d_m_mm``, ``d_h_mm``  mean and Hausdorff distance of the contours, mean over all frames but the first
``gls_percent``         peak systolic strain of the tracked contour; ``gls_true_percent`` of the reference
``mapse_percent``       peak systolic MAPSE likewise; ``mapse_true_percent``
``segments_mae_percent``  mean absolute error of the six segmental strains at end-systole
``disagreement_mm``     forward against backward motion, median over the contour's points (or the wall's) and pairs
``peak_percent``        lowest strain of a loop without labels, within its first beat
``seconds_per_pair``    of the tracker, for both directions of a pair
======================  ===============================================================================================

Curves, by name:

========================================  =============================================================================
``epe_mm``                                (T-1,) endpoint error of each pair, those before end-diastole backward in
                                          time as they are tracked; NaN where no motion is known
``d_m_mm``, ``d_h_mm``                    (T,), NaN where there is no reference and at the first frame
``strain``, ``strain_true``               (T,) percent; the true ones NaN where there is no reference
``mapse``, ``mapse_true``                 (T,) percent
``segments``, ``segments_true``           (T, 6) percent
``profile_mm``                            (101,) distance along the normalised contour (Fig. 6): 0 lateral, 0.5 apex
``contours``, ``references``              (T, N, 2) pixels; the references NaN where there is none
``closure_frame``, ``closure_percent``    (beats,) frame after each whole beat, and the strain there
``drift_mm``                              (beats,) drift of the contour's shape there
========================================  =============================================================================
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from cpwc_keras.files import atomic_hdf5
from cpwc_keras.io.hdf5_input import load_dataset, open_hdf5

FORMAT, FORMAT_VERSION = "cpwc-keras case result", 2
"""The version has to rise whenever a metric or the tracking changes: results of another one are measured anew."""


@dataclass(frozen=True)
class CaseInfo:
    """What a case is, without its arrays.

    Attributes:
        name: unique within an evaluation.
        dataset: name of the dataset it is from.
        kind: "motion" (true motion), "contours" (reference contours in some frames) or "loop" (no labels).
        patient: pseudonym.
        vendor: maker of the scanner, or "".
        view: "A2C", "A3C", "A4C" or "".
        variant: "clean", "reverberation", a motion pattern, or "".
    """

    name: str
    dataset: str
    kind: str
    patient: str = ""
    vendor: str = ""
    view: str = ""
    variant: str = ""


_SENTENCES = ("notes", "unfamiliar")


@dataclass(frozen=True, eq=False)
class CaseResult:
    """What one tracker did on one case.

    Attributes:
        tracker: its name in the table.
        case: which case.
        frames: number of frames.
        ed: end-diastolic frame, where tracking started.
        es: end-systolic frame, or None.
        spacing_mm: (row_mm, col_mm), or None where the case failed before it was known.
        frame_rate_hz: frames a second, or None.
        scalars: see the module.
        curves: see the module.
        error: one sentence why nothing could be measured; "" where it could.
        notes: what was assumed, one sentence each.
        unfamiliar: what sets the images apart from all that the tracker's network saw, likewise.
    """

    tracker: str
    case: CaseInfo
    frames: int = 0
    ed: int = 0
    es: int | None = None
    spacing_mm: tuple[float, float] | None = None
    frame_rate_hz: float | None = None
    scalars: dict[str, float] = field(default_factory=dict)
    curves: dict[str, np.ndarray] = field(default_factory=dict)
    error: str = ""
    notes: tuple[str, ...] = ()
    unfamiliar: tuple[str, ...] = ()


def write_result(path: str | Path, result: CaseResult, key: str) -> None:
    """Write a result, whole or not at all.

    Args:
        path: the file, by custom ``.h5``.
        result: what to keep.
        key: stands for everything that decided the result; `read_result` asks for it.

    Raises:
        InputError: it cannot be written.
    """
    plain = ("tracker", "frames", "ed", "es", "error", "scalars", "spacing_mm", "frame_rate_hz", *_SENTENCES)
    header = {name: getattr(result, name) for name in plain} | {"case": asdict(result.case)}
    with atomic_hdf5(path) as file:
        file.attrs.update({"format": FORMAT, "format_version": FORMAT_VERSION, "key": key})
        file.attrs["header"] = json.dumps(header)
        for name, values in result.curves.items():
            file.create_dataset(name, data=values)


def read_result(path: str | Path, key: str | None = None) -> CaseResult | None:
    """Read a result.

    Args:
        path: of the file.
        key: what it must have been written with; None takes any.

    Returns:
        None where there is no file, or one that is damaged or was made otherwise: it has to be measured anew.
    """
    if not Path(path).is_file():
        return None
    try:
        with open_hdf5(path, "a result") as file:
            made = (file.attrs.get("format"), file.attrs.get("format_version"))
            if made != (FORMAT, FORMAT_VERSION) or key not in (None, file.attrs.get("key")):
                return None
            header = json.loads(file.attrs["header"])
            curves = {name: load_dataset(path, file, name, None, "a result") for name in file}
        case, spacing = CaseInfo(**header.pop("case")), header.pop("spacing_mm")
        spacing = None if spacing is None else (float(spacing[0]), float(spacing[1]))
        header |= {name: tuple(header[name]) for name in _SENTENCES}
        return CaseResult(case=case, spacing_mm=spacing, curves=curves, **header)
    except (ArithmeticError, AttributeError, LookupError, MemoryError, OSError, RuntimeError, TypeError,
            ValueError):  # fmt: skip  # whatever is in a broken file
        return None
