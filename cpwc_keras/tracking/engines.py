"""The same network, run by another program: OpenVINO or ONNX Runtime instead of Keras.

The network is exported once (`cpwc_keras.models.export`, which compares the two), kept in a cache folder, and run from
there without Keras: ``CPWC_CACHE``, else ``$XDG_CACHE_HOME/cpwc-keras``, else ``~/.cache/cpwc-keras``.
"""

from __future__ import annotations

import atexit
import json
import os
import shutil
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from cpwc_keras import __version__
from cpwc_keras.errors import InputError, bad_file, did_you_mean
from cpwc_keras.files import output_folder, write_errors_named
from cpwc_keras.io.input_file import sha256
from cpwc_keras.models.precision import require_precision

ENGINES = ("keras", "openvino", "onnx")
"""What can run a network."""

EXPORT = 1
"""Counts up when what is exported changes; part of the name under which it is kept."""

_FILES = {"openvino": ("network.xml", "network.bin"), "onnx": ("network.onnx",)}
"""What an export consists of; the first is the one to load."""

_MODULES = {"openvino": "openvino", "onnx": "onnxruntime"}

_LIST = "whole.json"
"""Beside an exported network: the SHA-256 of each of its files, written last."""

_ABANDONED_S = 3600
"""After so long, what a run was making and did not finish is removed."""


def require_engine(name: str, precision: str = "float32") -> str:
    """The engine itself.

    Raises:
        InputError: there is no such engine or precision, it is not installed, or it does not know the precision.
    """
    require_precision(precision)
    if name not in ENGINES:
        raise InputError(
            f"Engine {name!r} is unknown; choose one of {', '.join(ENGINES)}.{did_you_mean(name, ENGINES)}"
        )
    if name != "keras":
        try:
            __import__(_MODULES[name])
        except ImportError as error:
            raise InputError(
                f"The engine {name} needs {_MODULES[name]}; `pip install 'cpwc-keras[export]'`, or use --engine keras."
            ) from error
    if name == "onnx" and precision != "float32":
        raise InputError(f"The engine onnx calculates in float32, not {precision}; use --engine keras or openvino.")
    return name


def engine_model(source: str, engine: str, precision: str = "float32") -> Any:
    """A preset or weights file as a model that a `tracking.pair.NetworkTracker` calls.

    Args:
        source: name of a preset, or a weights file.
        engine: "openvino" or "onnx".
        precision: "float32", or "bfloat16" (OpenVINO, on a processor that knows it; else float32, with a warning).

    Raises:
        InputError: as `require_engine`; or the network cannot be loaded or exported.
    """
    require_engine(engine, precision)
    path = _exported(source, engine)
    return _OpenVino(path, precision) if engine == "openvino" else _Onnx(path)


class _Onnx:
    engine, compute_dtype = "onnx", "float32"

    def __init__(self, path: Path):
        import onnxruntime

        self._session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        self._names = [node.name for node in self._session.get_inputs()]

    def predict_on_batch(self, images: list[np.ndarray]) -> np.ndarray:
        return self._session.run(None, dict(zip(self._names, images, strict=True)))[0]


class _OpenVino:
    engine = "openvino"

    def __init__(self, path: Path, precision: str):
        import openvino

        self._core, self._path = openvino.Core(), path
        if precision == "bfloat16" and "BF16" not in self._core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
            warnings.warn("OpenVINO knows no bfloat16 on this processor; it calculates in float32.", stacklevel=2)
            precision = "float32"
        hint = {"float32": "f32", "bfloat16": "bf16"}[precision]
        self._options = {"INFERENCE_PRECISION_HINT": hint, "PERFORMANCE_HINT": "LATENCY"}
        self._compiled: dict = {}
        self.compute_dtype = precision

    def predict_on_batch(self, images: list[np.ndarray]) -> np.ndarray:
        shape = images[0].shape
        if shape not in self._compiled:  # for sizes that are known it plans better than for any
            model = self._core.read_model(str(self._path))
            model.reshape({node: shape for node in model.inputs})
            self._compiled = {shape: self._core.compile_model(model, "CPU", self._options)}
        return self._compiled[shape](list(images))[0].copy()


def cache_folder() -> Path:
    """Where exported networks are kept; not made by asking."""
    chosen = os.environ.get("CPWC_CACHE")
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return (Path(chosen) if chosen else base / "cpwc-keras") / "engines"


def _exported(source: str, engine: str) -> Path:
    """The exported network, made if it is not there, or is not what was written there."""
    from cpwc_keras.models.presets import about_weights

    name = f"{about_weights(source)['weights_sha256'][:16]}-{__version__}-{EXPORT}-{engine}"
    folder = cache_folder() / name
    if not _whole(folder, engine):  # asked first: a cache that is there may be read-only
        folder = _writable() / name
        _make(source, engine, folder)
    return folder / _FILES[engine][0]


def _writable() -> Path:
    """The cache folder, or one for this process alone."""
    try:
        folder = output_folder(cache_folder())
    except InputError as error:
        folder = Path(tempfile.mkdtemp(prefix="cpwc-keras-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        warnings.warn(f"{error} Exported networks go to {folder}, for this time.", stacklevel=2)
    for left in folder.glob(".making-*"):
        try:
            if time.time() - left.stat().st_mtime > _ABANDONED_S:
                shutil.rmtree(left, ignore_errors=True)
        except OSError:
            continue  # its own run has just finished
    return folder


def _make(source: str, engine: str, folder: Path) -> None:
    """Export into a folder beside, then rename: of two runs at once each makes it, and the first to end is kept."""
    from cpwc_keras.models.export import export_network
    from cpwc_keras.models.presets import about_weights, load_model
    from cpwc_keras.quiet import import_keras_quietly

    import_keras_quietly()
    scratch = folder.parent / f".making-{os.getpid()}-{time.monotonic_ns()}"
    try:
        with write_errors_named(folder):
            scratch.mkdir()
            network, about = load_model(source, "float32"), about_weights(source)
            files, _ = export_network(network, scratch / _FILES[engine][0], engine, about=about)
            (scratch / _LIST).write_text(json.dumps({file.name: sha256(file) for file in files}) + "\n")
            if not _whole(folder, engine):
                shutil.rmtree(folder, ignore_errors=True)
            try:
                scratch.rename(folder)
            except OSError as error:
                if not _whole(folder, engine):
                    raise bad_file(
                        folder, "something that cannot be replaced", "an exported network", "remove it"
                    ) from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _whole(folder: Path, engine: str) -> bool:
    """Whether everything lies there as it was written."""
    try:
        listed = json.loads((folder / _LIST).read_text())
        return set(listed) == set(_FILES[engine]) and all(
            sha256(folder / name) == digest for name, digest in listed.items()
        )
    except (InputError, OSError, ValueError, RecursionError, AttributeError, TypeError):
        return False
