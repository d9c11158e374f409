"""Every command that README, docs and the commands' own help show is one that the real commands accept."""

import re
import shlex
from importlib import import_module

import click
import pytest
from click.testing import CliRunner
from documented import PAGES, ROOT, blocks, commands, name_of, shell_commands, without_blocks

from cpwc_keras.cli.main import COMMANDS, cli
from cpwc_keras.models.presets import list_presets
from cpwc_keras.training.experiment import shipped_configs

RUN = {
    "presets": ["c_pwc_net_procedural  (default)", "Apache-2.0"],
    "presets --json": ['"default": "c_pwc_net_procedural"'],
    "ablate table1 --list": ["Table I", "0.09 ± 0.07"],
}
"""Those that need no data and a few seconds, and what they must say."""

RUN_SLOWLY = [
    ("howto/simulate.md", "simulate --procedural 1"),
    ("howto/simulate.md", "info sequences --root simulated_small"),
    ("start.md", "demo "),
    ("start.md", "demo --tracker dis"),
    ("howto/train.md", "pretrain --config speckle --steps 20 "),
    ("howto/train.md", "demo --tracker runs/trial"),
]
"""Beginnings of those that need no data either, and more than that; one after the other in one folder."""


def of_help():
    """The commands that the commands' own help shows."""
    for name in COMMANDS:
        for paragraph in command(name).help.split("\n\n"):
            if paragraph.lstrip().startswith("\b"):
                lines = [re.sub(r"\s{2,}\(.+\)$", "", line) for line in paragraph.replace("\b", "").splitlines()]
                examples = [line for line in lines if line.strip().startswith("cpwc-keras") and "…" not in line]
                yield from ((f"{name} --help", words) for words in shell_commands("\n".join(examples)))


def command(name):
    return getattr(import_module(f"cpwc_keras.cli.{COMMANDS[name]}"), name)


ALL = [*commands(), *of_help()]


def test_there_are_as_many_commands_as_the_pages_seem_to_have():
    assert len(commands()) > 80
    assert {words[0] for _, words in ALL} >= set(COMMANDS)


@pytest.mark.parametrize(("page", "words"), ALL, ids=[f"{page}: {' '.join(words)}" for page, words in ALL])
def test_a_shown_command_is_accepted(page, words):
    name, *arguments = words
    assert name in COMMANDS, f"{page}: there is no command {name}"
    context = click.Context(cli, info_name="cpwc-keras")
    parsed = command(name).make_context(name, arguments, parent=context)
    values = parsed.params
    config = values.get("config")
    assert config is None or config.endswith(".yaml") or config in shipped_configs()
    for key in ("tracker", "weights", "network"):
        value = values.get(key)
        assert not isinstance(value, str) or known(value), f"{page}: nothing is called {value}"
    for value in values.get("trackers") or ():
        assert known(value.partition("=")[2] or value), f"{page}: no tracker is called {value}"
    for value in [values["dataset"]] if isinstance(values.get("dataset"), str) else values.get("datasets") or ():
        assert dataset(value.partition("=")[0]), f"{page}: {name} knows no dataset {value}"


def known(tracker):
    """Whether a name stands for a baseline or preset, or is a file or function of the reader's."""
    from cpwc_keras.baselines.catalog import BASELINES

    return tracker in {"", "NAME", *BASELINES, *list_presets()} or bool(re.search(r"\.(h5|onnx)$|:\w+$", tracker))


def dataset(name):
    from cpwc_keras.data.catalog import DATASETS
    from cpwc_keras.studies.cases import MEASURABLE
    from cpwc_keras.training.experiment import ENDLESS

    return name in {
        *DATASETS,
        *ENDLESS,
        *MEASURABLE,
        "loops",
        "chairs-like",
        "camus-templates",
        "alessandrini-templates",
    }


def options_of(name):
    return {text for option in command(name).params for text in (*option.opts, *option.secondary_opts)}


def mentions():
    """(page, text) of code within lines that begins with `cpwc-keras COMMAND` or with `COMMAND --option`."""
    for path in PAGES:
        for code in re.findall(r"`([^`\n]+)`", without_blocks(path)):
            words = code.removeprefix("cpwc-keras ").split()
            if words and (code.startswith("cpwc-keras ") or (words[0] in COMMANDS and "--" in code)):
                yield name_of(path), code


def test_a_mentioned_command_knows_its_options():
    found = list(mentions())
    assert len(found) > 30
    for page, code in found:
        name, *rest = code.removeprefix("cpwc-keras ").split()
        if name.isupper() or name.startswith("-"):
            continue
        assert name in COMMANDS, f"{page}: `{code}`"
        options = options_of(name)
        used = {word.partition("=")[0] for word in rest if word.startswith("-") and "*" not in word}
        assert used <= options | {"--help"}, f"{page}: `{code}`"


def test_a_lone_option_is_one_of_some_command():
    scripts = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "benchmarks").glob("*.py"))
    options = set(re.findall(r'"(--[a-z-]+)"', scripts)).union(*(options_of(name) for name in COMMANDS))
    for path in PAGES:
        for code in re.findall(r"`(--[a-z][a-z-]*)[^`\n]*`", without_blocks(path)):
            assert code.rstrip("-") in options | {"--help", "--artifact"}, f"{name_of(path)}: `{code}`"


@pytest.mark.parametrize("line", RUN)
def test_a_quick_command_does_what_the_page_says(line, tmp_path, monkeypatch):
    assert shlex.split(line) in [words for _, words in ALL], "no page shows it any more"
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(cli, shlex.split(line), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert all(text in result.output for text in RUN[line])


@pytest.mark.slow
def test_the_longer_commands_that_need_no_data_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for page, beginning in RUN_SLOWLY:
        path = next(path for path in PAGES if name_of(path).endswith(page))
        shown = [words for block in blocks(path, "sh") for words in shell_commands(block)]
        words = next(words for words in shown if f"{shlex.join(words)} ".startswith(beginning))
        result = CliRunner().invoke(cli, words, catch_exceptions=False)
        assert result.exit_code in (0, None), (words, result.output)
    assert (tmp_path / "demo" / "overlay.mp4").is_file() and (tmp_path / "runs/trial/network.h5").is_file()
