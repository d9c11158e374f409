"""The report as one page of HTML that needs nothing else: pictures within, no scripts, no fonts from elsewhere."""

from __future__ import annotations

import base64
import re
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from pathlib import Path

from cpwc_keras.studies.results import CaseResult
from cpwc_keras.studies.tables import Table

_INCH_ON_PAGE = 105  # CSS pixels for an inch of a figure, so that its letters are as large as the tables'


@dataclass(frozen=True)
class Picture:
    """A picture with its legend.

    Attributes:
        path: of the file: PNG for a plot, JPEG for frames.
        caption: sentences for under it.
        dpi: dots an inch of a plot; 0 for frames, which are as wide as there is room.
        video: path of the film it leads to, relative to the page, or "".
    """

    path: Path
    caption: str
    dpi: int = 0
    video: str = ""


@dataclass(frozen=True)
class Section:
    """What the page says of a part of the results.

    Attributes:
        title: its heading.
        lead: one sentence below it.
        tables: with the paper's rows.
        figures: plots.
        films: best and worst cases.
        remarks: sentences after them.
        cautions: what a reader of the tables has to mind.
    """

    title: str
    lead: str
    tables: Sequence[Table]
    figures: Sequence[Picture]
    films: Sequence[Picture]
    remarks: Sequence[str] = ()
    cautions: Sequence[str] = ()


def page(
    title: str,
    lead: str,
    sections: Sequence[Section],
    failed: Sequence[CaseResult],
    notes: Mapping[str, int],
    settings: Mapping[str, object],
    versions: Mapping[str, str],
) -> str:
    """The whole page.

    Args:
        title: its heading.
        lead: one sentence below it.
        sections: of the parts.
        failed: results with an error.
        notes: what was assumed → of how many results.
        settings: what the user chose.
        versions: package → version.
    """
    more = [("failed", "What could not be measured")] if failed else []
    more += [("notes", "What was assumed")] if notes else []
    places = [(f"part-{i}", s.title) for i, s in enumerate(sections)] + more + [("settings", "Settings and versions")]
    links = "".join(f'<a href="#{key}">{escape(name)}</a>' for key, name in places)
    body = [f"<h1>{escape(title)}</h1>", f'<p class="lead">{escape(lead)}</p>', f"<nav>{links}</nav>"]
    for i, section in enumerate(sections):
        body += _section(f"part-{i}", section)
    if failed:
        rows = [(f"{r.tracker} on {r.case.name}", r.error) for r in failed]
        body.append(f'<h2 id="failed">What could not be measured</h2>{_pairs(rows, "failed")}')
    if notes:
        rows = [(f"{count} result{'s' * (count > 1)}", note) for note, count in notes.items()]
        body.append(f'<h2 id="notes">What was assumed</h2>{_pairs(rows)}')
    body.append(f'<h2 id="settings">Settings and versions</h2>{_pairs(_as_text(settings))}{_pairs(versions.items())}')
    style = files("cpwc_keras.studies").joinpath("page.css").read_text(encoding="utf-8")
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>\n{style}</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(body)
        + "\n</main>\n</body>\n</html>\n"
    )


def _section(key: str, section: Section) -> list[str]:
    body = [f'<h2 id="{key}">{escape(section.title)}</h2>', f'<p class="lead">{escape(section.lead)}</p>']
    body += [_table(table) for table in section.tables]
    body += [f'<p class="remark">Mind: {escape(caution)}</p>' for caution in section.cautions]
    body += [_figure(picture, "plot") for picture in section.figures]
    body += [f"<p>{escape(remark)}</p>" for remark in section.remarks]
    if section.films:
        films = "\n".join(_figure(picture, "film") for picture in section.films)
        body.append(f'<h3>Best and worst cases</h3>\n<div class="films">\n{films}\n</div>')
    return body


def _table(table: Table) -> str:
    head = "".join(f'<th scope="col">{_set(header)}</th>' for header in table.headers)
    rows = []
    for i, (name, *cells) in enumerate(table.rows):
        paper = i >= table.paper_from
        kind = f' class="paper{" first" if i == table.paper_from else ""}"' if paper else ""
        tag = '<span class="tag">paper</span>' if paper else ""
        name = f'<th scope="row">{escape(name.removesuffix(" (paper)") if paper else name)}{tag}</th>'
        values = "".join(f"<td>{_value(cell, (i, j + 1) in table.bold)}</td>" for j, cell in enumerate(cells))
        rows.append(f"<tr{kind}>{name}{values}</tr>")
    remarks = "\n".join(f'<p class="remark">{_set(remark)}</p>' for remark in table.remarks)
    return (
        f'<h3>{_set(table.title)}</h3>\n<div class="wide"><table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n'
        + "\n".join(rows)
        + f"\n</tbody>\n</table></div>\n{remarks}"
    )


def _value(cell: str, best: bool) -> str:
    mean, plus_minus, sd = cell.partition(" ± ")
    mean = f"<strong>{escape(mean)}</strong>" if best else escape(mean)
    return f'{mean}<span class="sd"> ± {escape(sd)}</span>' if plus_minus else mean


def _set(text: str) -> str:
    """Escaped, with `code` and with d_m and d_H as they are printed."""
    text = re.sub("`([^`]+)`", r"<code>\1</code>", escape(text))
    for index in "mH":
        text = text.replace(f"d_{index} ", f"<i>d</i><sub>{index}</sub> ")
    return text


def _figure(picture: Picture, kind: str) -> str:
    content = picture.path.read_bytes()
    size, mime = "", "image/jpeg"
    if picture.dpi:
        mime = "image/png"
        width, height = (round(side * _INCH_ON_PAGE / picture.dpi) for side in struct.unpack(">II", content[16:24]))
        size = f' width="{width}" height="{height}"'
    data, caption = base64.b64encode(content).decode(), escape(picture.caption)
    image = f'<img{size} alt="{caption}" src="data:{mime};base64,{data}">'
    if picture.video:
        link = escape(picture.video)
        image, caption = f'<a href="{link}">{image}</a>', f'{caption} <a class="film" href="{link}">▶ video</a>'
    return f'<figure class="{kind}">{image}<figcaption>{caption}</figcaption></figure>'


def _pairs(rows: Iterable[tuple[str, str]], kind: str = "") -> str:
    mark = f' class="{kind}"' if kind else ""
    lines = [f'<tr><th scope="row">{escape(a)}</th><td{mark}>{escape(b)}</td></tr>' for a, b in rows]
    return f'<div class="wide"><table class="prose">\n{chr(10).join(lines)}\n</table></div>' if lines else ""


def _as_text(settings: Mapping[str, object]) -> list[tuple[str, str]]:
    """Settings as a reader wants them, with a dash for what was left alone."""
    return [
        (name.replace("_", " "), "–" if value in ("", None, (), []) else _words(value))
        for name, value in settings.items()
    ]


def _words(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(str(key) if key == entry else f"{key} = {_words(entry)}" for key, entry in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(_words, value))
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
