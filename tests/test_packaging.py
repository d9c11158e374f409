"""The wheel and the sdist hold what is needed and nothing else; the lock file fits what is asked for."""

import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml

pytest.importorskip("packaging")
pytest.importorskip("setuptools", "77")  # older ones know no licence expressions
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PLACES = {"cpwc_keras": "cpwc_keras", "ops": "cpwc_keras/ops", "data_prep": "cpwc_keras/data_prep"}
NO_SOURCE = shutil.ignore_patterns("__pycache__", ".*")


@pytest.fixture(scope="module")
def dist(tmp_path_factory):
    """Both built without a network, from a copy of the sources whose presets are empty (their weights are large)."""
    tree, out = tmp_path_factory.mktemp("tree"), tmp_path_factory.mktemp("dist")
    for folder in PLACES:
        shutil.copytree(ROOT / folder, tree / folder, ignore=NO_SOURCE)
    (tree / "tests").mkdir()
    (tree / "tests" / "test_nothing.py").touch()
    for name in ("setup.py", "pyproject.toml", "MANIFEST.in", "README.md", "LICENSE", "CHANGELOG.md", "CITATION.cff",
                 "CONTRIBUTING.md", "requirements.lock"):  # fmt: skip
        shutil.copy(ROOT / name, tree)
    for weights in tree.rglob("*.h5"):
        weights.write_bytes(b"")
    program = f"from setuptools import build_meta as b; b.build_wheel({str(out)!r}); b.build_sdist({str(out)!r})"
    environment = {**os.environ, "PYTHONWARNINGS": "error::DeprecationWarning:setuptools"}
    built = subprocess.run([sys.executable, "-c", program], cwd=tree, capture_output=True, text=True, env=environment)
    assert built.returncode == 0, built.stderr[-3000:]
    assert (
        "is absent from the `packages` configuration" not in built.stderr
    )  # a folder of data that a later setuptools drops
    return out


@pytest.fixture(scope="module")
def wheel(dist):
    (path,) = dist.glob("*.whl")
    with zipfile.ZipFile(path) as file:
        file.extractall(dist / "installed")
        return set(file.namelist()), dist / "installed"


def sources():
    """Every file of the packages in the tree, by the name it has once installed."""
    for folder, place in PLACES.items():
        for path in (ROOT / folder).rglob("*"):
            parts = path.relative_to(ROOT / folder).parts
            if path.is_file() and not any(part.startswith((".", "__pycache__")) for part in parts):
                yield "/".join((place, *parts))


def test_the_wheel_holds_every_file_of_the_packages_and_nothing_else(wheel):
    names, _ = wheel
    inside = {name for name in names if ".dist-info/" not in name and not name.endswith("/")}
    assert inside == set(sources())
    assert {"cpwc_keras/py.typed", "cpwc_keras/studies/page.css", "cpwc_keras/experiments/pretrain.yaml"} <= inside
    assert not any(re.search(r"(^|/)(tests?|notebooks|benchmarks)/", name) for name in inside)
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {"cpwc_keras"}


def test_an_installed_wheel_works_from_an_empty_folder(wheel, tmp_path):
    _, installed = wheel
    program = (
        "import sys, cpwc_keras; from importlib.util import find_spec; from cpwc_keras.cli.main import main;"
        "print(cpwc_keras.__file__, find_spec('cpwc_keras.ops').origin, sorted(cpwc_keras.list_presets()), sep='\\n');"
        "sys.argv = ['cpwc-keras', '--help']; main()"
    )
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    run = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, env=environment)
    assert run.returncode == 0, run.stderr[-3000:]
    package, ops, presets, usage = run.stdout.split("\n", 3)
    assert Path(package).parent == installed / "cpwc_keras" and Path(ops).parent == installed / "cpwc_keras" / "ops"
    assert "c_pwc_net_procedural" in presets and "track" in usage
    assert not list(tmp_path.iterdir())


def test_its_metadata(wheel):
    _, installed = wheel
    (info,) = installed.glob("*.dist-info")
    metadata = (info / "METADATA").read_text(encoding="utf-8")
    assert f"Version: {PROJECT['version']}\n" in metadata and "Requires-Python: >=3.11\n" in metadata
    assert "License-Expression: Apache-2.0 AND CC-BY-NC-SA-4.0\n" in metadata
    assert "Description-Content-Type: text/markdown\n" in metadata
    assert "cpwc-keras = cpwc_keras.cli.main:main" in (info / "entry_points.txt").read_text()
    licences = {path.name for path in (info / "licenses").rglob("*") if path.is_file()}
    assert licences == {"LICENSE", "LICENCES.md"}


def test_the_sdist_builds_the_same(dist):
    (path,) = dist.glob("*.tar.gz")
    with tarfile.open(path) as file:
        names = {name.partition("/")[2] for name in file.getnames()}
    back = {place: folder for folder, place in PLACES.items()}
    expected = set()
    for name in sources():
        place = next(place for place in sorted(back, key=len, reverse=True) if name.startswith(place + "/"))
        expected.add(back[place] + name.removeprefix(place))
    extra = {"setup.py", "pyproject.toml", "CHANGELOG.md", "CITATION.cff", "requirements.lock", "LICENSE"}
    assert expected | extra <= names
    assert not any(name.startswith("tests/") for name in names)


def test_the_lock_file_has_every_dependency_with_hashes_and_no_address():
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert "://" not in text and "--index" not in text and "--find-links" not in text
    locked = dict(re.findall(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", text, re.MULTILINE))
    entries = re.split(r"^(?=[A-Za-z0-9])", text, flags=re.MULTILINE)[1:]
    assert len(entries) >= len(locked) and all("--hash=sha256:" in entry for entry in entries)
    for line in PROJECT["dependencies"]:
        wanted = Requirement(line)
        name = wanted.name.lower()
        assert name in locked, f"{line}: run `make lock`"
        assert wanted.specifier.contains(locked[name]), f"{line}: {locked[name]} is locked; run `make lock`"


def test_continuous_integration_runs_every_python_that_the_metadata_names():
    named = {c.rpartition(" ")[2] for c in PROJECT["classifiers"] if re.search(r":: 3\.\d+$", c)}
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "test.yml").read_text(encoding="utf-8"))["jobs"]
    for name in ("suite", "wheel"):  # documents and browser page are the same on each
        assert set(jobs[name]["strategy"]["matrix"]["python"]) == named
