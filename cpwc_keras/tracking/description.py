"""A tracking result in words: the same on the command line, in a notebook and in the browser."""

from __future__ import annotations

from html import escape

from cpwc_keras.tracking.result import TrackingResult


def describe(result: TrackingResult) -> list[tuple[str, str, str]]:
    """Each index as (name, value with its unit, meaning).

    Args:
        result: of `cpwc_keras.track`.
    """
    unit = result.unit
    strain = f"peak systolic longitudinal strain of the endocardium, frame {result.gls_frame}"
    relative = f"the mitral plane comes towards the apex; {result.peak_mapse:.1f} % of its distance (the paper's form)"
    source = "estimated, the smallest cavity" if result.es_estimated else "as given"
    between = "a step between ED and ES, median of forward against backward motion; small does not prove it right"
    averaged = "forward and backward averaged" if result.composition else "forward only"
    apart = "neighbouring frames" if result.reach == 1 else f"frames up to {result.reach} apart"
    return [
        ("GLS", f"{result.gls:.1f} %", strain),
        ("MAPSE", f"{result.annular_excursion:.1f} {unit}", relative),
        ("ED, ES", f"{result.ed}, {result.es}", f"frames; end-systole {source}"),
        ("disagreement", f"{result.median_disagreement:.2f} {unit}", between),
        ("tracker", result.tracker, f"{averaged}; pairs of {apart}"),
    ]


def html(result: TrackingResult) -> str:
    """The same as a table of a notebook, with the notes below; whatever the texts hold is escaped."""
    left = 'style="text-align: left"'
    rows = "".join(
        f"<tr><th {left}>{escape(name)}</th><td><b>{escape(value)}</b></td><td {left}>{escape(meaning)}</td></tr>"
        for name, value, meaning in describe(result)
    )
    notes = "".join(f"<li>{escape(note)}</li>" for note in result.notes)
    mind = f"<p>Mind:</p><ul>{notes}</ul>" if notes else ""
    return f"<table>{rows}</table>{mind}"
