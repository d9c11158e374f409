"""A stranger's tracker with the network's interface: any ONNX model, any Python callable.

Each takes two (B, H, W) float32 images in [0, 1] and returns the flow (B, H, W, 2) float32 in pixels, first to second
(`cpwc_keras.types`). A model that wants other units (gray levels to 255, a flow divided by 20) is wrapped in a Python
function that converts them: nothing in an ONNX file says so.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from cpwc_keras.errors import InputError, bad_file, did_you_mean
from cpwc_keras.io.input_file import open_input, sha256

_FLOATS = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(double)": np.float64}
_EXPECTED = (
    "two inputs (image1, image2) of 1 or 3 channels, or one with both images stacked on its channel axis (2 or 6), "
    "as (B, H, W, C) or (B, C, H, W)"
)


def onnx_tracker(path: str | Path) -> OnnxTracker:
    """An ONNX model as a tracker, on the processor (onnxruntime).

    Raises:
        InputError: onnxruntime is not installed, the file is no ONNX model, or its inputs are not those of a tracker.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise InputError(f"{path}: ONNX models need onnxruntime; `pip install 'cpwc-keras[export]'`.") from error
    with open_input(path):
        pass  # a missing file is named here; onnxruntime's words for it are long
    try:
        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's exceptions have no base class of their own
        raise bad_file(path, f"no model that onnxruntime can load ({last_line(error)})", "an ONNX file") from error
    return OnnxTracker(session, path)


class OnnxTracker:
    """What `onnx_tracker` returns. Sizes that the model leaves open are those of the images, unchanged.

    A fixed batch is filled with as many calls as it takes; images smaller than a fixed size are padded with their edge
    values on the right and below, and the flow is cropped. Three channels get the gray image three times.

    Args:
        session: an `onnxruntime.InferenceSession`.
        path: of the model, for messages and results.

    Raises:
        InputError: the inputs are not those of a tracker.
    """

    def __init__(self, session, path: str | Path):
        self.session, self.path, self.weights_sha256 = session, path, sha256(path)
        self.__name__ = Path(path).name
        inputs = session.get_inputs()
        layouts = {_layout(node.shape, (1, 3) if len(inputs) == 2 else (2, 6)) for node in inputs}
        types = {_FLOATS.get(node.type) for node in inputs}
        layout = layouts.pop() if len(layouts) == 1 else None
        if len(inputs) not in (1, 2) or layout is None or len(types) != 1 or None in types:
            shapes = ", ".join(f"{node.name} {node.type}{node.shape}" for node in inputs) or "none"
            raise bad_file(path, f"the inputs {shapes}", _EXPECTED)
        self.channel_axis, self.channels, self.batch, self.size = layout
        self.dtype = types.pop()

    def __call__(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """The flow from the first images to the second, as `cpwc_keras.tracking.pair.Tracker`.

        Raises:
            InputError: the images are larger than the model's fixed size, or no output is a flow.
        """
        height, width = first.shape[1:]
        wanted = tuple(fixed or own for fixed, own in zip(self.size, (height, width), strict=True))
        if wanted[0] < height or wanted[1] < width:
            found = f"a model for {wanted[0]}×{wanted[1]} images"
            raise bad_file(self.path, found, f"one for at least {height}×{width}", "export it for a larger size")
        step = self.batch or len(first)
        flows = []
        for start in range(0, len(first), step):
            pair = [images[start : start + step] for images in (first, second)]
            missing = step - len(pair[0])
            margins = ((0, missing), (0, wanted[0] - height), (0, wanted[1] - width))
            flow = self._run(*(np.pad(images, margins, mode="edge") for images in pair))
            flows.append(flow[: step - missing, :height, :width])
        return np.concatenate(flows).astype(np.float32, copy=False)

    def _run(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        nodes = self.session.get_inputs()
        copies = self.channels * len(nodes) // 2
        images = [np.repeat(np.expand_dims(i, self.channel_axis), copies, self.channel_axis) for i in (first, second)]
        if len(nodes) == 1:
            images = [np.concatenate(images, self.channel_axis)]
        feeds = {node.name: image.astype(self.dtype) for node, image in zip(nodes, images, strict=True)}
        outputs = [np.asarray(output) for output in self.session.run(None, feeds)]
        last, leading = (*first.shape, 2), (first.shape[0], 2, *first.shape[1:])
        flows = [output for output in outputs if output.shape == last]
        flows += [np.moveaxis(output, 1, -1) for output in outputs if output.shape == leading]
        if len(flows) != 1:
            found = f"outputs of shape {', '.join(str(output.shape) for output in outputs)}"
            raise bad_file(self.path, found, f"exactly one flow of shape {last} or {leading}")
        return flows[0]


def python_tracker(spec: str) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """A callable named as ``module:function`` or ``path/to/file.py:function``.

    The code is executed, with the current folder (and the file's own) at the end of the import path. A class is
    instantiated without arguments.

    Raises:
        InputError: it cannot be imported, has no such name, or what it names cannot be called.
    """
    source, _, name = spec.rpartition(":")
    with _strangers_errors(f"{spec}: {source} cannot be imported"):
        module = _file_module(Path(source)) if source.endswith(".py") else _module(source)
    if not hasattr(module, name):
        functions = (known for known, value in vars(module).items() if callable(value))
        raise InputError(
            f"{spec}: {source} has no {name!r}; name a function of two batches of images."
            f"{did_you_mean(name, functions)}"
        )
    tracker = getattr(module, name)
    if isinstance(tracker, type):
        with _strangers_errors(f"{spec}: the class cannot be instantiated without arguments"):
            tracker = tracker()
    if not callable(tracker):
        found = f"{type(tracker).__name__}, which cannot be called"
        raise InputError(f"{spec}: found a value of type {found}, expected a function of two batches of images.")
    return tracker


def last_line(error: BaseException) -> str:
    """What a traceback ends with, on one line and without a full stop: the exception's name and its message."""
    text = " ".join(traceback.format_exception_only(error)[-1].split()).rstrip(".")
    return text if len(text) <= 300 else f"{text[:299]}…"


@contextmanager
def _strangers_errors(what: str) -> Iterator[None]:
    try:
        yield
    except (InputError, MemoryError):
        raise
    except (Exception, SystemExit) as error:
        raise InputError(f"{what}: {last_line(error)}.") from error


def _module(name: str):
    _add_to_path(Path.cwd())
    return importlib.import_module(name)


def _file_module(path: Path):
    with open_input(path):
        pass
    _add_to_path(path.resolve().parent)
    name = f"cpwc_keras_tracker_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None, "its name ends in .py"
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # where dataclasses and pickle look for it
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _add_to_path(folder: Path) -> None:
    if str(folder) not in sys.path:
        sys.path.append(str(folder))


def _layout(shape: list, channels: tuple[int, ...]) -> tuple[int, int, int | None, tuple] | None:
    """Channel axis, channels, fixed batch and fixed (H, W) of an input; None where the channels cannot be told."""
    if len(shape) != 4 or (shape[1] in channels) == (shape[3] in channels):
        return None
    axis = 1 if shape[1] in channels else 3
    fixed = [n if isinstance(n, int) and n > 0 else None for n in shape]
    return (axis, shape[axis], fixed[0], tuple(fixed[2:] if axis == 1 else fixed[1:3]))
