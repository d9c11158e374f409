"""The pages of the Python reference: which modules are on which; mkdocstrings makes them of the docstrings."""

from __future__ import annotations

import ast
import shutil
from pathlib import Path

import cpwc_keras

_TOP_LEVEL = {"ops": "cpwc_keras.ops", "data_prep": "cpwc_keras.data_prep"}
_PACKAGES = (
    "io", "models", "ops", "tracking", "evaluation", "baselines", "data", "data_prep", "training", "studies", "viz",
)  # fmt: skip
_SINGLE = ("types", "errors", "mesh", "fields", "curves", "segmentation", "files", "record", "processes")
_INNER = (
    "native", "chairs_like.kernels", "simulation.surrogate_kernels", "simulation.wall_kernels", "simulation.kernel",
    "simulation.element_pairs",
)  # fmt: skip
"""Compiled loops and what serves them: nobody calls these."""

_TOP = """# cpwc_keras

What most users need, under the names that stay: `import cpwc_keras as cpwc`. Nothing heavy is loaded before it is used.
The other pages of this part hold every public module behind them, made from the docstrings.

Arrays are NumPy's: images `(T, H, W)` float32 in [0, 1], flows `(..., H, W, 2)` in pixels as (dx, dy), points
`(..., 2)` as (x, y), spacing `(row_mm, col_mm)`; see [the flow convention](../../concepts/flow.md).
"""


def pages(root: Path) -> dict[str, str]:
    """Path of each page → its Markdown."""
    found = {"reference/api/index.md": _TOP + "".join(_public_name(name) for name in sorted(cpwc_keras._LAZY))}
    found["reference/api/types.md"] = _page(
        "Types and files", "Modules that everything else stands on.", [f"cpwc_keras.{name}" for name in _SINGLE]
    )
    for package in _PACKAGES:
        folder = root / package if package in _TOP_LEVEL else root / "cpwc_keras" / package
        modules = _modules(folder, package)
        found[f"reference/api/{package}.md"] = _page(f"cpwc_keras.{package}", _words(folder / "__init__.py"), modules)
    return found


def place(root: Path, source: str, name: str) -> str | None:
    """Page and anchor of a package or module, and there of a name, if the module defines it; None where it has no page.

    Args:
        root: of the repository.
        source: path of the folder or file in it.
        name: of a function or class.
    """
    path = Path(source.removeprefix("cpwc_keras/"))
    package, *inner = path.with_suffix("").parts
    if package not in _PACKAGES + _SINGLE or path.suffix not in ("", ".py") or ".".join(inner).startswith(_INNER):
        return None
    page = f"reference/api/{'types' if package in _SINGLE else package}.md"
    if not path.suffix:
        return page
    anchor = ".".join(["cpwc_keras", package, *inner])
    defined = {getattr(part, "name", None) for part in ast.parse((root / source).read_text(encoding="utf-8")).body}
    return f"{page}#{anchor}.{name}" if name in defined else f"{page}#{anchor}"


def link_sources(root: Path, tree: Path) -> None:
    """A folder that shows the package as it is imported: its modules are read from there without being run.

    Packages are left with their docstring alone: what they import from their modules would hide modules of that name.
    """
    shutil.rmtree(tree, ignore_errors=True)
    for folder, place in {"cpwc_keras": "", **{name: name for name in _TOP_LEVEL}}.items():
        for source in (root / folder).rglob("*.py"):
            copy = tree / "cpwc_keras" / place / source.relative_to(root / folder)
            copy.parent.mkdir(parents=True, exist_ok=True)
            if source.name == "__init__.py":
                copy.write_text(f'"""{_words(source)}"""\n', encoding="utf-8")
            else:
                copy.symlink_to(source)


def _words(module: Path) -> str:
    """A module's docstring."""
    return ast.get_docstring(ast.parse(module.read_text(encoding="utf-8"))) or ""


def _public_name(name: str) -> str:
    options = "{show_root_heading: false, show_root_toc_entry: false}"
    return f"\n## {name}\n\n::: {cpwc_keras._LAZY[name]}.{name}\n    options: {options}\n"


def _modules(folder: Path, package: str) -> list[str]:
    files = sorted(path for path in folder.rglob("*.py") if not any(part.startswith("_") for part in path.parts[-1:]))
    names = [".".join(path.relative_to(folder).with_suffix("").parts) for path in files]
    return [f"cpwc_keras.{package}.{name}" for name in names if not name.startswith(_INNER)]


def _page(title: str, words: str, modules: list[str]) -> str:
    blocks = (f"\n::: {name}\n    options: {{heading_level: 2}}\n" for name in modules)
    return f"# {title}\n\n{words}\n" + "".join(blocks)
