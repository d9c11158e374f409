"""What an evaluation leaves in its folder.

================  ====================================================================================================
file              content
================  ====================================================================================================
``report.html``   everything below on one page that can be mailed; only the videos stay beside it
``table.md``      the tables
``results.csv``   every scalar, one line for each tracker and case
``timing.csv``    seconds a pair, which are never twice the same
``figures/``      the plots
``videos/``       the best and the worst case of each tracker, and the stills of them that the page shows
================  ====================================================================================================
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from cpwc_keras.errors import InputError
from cpwc_keras.files import WriteError, atomic_path
from cpwc_keras.record import figure_metadata, versions
from cpwc_keras.studies.cautions import unfamiliar_lines
from cpwc_keras.studies.csv_files import results_csv, timing_csv
from cpwc_keras.studies.curve_figures import distance_profiles, loop_over_beats, strain_over_time
from cpwc_keras.studies.figures import bland_altman, correlation, distance_boxes, error_histograms, segment_errors
from cpwc_keras.studies.page import Picture, Section, page
from cpwc_keras.studies.results import CaseInfo, CaseResult
from cpwc_keras.studies.tables import Part, markdown, markdown_text, parts, tables
from cpwc_keras.studies.videos import best_and_worst, write_case_still, write_case_video

FramesOf = Callable[[CaseInfo], np.ndarray]
"""A case's frames, (T, H, W)."""

_DPI = 150
_MOST_LOOPS = 12
"""So many loops are drawn; the tables and files have all."""

_SHORTEST_VIDEO = 4
"""Frames."""

_MEAN = "From five cases on, the thick line is their mean"
_CONSTANT = "Trackers that find the same for every case, as one without motion does, are left out."
_IDENTITY = f"Peak systolic values against the reference; the line is identity. {_CONSTANT}"
_LIMITS = f"Bias and 95 % limits of agreement (Bland-Altman). {_CONSTANT}"
_PLOTS = (
    ("errors", distance_boxes, "Errors of every case: boxes from quartile to quartile, a line at the median."),
    ("histograms", error_histograms, "Errors of single steps (left) and of whole cases (right), with their medians."),
    (
        "strain",
        strain_over_time,
        "Longitudinal strain of every case, as Fig. 5 of the paper; time is stretched so that end-diastole, "
        f"end-systole and end coincide. {_MEAN}, and dashes are the 95 % limits of agreement.",
    ),
    ("gls-correlation", partial(correlation, index="gls"), _IDENTITY),
    ("gls-bland-altman", partial(bland_altman, index="gls"), _LIMITS),
    ("mapse-correlation", partial(correlation, index="mapse"), _IDENTITY),
    ("mapse-bland-altman", partial(bland_altman, index="mapse"), _LIMITS),
    (
        "profile",
        distance_profiles,
        "Distance between the tracked and the reference contour along the wall, mean over the frames, as Fig. 6 of the "
        f"paper. {_MEAN}.",
    ),
    ("segments", segment_errors, "Error of segmental strain at end-systole, which the paper could not measure."),
)
"""Name of the file, what draws it, legend."""


def write_report(
    folder: Path, results: Sequence[CaseResult], title: str, settings: dict, frames_of: FramesOf | None
) -> list[Path]:
    """Write every file of the module's table; each is whole or absent. Old figures and videos are removed.

    Args:
        folder: an existing folder that this run holds (`cpwc_keras.files.locked_folder`).
        results: of every tracker on every case, trackers in the order they are to be shown in.
        title: heading of the page.
        settings: what the user chose, for the end of the page.
        frames_of: reads the frames of a case; None leaves the videos and stills out.

    Returns:
        what was written, the page last.

    Raises:
        InputError: the disk is full, or the folder cannot be written to.
    """
    folder = Path(folder)
    written = [folder / "results.csv", folder / "timing.csv"]
    results_csv(written[0], results)
    timing_csv(written[1], results)
    sections = []
    for part in parts(results):
        figures, remarks = _figures(folder, part)
        films, unread = _films(folder, part, frames_of) if frames_of else ([], [])
        written += [picture.path for picture in (*figures, *films)]
        written += [folder / picture.video for picture in films if picture.video]
        cautions = unfamiliar_lines(part.results)
        sections.append(
            Section(part.title, _count(part.results), tables(part), figures, films, remarks + unread, cautions)
        )
    failed = [result for result in results if result.error]
    notes = dict(Counter(note for result in results for note in dict.fromkeys(result.notes)))
    html = page(title, _count(results), sections, failed, notes, settings, versions())
    for name, text in (("table.md", _markdown(title, sections, failed)), ("report.html", html)):
        with atomic_path(folder / name) as beside_it:
            beside_it.write_text(text, encoding="utf-8")
        written.append(folder / name)
    for subfolder in ("figures", "videos"):  # what an earlier run with other choices has left
        for path in set((folder / subfolder).glob("*.*")) - set(written):
            path.unlink()
    return written


def _figures(folder: Path, part: Part) -> tuple[list[Picture], list[str]]:
    """Every plot of a part that there is something for, written; and what is to be said of those that are not."""
    if part.kind == "loop":
        return _loop_figures(folder, part)
    pictures = []
    for name, draw, caption in _PLOTS:
        if (figure := draw(part.results)) is not None:
            pictures.append(_plot(folder, f"{_slug(part.title)}-{name}", figure, caption))
    return pictures, []


def _loop_figures(folder: Path, part: Part) -> tuple[list[Picture], list[str]]:
    names = list(dict.fromkeys(result.case.name for result in part.results))
    pictures = []
    for number, name in enumerate(names[:_MOST_LOOPS]):
        figure = loop_over_beats([result for result in part.results if result.case.name == name])
        if figure is not None:
            caption = f"{name}: strain over the beats; below, how far strain and shape are from closing after each."
            pictures.append(_plot(folder, f"{_slug(part.title)}-{number + 1}-{_slug(name)}", figure, caption))
    left_out = [f"The first {_MOST_LOOPS} of {len(names)} loops are drawn."] if len(names) > _MOST_LOOPS else []
    return pictures, left_out


def _plot(folder: Path, name: str, figure, caption: str) -> Picture:
    path = folder / "figures" / f"{name}.png"
    with atomic_path(path) as beside_it:
        figure.savefig(beside_it, dpi=_DPI, metadata=figure_metadata(".png"))  # nothing of the day
    return Picture(path, caption, _DPI)


def _films(folder: Path, part: Part, frames_of: FramesOf) -> tuple[list[Picture], list[str]]:
    """Best and worst case of each tracker, as still and video; and a sentence for each case that cannot be read."""
    chosen = best_and_worst(part.results)
    pictures, unread = {}, {}
    for case in dict.fromkeys(result.case for _, result in chosen):  # each is read once
        try:
            frames = frames_of(case)
        except WriteError:
            raise
        except InputError as error:
            unread[case] = f"{case.name} is not shown: {error}"
            continue
        for number, (which, result) in enumerate(chosen):
            if result.case == case:
                pictures[number] = _film(folder, f"{_slug(part.title)}-{number + 1}", which, result, frames)
    return [pictures[number] for number in sorted(pictures)], list(unread.values())


def _film(folder: Path, prefix: str, which: str, result: CaseResult, frames: np.ndarray) -> Picture:
    name = f"{prefix}-{_slug(result.tracker)}-{which}"
    still = folder / "videos" / f"{name}.jpg"
    write_case_still(still, result, frames)
    video = f"videos/{name}.mp4" if len(frames) >= _SHORTEST_VIDEO else ""
    if video:
        write_case_video(folder / video, result, frames)
    legend = "white is the reference" if "references" in result.curves else "no reference is known"
    return Picture(still, f"{result.tracker}, {which} case: {result.case.name}; {legend}.", video=video)


def _count(results: Sequence[CaseResult]) -> str:
    trackers, cases = ({get(r) for r in results} for get in (lambda r: r.tracker, lambda r: r.case))
    failed = sum(bool(result.error) for result in results)
    texts = [_many(len(trackers), "tracker"), _many(len(cases), "case")]
    texts.append(_many(len({(case.dataset, case.patient) for case in cases}), "patient"))
    return ", ".join(texts) + (f"; {failed} of {len(results)} results failed" if failed else "") + "."


def _many(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _markdown(title: str, sections: Sequence[Section], failed: Sequence[CaseResult]) -> str:
    texts = [f"# {markdown_text(title)}\n"]
    for section in sections:
        texts.append(f"## {markdown_text(section.title)}\n\n{section.lead}\n")
        texts += [markdown(table) for table in section.tables]
        texts += [f"Mind: {markdown_text(caution)}\n" for caution in section.cautions]
    if failed:
        lines = "\n".join("- " + markdown_text(f"{r.tracker} on {r.case.name}: {r.error}") for r in failed)
        texts.append(f"## What could not be measured\n\n{lines}\n")
    return "\n".join(texts)


def _slug(text: str) -> str:
    """Letters and digits for a file's name; those it is joined with keep names apart."""
    return re.sub(r"[^A-Za-z0-9]+", "-", text).strip("-")[-40:].lower() or "x"
