"""Fixtures that more than one part of the suite uses."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# How long an example takes says more about what else the machine does than about the code.
settings.register_profile("suite", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("suite")

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data beside the checkout; tests that need it skip where it is absent."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"the real data are not at hand ({SHARED_DATA.name}/ beside the checkout)")
    return SHARED_DATA


@pytest.fixture
def command(monkeypatch, capfd):
    """Runs the entry point `cpwc-keras` in this process and returns what a process of its own would have left.

    Importing TensorFlow takes a process seconds. Only what needs processes starts some: signals, locks, workers, and
    once a command, for what libraries write while they are loaded.
    """
    from cpwc_keras.cli.main import main

    def run(*arguments, folder=None) -> subprocess.CompletedProcess:
        if folder is not None:
            monkeypatch.chdir(folder)
        monkeypatch.setenv("COLUMNS", "200")
        monkeypatch.setattr(sys, "argv", ["cpwc-keras", *map(str, arguments)])
        capfd.readouterr()
        with pytest.raises(SystemExit) as leaving:
            main()
        return subprocess.CompletedProcess(sys.argv, leaving.value.code, *capfd.readouterr())

    return run


def pytest_configure():
    # A shell that starts the suite in the background has it ignore Ctrl-C, and with it the commands that it interrupts;
    # so does a process that pytest-xdist starts.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
