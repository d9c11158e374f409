"""A tracking result in words: the same on the command line, in a notebook and in the browser."""

from __future__ import annotations

from html import escape

import numpy as np

from cpwc_keras.evaluation.strain import cavity_area
from cpwc_keras.tracking.result import TrackingResult

PLAUSIBLE_STRAIN = (-40.0, 20.0)
"""Percent; a contour whose length changes more has left the wall."""

PLAUSIBLE_LENGTH_MM = (15.0, 500.0)
"""Of the endocardium from base to base over the apex, at end-diastole, in hearts from an infant's to a dilated one."""

_LARGER = 1.03
"""A cavity this much larger than in the contour's frame is worth a word: end-diastole may be there."""


def describe(result: TrackingResult) -> list[tuple[str, str, str]]:
    """Each index as (name, value with its unit, meaning).

    Args:
        result: of `cpwc_keras.track`.
    """
    unit = result.unit
    strain = f"peak systolic longitudinal strain of the endocardium, frame {result.gls_frame}"
    share = f"{result.peak_mapse:.1f} % of the distance between them (the paper's form)"
    relative = f"how far the mitral plane comes towards the apex; {share}"
    source = "estimated, the smallest cavity" if result.es_estimated else "as given"
    rate = result.frame_rate_hz
    times = f" ({result.ed / rate:.2f} s, {result.es / rate:.2f} s)" if rate else ""
    between = "a step between ED and ES, median of forward against backward motion; small does not prove it right"
    averaged = "forward and backward averaged" if result.composition else "forward only"
    apart = "neighbouring frames" if result.reach == 1 else f"frames up to {result.reach} apart"
    return [
        ("GLS", f"{result.gls:.1f} %", strain),
        ("MAPSE", f"{result.annular_excursion:.1f} {unit}", relative),
        ("ED, ES", f"{result.ed}, {result.es}", f"frames, counted from 0{times}; end-systole {source}"),
        ("disagreement", f"{result.median_disagreement:.2f} {unit}", between),
        ("length at ED", f"{result.length[result.ed]:.1f} {unit}", "of the endocardium, from base to base"),
        ("tracker", result.tracker, f"{averaged}; pairs of {apart}"),
    ]


def doubts(result: TrackingResult) -> list[str]:
    """What a reader of the numbers has to know, one sentence each.

    Args:
        result: of `cpwc_keras.track`.
    """
    ed, es, start = result.ed, result.es, result.systole_start
    found = []
    if es == ed:
        found.append(
            "The cavity is never smaller than in the frame of the contour: no end-systole was found, and GLS and MAPSE "
            "mean nothing; check the contour and its frame."
        )
    elif es < ed:
        cut = " (the loop begins there, perhaps within that systole)" if start == 0 else ""
        found.append(
            f"End-systole lies before end-diastole: GLS and MAPSE are those of the systole before the contour's frame, "
            f"frames {start} to {es}{cut} against frame {ed}."
        )
    elif start > ed:
        found.append(
            "Between end-diastole and end-systole the cavity empties twice: GLS and MAPSE are those of the later beat, "
            f"frames {start} to {es} against frame {ed}; mark the end-systole of the contour's own beat."
        )
    if result.es_estimated and es != ed and es in (0, len(result) - 1):
        end = "begin after" if es == 0 else "end before"
        found.append(
            f"The cavity is smallest in frame {es}, at the loop's edge: the loop may {end} end-systole, and GLS and "
            "MAPSE come out too small."
        )
    if result.lost:
        return [*found, result.lost]
    area = cavity_area(result.contours, result.spacing_mm)
    largest = int(area.argmax())
    if area[largest] >= _LARGER * area[ed]:
        percent = (area[largest] / area[ed] - 1) * 100
        found.append(
            f"The tracked cavity is {percent:.0f} % larger in frame {largest} than in the contour's frame {ed}: "
            "end-diastole may be there."
        )
    return [*found, *_odd_contour(result)]


def _odd_contour(result: TrackingResult) -> list[str]:
    """What speaks against the contour that was drawn, or against the size of a pixel."""
    found = []
    drawn = result.contours[result.ed]
    if drawn[0, 0] > drawn[-1, 0]:
        found.append(
            "The contour begins on the right of the image, and the septum, where it has to begin, mostly lies on the "
            "left: if it does here, the segments bear the wrong names; reverse the contour's points."
        )
    length = result.length[result.ed]
    if result.spacing_mm and not PLAUSIBLE_LENGTH_MM[0] <= length <= PLAUSIBLE_LENGTH_MM[1]:
        row, column = result.spacing_mm
        found.append(
            f"With pixels of {row:g} × {column:g} mm the endocardium is {length:.0f} mm long from base to base, as in "
            "no heart: check the size of a pixel."
        )
    return found


def lost_contour(strain: np.ndarray) -> str:
    """A sentence where a strain curve, (T,) percent, is none of a heart; else ""."""
    low, high = float(strain.min()), float(strain.max())
    if PLAUSIBLE_STRAIN[0] <= low and high <= PLAUSIBLE_STRAIN[1]:
        return ""
    return (
        f"The strain runs from {low:.0f} to {high:.0f} %, which no heart does: the contour was lost in some frames; "
        "look at the video."
    )


def html(result: TrackingResult) -> str:
    """The same as a table of a notebook, with the notes below; whatever the texts hold is escaped."""
    left = 'style="text-align: left"'
    rows = "".join(
        f"<tr><th {left}>{escape(name)}</th><td><b>{escape(value)}</b></td><td {left}>{escape(meaning)}</td></tr>"
        for name, value, meaning in describe(result)
    )
    notes = "".join(f"<li>{escape(note)}</li>" for note in result.notes)
    mind = f"<p>Mind:</p><ul>{notes}</ul>" if notes else ""
    lost = f'<p style="color: #c8443a">Do not use these numbers. {escape(result.lost)}</p>' if result.lost else ""
    return f"{lost}<table>{rows}</table>{mind}"
