"""The Chromium that tests drive."""

import shutil
from pathlib import Path

import pytest


def launch(driver):
    """Playwright's own Chromium where `playwright install chromium` has been run, else the system's."""
    own = driver.chromium.executable_path
    system = (shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome"))
    executable = own if Path(own).is_file() else next(filter(None, system), None)
    if executable is None:
        pytest.skip("no Chromium is installed (`playwright install chromium` brings one)")
    return driver.chromium.launch(executable_path=executable, args=["--no-sandbox"])
