import json
import subprocess
import sys

from click.testing import CliRunner

from cpwc_keras.cli.presets import presets as command
from cpwc_keras.models import presets

LIGHT = (
    "import sys; from click.testing import CliRunner; from cpwc_keras.cli.main import cli;"
    "out = CliRunner().invoke(cli, ['presets']); assert out.exit_code == 0, out.output;"
    "print([m for m in ('keras', 'tensorflow', 'jax', 'numpy') if m in sys.modules])"
)


def words(*arguments):
    result = CliRunner().invoke(command, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0
    return result.output


def test_each_preset_is_listed_with_its_licence_and_what_it_saw():
    text = " ".join(words().split())
    for name, card in presets.list_presets().items():
        assert name in text and card["licence"] in text and card["saw"] in text
    assert f"{presets.DEFAULT_PRESET} (default)" in text and text.count("(default)") == 1


def test_json_is_whole(monkeypatch):
    content = json.loads(words("--json"))
    assert content == {"default": presets.DEFAULT_PRESET, "presets": presets.list_presets()}


def test_figures_of_any_depth_are_shown(monkeypatch):
    card = {"licence": "CC BY-NC-SA 4.0", "saw": "[hearts]", "ranges": {}, "stages": "none"}
    card["metrics"] = {"clean": {"this preset": {"epe_mm": 0.05, "gls": 1.2}, "dis": {"epe_mm": 0.2}}, "best": "yes"}
    monkeypatch.setattr(presets, "list_presets", lambda: {"one": card, "two": card | {"metrics": {}}})
    text = words()
    for line in ("CC BY-NC-SA 4.0", "[hearts]", "best yes", "clean, this preset: epe_mm 0.05, gls 1.2", "clean, dis"):
        assert line in text
    monkeypatch.setattr(presets, "list_presets", dict)
    assert words() == "No presets are shipped with this installation.\n"


def test_listing_is_fast():
    """No array library is imported, let alone a network's."""
    assert subprocess.check_output([sys.executable, "-c", LIGHT], text=True).strip() == "[]"
