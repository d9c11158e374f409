"""The site is built without a warning, and needs nothing from elsewhere."""

import os
import re
import shutil
import subprocess
import sys

import pytest
from documented import ROOT


@pytest.mark.slow
def test_the_site_is_built_without_a_warning_and_loads_nothing_from_elsewhere(tmp_path):
    pytest.importorskip("mkdocs")
    pytest.importorskip("mkdocstrings")
    shutil.rmtree(ROOT / "build" / "docs_sources", ignore_errors=True)  # as in a fresh clone
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", tmp_path],
        cwd=ROOT, capture_output=True, text=True,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
    )  # fmt: skip
    assert built.returncode == 0, built.stderr
    assert "WARNING" not in built.stderr
    pages = sorted(tmp_path.rglob("*.html"))
    assert len(pages) > 40
    for page in pages:
        html = page.read_text(encoding="utf-8")
        assert "[!NOTE]" not in html and "[!WARNING]" not in html, page
        loaded = re.findall(r'<(?:script|img|iframe|source)[^>]+src="([^"]+)"|stylesheet" href="([^"]+)"', html)
        assert not [one for pair in loaded for one in pair if re.match(r"(https?:)?//", one)], page
    commands = (tmp_path / "reference/cli.html").read_text(encoding="utf-8")
    assert 'id="track"' in commands and "--contour" in commands
    api = (tmp_path / "reference/api/ops.html").read_text(encoding="utf-8")
    assert 'id="cpwc_keras.ops.warp.warp"' in api
