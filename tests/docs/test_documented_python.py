"""Every Python snippet of README and docs compiles, and what it imports, calls and reads is there."""

import ast
import importlib
import inspect
import json
import typing

import pytest
from documented import ROOT, blocks, dotted, snippets

SNIPPETS = snippets()
RUN = (
    "docs/concepts/flow.md",
    "docs/concepts/mesh.md",
    "docs/concepts/composition.md",
    "docs/concepts/strain.md",
    "docs/howto/simulate.md",
)
"""Pages whose snippets need nothing but the package."""

START = "examples.get_path"
"""What marks the snippet of docs/start.md that tracks the loop of pydicom."""


def imported(tree):
    """Name in the snippet → what it stands for; everything that is imported must be there."""
    names = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                module, root = importlib.import_module(alias.name), alias.name.partition(".")[0]
                names[alias.asname or root] = module if alias.asname else importlib.import_module(root)
        elif isinstance(node, ast.ImportFrom):
            module = importlib.import_module(node.module)
            for alias in node.names:
                value = getattr(module, alias.name, None) or importlib.import_module(f"{node.module}.{alias.name}")
                names[alias.asname or alias.name] = value
    return names


def resolve(path, names):
    """What a dotted path stands for, as far as it is known; what is known must have each attribute."""
    root, *attributes = path.split(".")
    value = names.get(root)
    for attribute in attributes:
        if value is None:
            return None
        if isinstance(value, type) and attribute in getattr(value, "__dataclass_fields__", {}):
            return None
        value = getattr(value, attribute)
        if isinstance(value, property) or hasattr(value, "func"):
            return None
    return value


def returned(function):
    """The package's class that a function says it returns, or None."""
    if inspect.isclass(function):
        return function if function.__module__.startswith("cpwc_keras") else None
    try:
        kind = typing.get_type_hints(function).get("return")
    except (TypeError, NameError):
        return None
    return kind if inspect.isclass(kind) and kind.__module__.startswith("cpwc_keras") else None


@pytest.mark.parametrize(("page", "code"), SNIPPETS, ids=[f"{page}-{i}" for i, (page, _) in enumerate(SNIPPETS)])
def test_a_snippet_names_only_what_is_there(page, code):
    earlier = "\n".join(other for where, other in SNIPPETS[: SNIPPETS.index((page, code)) + 1] if where == page)
    names = imported(ast.parse(earlier))
    for node in ast.walk(ast.parse(earlier)):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call) and len(node.targets) == 1:
            target, called = dotted(node.targets[0]), dotted(node.value.func)
            if target and called and (kind := returned(resolve(called, names))):
                names[target] = kind
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Attribute) and (path := dotted(node)):
            resolve(path, names)
        if isinstance(node, ast.Call) and (path := dotted(node.func)) and (function := resolve(path, names)):
            bind(function, node)


def bind(function, call):
    """The package's function takes these arguments."""
    ours = getattr(function, "__module__", "").startswith("cpwc_keras")
    if not ours or any(isinstance(argument, ast.Starred) for argument in call.args):
        return
    itself = inspect.isfunction(function) and "." in function.__qualname__  # a method, found on its class
    arguments = [None, *call.args] if itself else call.args
    inspect.signature(function).bind(*arguments, **{keyword.arg: None for keyword in call.keywords})


@pytest.mark.parametrize("page", RUN)
def test_the_snippets_of_a_page_run(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    scope = {}
    codes = [code for where, code in SNIPPETS if where == page]
    assert codes, "the page has no snippet any more"
    for code in codes:
        exec(compile(code, page, "exec"), scope)
    check = CHECKS.get(page)
    assert check is None or check(scope)


@pytest.mark.parametrize("page", ["README.md", "docs/contours.md"])
def test_the_contour_that_is_shown_is_the_demos(page):
    shipped = json.loads((ROOT / "cpwc_keras/cli/assets/demo_contour.json").read_text(encoding="utf-8"))
    (shown,) = [json.loads(block) for block in blocks(ROOT / page, "json")]
    points = [point for point in shown.pop("points") if not isinstance(point, str)]  # "… over the apex …"
    assert [point for point in shipped["points"] if point in points] == points
    assert points[0] == shipped["points"][0] and points[-1] == shipped["points"][-1]
    note = shown.pop("note", "").rstrip("…")
    assert shipped["note"].startswith(note)
    assert shown == {key: shipped[key] for key in shown}


def near(values, expected, tolerance):
    return abs(values - expected).max() < tolerance


CHECKS = {  # what the pages' comments claim
    "docs/concepts/flow.md": lambda scope: abs(scope["dx"] - 3) < 0.2 and abs(scope["dy"] - 2) < 0.2,
    "docs/concepts/composition.md": lambda scope: (
        near(scope["displacement"], [[1.9, 1.0]], 1e-6) and near(scope["disagreement"], [[0.2, 0.0]], 1e-6)
    ),
    "docs/concepts/strain.md": lambda scope: (
        near(scope["strain"], [0, -10, -20, -5], 1e-6) and abs(scope["gls"] + 20) < 1e-6
    ),
    "docs/concepts/mesh.md": lambda scope: (
        near(scope["moved"], scope["mesh"][3][:, 1:4].reshape(-1, 2), 1e-3) and len(scope["mesh_triangles"](36)) == 280
    ),
}


@pytest.mark.slow
def test_the_first_steps_in_python_do_what_they_say():
    (code,) = [code for page, code in SNIPPETS if page == "docs/start.md" and START in code]
    scope = {}
    exec(compile(code, "docs/start.md", "exec"), scope)
    assert scope["result"].strain.shape == (30,) and scope["result"].contours.shape == (30, 36, 2)
