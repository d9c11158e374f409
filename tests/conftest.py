"""Fixtures that more than one part of the suite uses."""

import signal
from pathlib import Path

import pytest

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data beside the checkout; tests that need it skip where it is absent."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"the real data are not at hand ({SHARED_DATA.name}/ beside the checkout)")
    return SHARED_DATA


def pytest_configure():
    # A shell that starts the suite in the background has it ignore Ctrl-C, and with it the commands that it interrupts.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
