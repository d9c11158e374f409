"""Every file that a command writes says which version made it, or lies beside one that does."""

import re
import shutil

import pytest
from small_commands import COMMANDS, provide

from cpwc_keras import __version__
from cpwc_keras.files import MADE_WITH

_SAYS = re.compile(rf'{MADE_WITH}|"cpwc-keras": "{__version__}"|cpwc-keras</t[hd]>\s*<td>{__version__}'.encode())

RECORDED = {
    "track": ("summary.json", {"strain.csv"}),
    "contour": (None, set()),
    "evaluate": ("report.html", {"results.csv", "timing.csv", "table.md"}),
    "simulate": ("record.json", set()),
    "prepare": ("record.json", {f"0000{n}_{end}" for n in (1, 2) for end in ("flow.flo", "img1.ppm", "img2.ppm")}),
    "pretrain": ("experiment.json", {"log.jsonl"}),
}
"""The record of each command, and the files that have no place for a word of their own and lie beside it."""


def says(path) -> bool:
    return bool(_SAYS.search(path.read_bytes()))


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name == "pretrain" else name for name in COMMANDS]
)
def test_what_made_it_is_known_of_every_file(name, command, tmp_path):
    provide(tmp_path)
    arguments = [option for option in COMMANDS[name] if option != "--no-videos"]
    if name == "simulate":
        arguments += ["--preview"]
    assert command(name, *arguments, folder=tmp_path).returncode == 0
    out = tmp_path / "out"
    record, silent = RECORDED[name]
    files = [path for path in out.rglob("*") if path.is_file()]
    assert record is None or says(out / record)
    untold = {path.name for path in files if not says(path) and not path.name.startswith("events.out.tfevents")}
    assert untold == silent and all((out / name).is_file() for name in untold)


def test_the_same_input_gives_the_same_bytes(command, tmp_path):
    """Neither the time nor the machine is told."""
    provide(tmp_path)
    kept = {}
    for _ in range(2):
        for name in ("track", "contour"):
            shutil.rmtree(tmp_path / "out", ignore_errors=True)
            (tmp_path / "out").mkdir()
            assert command(name, *COMMANDS[name], folder=tmp_path).returncode == 0
            for path in (tmp_path / "out").iterdir():
                content = path.read_bytes()
                assert kept.setdefault((name, path.name), content) == content, path.name
