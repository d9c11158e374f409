"""Keeping the command line to what the user should read."""

from __future__ import annotations

import os
import sys


def import_keras_quietly() -> None:
    """Import Keras, and TensorFlow with it, without the dozen lines that TensorFlow writes while it is loaded.

    They come from C++ before any log level is in force, so standard error itself is turned away for the time of the
    import; whatever goes wrong in it is raised as an exception and is seen all the same.
    """
    sys.stderr.flush()
    saved = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        import keras  # noqa: F401
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(nowhere)
