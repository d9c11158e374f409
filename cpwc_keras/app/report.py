"""A tracked loop on one page."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import cv2

from cpwc_keras.app.pictures import MATPLOTLIB, RESEARCH_ONLY, regions
from cpwc_keras.files import MADE_WITH
from cpwc_keras.tracking.output import strain_plot
from cpwc_keras.tracking.result import TrackingResult
from cpwc_keras.viz.one_page import write_page


def write_pdf(path: Path, result: TrackingResult, sha256: str) -> None:
    """Write the one-page report.

    Args:
        path: the file, ``….pdf``, in a folder that `cpwc_keras.tracking.output.write_results` has filled.
        result: of the tracking.
        sha256: of the loop's file, the only thing that is said of it.

    Raises:
        InputError: the file cannot be written.
    """
    picture = cv2.imread(str(path.with_name("overlay.png")))[..., ::-1]
    notes = [f"Mind: {note}" for note in result.notes]
    lost = [f"Do not use these numbers. {result.lost}"] if result.lost else []
    with MATPLOTLIB:
        write_page(
            path,
            "Motion of the left ventricle",
            picture,
            result.describe(),
            partial(strain_plot, result, ""),
            partial(regions, result),
            [*lost, *notes, f"Input: SHA-256 {sha256}"],
            f"{RESEARCH_ONLY}  {MADE_WITH}, end-diastole left, end-systole right",
        )
