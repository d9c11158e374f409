"""Keeping the command line to what the user should read."""

from __future__ import annotations

import os
import sys
import threading

_ONE_AT_A_TIME = threading.Lock()


def import_keras_quietly() -> None:
    """Import Keras and its backend without the dozen lines that TensorFlow writes while it is loaded and finds devices.

    They come from C++ and heed no log level, so standard error itself is turned away for that time; whatever goes wrong
    is raised as an exception and is seen all the same.
    """
    with _ONE_AT_A_TIME:  # a second thread would save, and put back, what the first has turned away
        sys.stderr.flush()
        saved = os.dup(2)
        nowhere = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(nowhere, 2)
            import keras

            keras.ops.zeros(1)  # the backend looks for devices when the first array is made
        finally:
            os.dup2(saved, 2)
            os.close(saved)
            os.close(nowhere)
