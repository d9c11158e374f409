"""Every notebook is clean in git and runs: small in this process, in full in a kernel of its own (slow)."""

import json
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
PICTURES = {
    "inspect_flow_fields": 5,
    "pretrain_and_transfer": 5,
    "reproduce_a_table": 3,
    "template_to_sequence": 8,
    "track_your_own_dicom": 4,
}
"""How many each has to show at least."""

named = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def test_they_are_all_there():
    assert [path.stem for path in NOTEBOOKS] == sorted(PICTURES)


@named
def test_notebooks_are_clean(path):
    notebook = json.loads(path.read_text(encoding="utf-8"))
    assert notebook["nbformat"] == 4
    assert notebook["metadata"] == {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    for cell in notebook["cells"]:
        assert cell["metadata"] == {}
        if cell["cell_type"] == "code":
            assert cell["outputs"] == [], "run `jupyter nbconvert --clear-output --inplace notebooks/*.ipynb`"
            assert cell["execution_count"] is None
    assert notebook["cells"][0]["cell_type"] == "markdown"
    assert "".join(notebook["cells"][0]["source"]).startswith("# ")


@pytest.fixture(scope="module")
def interactive(tmp_path_factory):
    """IPython in this process, which has imported the heavy libraries already."""
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IPYTHONDIR", str(tmp_path_factory.mktemp("ipython")))
        patch.setitem(sys.modules, "__main__", sys.modules["__main__"])  # IPython puts its own there
        patch.setattr(InteractiveShell, "enable_gui", lambda self, gui=None: None)  # there are no windows to care for
        config = Config()
        config.HistoryManager.enabled = False
        yield InteractiveShell.instance(config=config)
        InteractiveShell.clear_instance()


@pytest.fixture
def shell(interactive, monkeypatch, tmp_path):
    """An empty one; notebooks are quick, and in a folder of their own."""
    import matplotlib

    backend = matplotlib.get_backend()
    interactive.reset()
    monkeypatch.setenv("CPWC_NOTEBOOK_QUICK", "1")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    yield interactive
    matplotlib.pyplot.close("all")
    matplotlib.use(backend, force=True)


@named
def test_notebooks_run(path, shell):
    from IPython.utils.capture import capture_output

    notebook = json.loads(path.read_text(encoding="utf-8"))
    pictures = 0
    for number, cell in enumerate(notebook["cells"]):
        if cell["cell_type"] != "code":
            continue
        with capture_output() as captured:
            outcome = shell.run_cell("".join(cell["source"]))
        assert outcome.success, f"cell {number}: {outcome.error_in_exec or outcome.error_before_exec}"
        assert "Warning" not in captured.stderr, f"cell {number}: {captured.stderr}"
        shown = [output.data or {} for output in captured.outputs]
        if outcome.result is not None:  # of the last line, which is shown in another way
            shown.append(shell.display_formatter.format(outcome.result)[0])
        pictures += sum("image/png" in data for data in shown)
    assert pictures >= PICTURES[path.stem]


@pytest.mark.slow
@named
def test_notebooks_run_in_full(path, tmp_path):
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=1800, resources={"metadata": {"path": str(tmp_path)}}).execute()
    data = [output.get("data", {}) for cell in notebook.cells for output in cell.get("outputs", [])]
    assert sum("image/png" in each for each in data) >= PICTURES[path.stem]
    assert not list(tmp_path.iterdir())
