"""Rules of the house that a machine can check: imports run one way, the layout imports as promised."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCES = sorted(p for d in ("cpwc_keras", "ops", "data_prep") for p in (ROOT / d).rglob("*.py"))

FLOORS = [
    {
        "errors",
        "files",
        "types",
        "ops",
        "evaluation",
        "viz",
        "fields",
        "segmentation",
        "record",
        "curves",
        "processes",
        "quiet",
        "compiled",
    },
    {"mesh", "io", "models", "baselines"},
    {"data", "tracking", "inspection"},
    {"training", "studies", "app", "data_prep"},
    {"cli"},
]
FLOOR = {name: number for number, floor in enumerate(FLOORS) for name in floor}


def part_of(path):
    """The part of the house a file belongs to."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return parts[0] if parts[0] != "cpwc_keras" else parts[1]


def imports(path):
    """Every module a file imports, wherever in the file."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            yield node.module


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_run_one_way(path):
    part = part_of(path)
    for name in imports(path):
        root, *rest = name.split(".")
        assert root not in ("ops", "data_prep"), f"{path} imports bare {name}"
        if root == "cpwc_keras" and rest and part in FLOOR:
            below = FLOOR[rest[0]]
            assert below <= FLOOR[part], f"{part} (floor {FLOOR[part]}) imports {rest[0]} (floor {below}) in {path}"


@pytest.mark.parametrize("part", ["data", "io"])
def test_data_and_io_know_no_network(part):
    for path in SOURCES:
        if part_of(path) == part:
            assert not any(name.startswith(("keras", "cpwc_keras.models")) for name in imports(path)), path


def test_tensorflow_is_imported_where_it_is_needed_only():
    allowed = {"data/pipeline.py", "training/distribution.py", "ops/native/__init__.py"}
    allowed |= {"models/export.py", "models/export_record.py"}
    for path in SOURCES:
        relative = str(path.relative_to(ROOT)).removeprefix("cpwc_keras/")
        if any(name.split(".")[0] == "tensorflow" for name in imports(path)):
            assert relative in allowed, path


def test_the_top_level_folders_are_subpackages():
    import cpwc_keras.data_prep
    import cpwc_keras.ops

    assert Path(cpwc_keras.ops.__file__).parent.name == "ops"
    assert Path(cpwc_keras.data_prep.__file__).parent.name == "data_prep"


def test_help_is_there_without_heavy_imports():
    program = (
        "import sys; from click.testing import CliRunner; from cpwc_keras.cli.main import cli;"
        "out = CliRunner().invoke(cli, ['--help']); assert out.exit_code == 0, out.output;"
        "print([m for m in ('keras', 'tensorflow', 'numba', 'cv2', 'matplotlib') if m in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-c", program], text=True).strip() == "[]"
