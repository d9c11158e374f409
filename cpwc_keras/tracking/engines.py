"""The same network, run by another program: OpenVINO or ONNX Runtime instead of Keras.

The network is exported once (`cpwc_keras.models.export`, which compares the two), kept in a cache folder, and run from
there without Keras: ``CPWC_CACHE``, else ``$XDG_CACHE_HOME/cpwc-keras``, else ``~/.cache/cpwc-keras``.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import warnings
from pathlib import Path

import numpy as np

from cpwc_keras import __version__
from cpwc_keras.errors import InputError
from cpwc_keras.files import output_folder, write_errors_named

ENGINES = ("keras", "openvino", "onnx")
"""What can run a network."""

_SUFFIXES = {"openvino": ".xml", "onnx": ".onnx"}
_MODULES = {"openvino": "openvino", "onnx": "onnxruntime"}
_LIST = "whole.json"
"""Beside an exported network: the SHA-256 of each of its files, written last."""

_HINTS = {"float32": "f32", "bfloat16": "bf16"}


def require_engine(name: str, precision: str = "float32") -> str:
    """The engine itself.

    Raises:
        InputError: there is no such engine, it is not installed, or it does not know the precision.
    """
    if name not in ENGINES:
        raise InputError(f"Engine {name!r} is unknown; choose one of {', '.join(ENGINES)}.")
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


def engine_model(source: str, engine: str, precision: str = "float32"):
    """A preset or weights file as a model that a `tracking.pair.NetworkTracker` calls.

    Args:
        source: name of a preset, or a weights file.
        engine: "openvino" or "onnx".
        precision: "float32", or "bfloat16" (OpenVINO; on a processor without it OpenVINO takes float32).

    Raises:
        InputError: as `require_engine`; or the network cannot be loaded or exported.
    """
    require_engine(engine, precision)
    path = _exported(source, engine)
    return _OpenVino(path, precision) if engine == "openvino" else _Onnx(path)


class _Onnx:
    compute_dtype = "float32"

    def __init__(self, path: Path):
        import onnxruntime

        self._session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        self._names = [node.name for node in self._session.get_inputs()]

    def predict_on_batch(self, images: list[np.ndarray]) -> np.ndarray:
        return self._session.run(None, dict(zip(self._names, images, strict=True)))[0]


class _OpenVino:
    def __init__(self, path: Path, precision: str):
        import openvino

        self._core, self._path = openvino.Core(), path
        self._options = {"INFERENCE_PRECISION_HINT": _HINTS[precision], "PERFORMANCE_HINT": "LATENCY"}
        self._compiled = {}
        self.compute_dtype = precision

    def predict_on_batch(self, images: list[np.ndarray]) -> np.ndarray:
        shape = images[0].shape
        if shape not in self._compiled:  # for sizes that are known it plans better than for any
            model = self._core.read_model(str(self._path))
            model.reshape({node: shape for node in model.inputs})
            self._compiled = {shape: self._core.compile_model(model, "CPU", self._options)}
        return self._compiled[shape](list(images))[0].copy()


def cache_folder() -> Path:
    """Where exported networks are kept, or a temporary folder where nothing can be written there."""
    chosen = os.environ.get("CPWC_CACHE")
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = Path(chosen) if chosen else base / "cpwc-keras"
    try:
        return output_folder(folder / "engines")
    except InputError as error:
        elsewhere = Path(tempfile.mkdtemp(prefix="cpwc-keras-"))
        warnings.warn(f"{error} Exported networks go to {elsewhere}, for this time.", stacklevel=2)
        return elsewhere


def _exported(source: str, engine: str) -> Path:
    """The exported network, made if it is not there, or is not what was written there."""
    folder = cache_folder() / f"{_digest(source)[:16]}-{__version__}-{engine}"
    name = f"network{_SUFFIXES[engine]}"
    if not _whole(folder):
        # Made beside, then renamed: of two runs at once each makes it, and the first to end is kept.
        scratch = Path(tempfile.mkdtemp(prefix=".making-", dir=folder.parent))
        try:
            _make(source, engine, scratch / name)
            if not _whole(folder):
                shutil.rmtree(folder, ignore_errors=True)
            with write_errors_named(folder):
                try:
                    scratch.rename(folder)
                except OSError:
                    if not _whole(folder):
                        raise
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    return folder / name


def _make(source: str, engine: str, path: Path) -> None:
    from cpwc_keras.models.export import export_network
    from cpwc_keras.models.presets import load_model
    from cpwc_keras.quiet import import_keras_quietly

    import_keras_quietly()
    files, _ = export_network(load_model(source, "float32"), path, engine)
    with write_errors_named(path):
        (path.parent / _LIST).write_text(json.dumps({file.name: _sha256(file) for file in files}) + "\n")


def _whole(folder: Path) -> bool:
    """Whether everything lies there as it was written."""
    try:
        listed = json.loads((folder / _LIST).read_text())
        return bool(listed) and all(_sha256(folder / name) == digest for name, digest in listed.items())
    except (OSError, ValueError, AttributeError, TypeError):
        return False


def _digest(source: str) -> str:
    from cpwc_keras.models.presets import list_presets

    card = list_presets().get(source)
    return card["sha256"] if card else _sha256(Path(source))


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
