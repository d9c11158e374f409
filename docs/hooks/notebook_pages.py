"""The notebooks as pages: executed ones of build/notebooks (`make notebooks`), else the repository's as they are."""

from __future__ import annotations

import base64
import html
import json
import re
from pathlib import Path

from links import relink

_INDEX = """# Notebooks

They lie in `notebooks/` of the repository and need no data of yours. `pip install 'cpwc-keras[notebook]'` brings what
they need besides the package, `jupyter lab notebooks` opens them.

"""
_PICTURES = {"image/png": "png", "image/jpeg": "jpeg"}
_WIDGET = "application/vnd.jupyter.widget-view+json"
_ANSI = re.compile(r"\x1b\[[0-9;]*m")


def pages(root: Path) -> dict[str, str]:
    """Path of each page → its Markdown."""
    found = {path.name: path for folder in ("notebooks", "build/notebooks") for path in (root / folder).glob("*.ipynb")}
    contents = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(found.values())}
    entries = (f"- [{_title(name, content)}]({name}.md)\n" for name, content in contents.items())
    result = {"notebooks/index.md": _INDEX + ("".join(entries) or "There are none in this version.\n")}
    for name, content in contents.items():
        cells = "\n".join(_cell(cell, name) for cell in content["cells"])
        result[f"notebooks/{name}.md"] = f"{cells}\n\n*This page is `notebooks/{name}.ipynb`.*\n"
    return result


def _title(name: str, content: dict) -> str:
    text = "".join("".join(cell["source"]) for cell in content["cells"][:1])
    return text.splitlines()[0].lstrip("# ").strip() if text.startswith("#") else name.replace("_", " ")


def _cell(cell: dict, name: str) -> str:
    source = "".join(cell["source"])
    if cell["cell_type"] == "markdown":
        return relink(source, f"notebooks/{name}.ipynb", f"notebooks/{name}.md") + "\n"
    if cell["cell_type"] != "code" or not source.strip():
        return ""
    return f"```python\n{source}\n```\n" + "".join(_output(output) for output in cell.get("outputs", ()))


def _output(output: dict) -> str:
    """One output of a cell: a picture, else HTML without scripts, else text; nothing for warnings and the like."""
    if output["output_type"] == "stream":
        return _text(output["text"]) if output["name"] == "stdout" else ""
    data = output.get("data", {})
    if _WIDGET in data:
        return "\n*Here the notebook shows controls, which a page cannot.*\n\n"
    for kind, name in _PICTURES.items():
        if kind in data:
            picture = base64.b64encode(base64.b64decode("".join(data[kind]))).decode()
            return f'\n<img class="output" alt="output of this cell" src="data:image/{name};base64,{picture}">\n\n'
    markup = "".join(data.get("text/html", ""))
    if markup and "<script" not in markup:
        return f'\n<div class="output">{_one_block(markup)}</div>\n\n'
    return _text(data.get("text/plain", ""))


def _one_block(markup: str) -> str:
    """HTML that Markdown leaves as it is: without empty lines."""
    return re.sub(r"\n\s*\n", "\n", markup)


def _text(text) -> str:
    plain = _ANSI.sub("", "".join(text)).rstrip()
    return f'\n<pre class="output">{html.escape(plain)}</pre>\n\n' if plain else ""
