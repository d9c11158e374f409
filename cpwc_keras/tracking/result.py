"""What tracking a loop gives: points, the curves and indices that follow from them, tables and pictures of both."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, overload

import numpy as np

from cpwc_keras.evaluation import strain as indices
from cpwc_keras.io.tracking_file import FORMAT
from cpwc_keras.types import CineLoop

if TYPE_CHECKING:
    from matplotlib.figure import Figure

VERSION = 1
"""Of the files that hold a result; their format is `FORMAT`."""


@dataclass(frozen=True, eq=False, repr=False)
class TrackingResult:
    """Where the points went, what follows from it, and how far it can be trusted.

    Attributes:
        points: (T, N, 2) contour, or (T, 36, 5, 2) mesh, as (x, y) pixels.
        disagreement_vectors: (T, N, 2) or (T, 36, 5, 2) pixels: for the step that led to each frame, where forward and
            backward motion disagree (`composition.compose`); 0 at `ed`.
        ed: index of the end-diastolic frame, where the contour was given.
        es: index of the end-systolic frame.
        es_estimated: whether `es` is the frame of smallest cavity (`evaluation.strain.estimate_es`), not a given one.
        spacing_mm: (row_mm, col_mm), or None: lengths are then in pixels.
        frame_rate_hz: frames a second, or None.
        tracker: name of the tracker.
        composition: whether forward and backward motion were averaged.
        reach: how many frames apart the images of a pair could be (`carry.carry`).
        notes: what was assumed, one sentence each.
        flows: (T-1, H, W, 2) float32 pixels from each frame to the next, or None.
        precision: in which the network calculated, or None where the tracker is no network.
        engine: what ran the network (`engines.ENGINES`), or None likewise.
        weights_sha256: SHA-256 of the file with the tracker's weights, or None likewise.
    """

    points: np.ndarray
    disagreement_vectors: np.ndarray
    ed: int
    es: int
    es_estimated: bool
    spacing_mm: tuple[float, float] | None
    frame_rate_hz: float | None
    tracker: str
    composition: bool
    reach: int
    notes: tuple[str, ...] = ()
    flows: np.ndarray | None = None
    precision: str | None = None
    engine: str | None = None
    weights_sha256: str | None = None

    def __len__(self) -> int:
        return len(self.points)

    @property
    def contours(self) -> np.ndarray:
        """(T, N, 2): the contour, or the endocardial layer of the mesh."""
        return self.points if self.points.ndim == 3 else self.points[:, :, 0]

    @property
    def unit(self) -> str:
        """Unit of every length: "mm", or "px" where the spacing is unknown."""
        return "mm" if self.spacing_mm else "px"

    @cached_property
    def disagreement(self) -> np.ndarray:
        """(T, N) or (T, 36, 5): length of the forward-backward disagreement, in `unit`. Small is trustworthy."""
        return np.linalg.norm(indices.scaled(self.disagreement_vectors, self.spacing_mm), axis=-1)

    @cached_property
    def length(self) -> np.ndarray:
        """(T,): L(t) of the endocardium, in `unit`."""
        return indices.arc_length(self.contours, self.spacing_mm)

    @cached_property
    def strain(self) -> np.ndarray:
        """(T,): longitudinal strain in percent, eq. (2)."""
        return indices.longitudinal_strain(self.contours, self.spacing_mm, self.ed)

    @cached_property
    def apical_length(self) -> np.ndarray:
        """(T,): from the apex to the middle of the base, in `unit`."""
        return indices.apical_length(self.contours, self.spacing_mm, self.ed)

    @cached_property
    def mapse(self) -> np.ndarray:
        """(T,): MAPSE in percent, as the paper computes it."""
        return indices.mapse(self.contours, self.spacing_mm, self.ed)

    @cached_property
    def systole_start(self) -> int:
        """The frame with which the systole of `gls` and `peak_mapse` begins; it ends at `es`.

        That is `ed`, unless `es` is of another beat (`evaluation.strain.systole_start`).
        """
        return indices.systole_start(indices.cavity_area(self.contours, self.spacing_mm), self.ed, self.es)

    @property
    def gls(self) -> float:
        """Peak systolic longitudinal strain in percent."""
        return indices.peak_systolic(self.strain, self.systole_start, self.es)

    @property
    def gls_frame(self) -> int:
        """The frame of `gls`."""
        return indices.peak_systolic_frame(self.strain, self.systole_start, self.es)

    @property
    def peak_mapse(self) -> float:
        """Peak systolic MAPSE in percent."""
        return indices.peak_systolic(self.mapse, self.systole_start, self.es)

    @property
    def lost(self) -> str:
        """A sentence where the strain is none of a heart, so that no number may be used; else ""."""
        from cpwc_keras.tracking.description import lost_contour

        return lost_contour(self.strain)

    @property
    def annular_excursion(self) -> float:
        """The same as a distance in `unit`: how far the mitral plane comes towards the apex."""
        return -self.peak_mapse / 100 * float(self.apical_length[self.ed])

    @property
    def median_disagreement(self) -> float:
        """Median disagreement between end-diastole and end-systole, in `unit` a step (of up to `reach` frames)."""
        first, last = sorted((self.ed, self.es))
        steps = np.delete(self.disagreement[first : last + 1], self.ed - first, axis=0)
        return float(np.median(steps)) if len(steps) else 0.0

    @property
    def columns(self) -> dict[str, np.ndarray]:
        """Name with unit → (T,): the columns of `to_csv`; `pandas.DataFrame(result.columns)` is its table."""
        unit = self.unit
        return {
            "frame": np.arange(len(self)),
            "time_s": np.arange(len(self)) / (self.frame_rate_hz or np.nan),
            f"length_{unit}": self.length,
            "strain_percent": self.strain,
            f"apex_to_base_{unit}": self.apical_length,
            "mapse_percent": self.mapse,
            f"disagreement_median_{unit}": np.median(self.disagreement.reshape(len(self), -1), axis=1),
        }

    @property
    def summary(self) -> dict:
        """The indices, how they were made, and the versions of what made them, in types that JSON knows."""
        from cpwc_keras.record import versions

        return {
            "format": FORMAT,
            "version": VERSION,
            "gls_percent": self.gls,
            "mapse_percent": self.peak_mapse,
            f"annular_excursion_{self.unit}": self.annular_excursion,
            f"median_disagreement_{self.unit}": self.median_disagreement,
            "ed_frame": self.ed,
            "gls_frame": self.gls_frame,
            "systole_start_frame": self.systole_start,
            "es_frame": self.es,
            "es_estimated": self.es_estimated,
            "frames": len(self),
            "spacing_mm": self.spacing_mm,
            "frame_rate_hz": self.frame_rate_hz,
            "tracker": self.tracker,
            "weights_sha256": self.weights_sha256,
            "precision": self.precision,
            "engine": self.engine,
            "composition": self.composition,
            "reach_frames": self.reach,
            "notes": list(self.notes),
            "versions": versions(),
        }

    @overload
    def to_csv(self) -> str: ...
    @overload
    def to_csv(self, path: str | Path) -> None: ...
    def to_csv(self, path=None):
        """One line a frame: time, L, strain, apex to base, MAPSE, disagreement; the units are in the header.

        Args:
            path: of the file; without it the text is returned.

        Raises:
            InputError: the file cannot be written.
        """
        from cpwc_keras.tracking.output import csv_text, write_text_file

        text = csv_text(self)
        return text if path is None else write_text_file(path, text)

    @overload
    def to_json(self) -> str: ...
    @overload
    def to_json(self, path: str | Path) -> None: ...
    def to_json(self, path=None):
        """The `summary` as JSON; what is not a number (NaN) becomes null.

        Args:
            path: of the file; without it the text is returned.

        Raises:
            InputError: the file cannot be written.
        """
        from cpwc_keras.record import json_text, write_json

        return json_text(self.summary) if path is None else write_json(path, self.summary)

    def plot(self, path: str | Path | None = None, title: str = "") -> Figure:
        """Strain and MAPSE, length, and disagreement over time.

        Args:
            path: where the figure is written as well, in the format that the suffix names: `.png`, `.pdf`, `.svg`.
            title: one line above.

        Returns:
            a `matplotlib.figure.Figure`, which notebooks show; `pyplot` does not know it, so it need not be closed.

        Raises:
            InputError: the file cannot be written, or not in this format.
        """
        from cpwc_keras.tracking.output import strain_plot, write_figure

        figure = strain_plot(self, title)
        if path is not None:
            write_figure(path, figure)
        return figure

    def draw(self, loop: CineLoop, frame: int) -> np.ndarray:
        """One frame with the contour on it, coloured by the disagreement, as in the video of `save`.

        Args:
            loop: what was tracked.
            frame: its index.

        Returns:
            (H', W', 3) uint8 RGB, at least 720 rows.

        Raises:
            InputError: the loop is another one, or has no such frame.
        """
        from cpwc_keras.tracking.output import draw_frame

        return draw_frame(self, loop, frame)

    def save(self, folder: str | Path, loop: CineLoop) -> list[Path]:
        """Write all that `cpwc-keras track` writes (`cpwc_keras.tracking.output`): tables, HDF5, pictures, video.

        The summary has the SHA-256 of the file that the loop was read from, unless that has changed since.

        Args:
            folder: is made if need be; files of the same names are replaced.
            loop: what was tracked, for the pictures.

        Returns:
            the files.

        Raises:
            InputError: the loop is another one, the disk is full, or the folder cannot be written to.
        """
        from cpwc_keras.files import output_folder
        from cpwc_keras.io.input_file import file_state, sha256
        from cpwc_keras.tracking.output import require_loop, write_results

        require_loop(self, loop)
        # Of another file that stands there by now it would be a lie.
        unchanged = loop.source_state is not None and file_state(loop.source) == loop.source_state
        known = sha256(loop.source) if unchanged else None
        return write_results(self, loop, output_folder(folder), {}, known)

    def describe(self) -> list[tuple[str, str, str]]:
        """(name, value, meaning) of each index, in words (`cpwc_keras.tracking.description`)."""
        from cpwc_keras.tracking.description import describe

        return describe(self)

    def __repr__(self) -> str:
        values = ", ".join(f"{name} {value}" for name, value, _ in self.describe()[:3])
        notes = f", {len(self.notes)} note{'s' * (len(self.notes) > 1)} to read" if self.notes else ""
        lost = "CONTOUR LOST, do not use the numbers: " if self.lost else ""
        return f"<TrackingResult of {len(self)} frames: {lost}{values}, {self.tracker}{notes}>"

    def _repr_html_(self) -> str:
        """What Jupyter shows."""
        from cpwc_keras.tracking.description import html

        return html(self)
