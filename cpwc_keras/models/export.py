"""A network as a file that other programs run: SavedModel, ONNX, OpenVINO, LiteRT; checked before it is handed over."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import keras
import numpy as np

from cpwc_keras.errors import InputError, bad_file, did_you_mean
from cpwc_keras.files import MADE_WITH, locked_folder, output_folder, write_errors_named
from cpwc_keras.models.export_record import write_record

FORMATS = {"savedmodel": "tf_saved_model", "onnx": "onnx", "openvino": "openvino", "litert": "litert"}
"""What `export_network` takes, and what Keras calls it."""

SUFFIXES = {"savedmodel": "", "onnx": ".onnx", "openvino": ".xml", "litert": ".tflite"}

TOLERANCE_PX = 1e-2
"""The exported network's flow may differ by so much anywhere: other programs sum in another order."""

_CHECKED_SIZE = (120, 150)  # no multiple of 64: padding is part of what is checked


def export_network(
    network,
    path: str | Path,
    kind: str,
    size: tuple[int, int] | None = None,
    batch: int | None = None,
    about: Mapping[str, str] | None = None,
) -> tuple[list[Path], float]:
    """Write a network for other programs, and compare what they compute with what it computes.

    The exported network takes two images (B, H, W, 1) float32 in [0, 1] and returns the flow (B, H, W, 2) in pixels. It
    says what it was made with (`cpwc_keras.models.export_record`).

    Args:
        network: a `PWCNet`, or one of its kind, in float32.
        path: of the file (of the folder, for a SavedModel), with the suffix of its kind.
        kind: one of `FORMATS`.
        size: (height, width) of the images, or None: any, where the format can.
        batch: images at a time, or None: any.
        about: what the file shall say of the weights (`cpwc_keras.models.presets.about_weights`).

    Returns:
        the written files (or folder), and the largest difference of the flow in pixels.

    Raises:
        InputError: the format is unknown, something it needs is not installed, the path exists or has another suffix,
            another run is writing it, the export fails, or the exported network computes something else.
    """
    path = Path(path)
    _require(path, kind)
    height, width = size or (None, None)
    if kind == "litert" and size is None:
        raise InputError("LiteRT needs images of one size; give it, like --size 384 448.")
    images = [keras.InputSpec(shape=(batch, height, width, network.image_channels), dtype="float32") for _ in range(2)]
    with _scratch(path) as scratch:
        _require(path, kind)  # another run may have written it meanwhile
        made = scratch / path.name
        with write_errors_named(path):
            try:
                network.export(str(made), format=FORMATS[kind], verbose=False, input_signature=[images])
                record = {"made_with": MADE_WITH, "network": type(network).__name__, **(about or {})}
                write_record(made, kind, record)
            except ImportError as error:
                raise InputError(f"{kind} needs {error.name}; `pip install 'cpwc-keras[export]'`.") from error
        difference = _difference(network, _runner(made, kind), size or _CHECKED_SIZE, batch or 1)
        if not difference <= TOLERANCE_PX:
            raise InputError(
                f"{path}: the exported network's flow is up to {difference:.3g} px off, expected {TOLERANCE_PX} at "
                "most; nothing was written."
            )
        written = []
        for file in sorted(scratch.iterdir()):
            file.replace(path.parent / file.name)
            written.append(path.parent / file.name)
        return written, difference


@contextmanager
def _scratch(path: Path) -> Iterator[Path]:
    """An empty folder beside `path`, for this run alone; what a killed run left there is removed.

    Raises:
        InputError: another run writes the same, or the folder cannot be written to.
    """
    output_folder(path.parent)
    beside = path.with_name(f".{path.name}.export")
    scratch = beside / "made"
    try:
        with locked_folder(beside), write_errors_named(path):
            shutil.rmtree(scratch, ignore_errors=True)
            scratch.mkdir()
            try:
                yield scratch
            finally:
                shutil.rmtree(scratch, ignore_errors=True)
    finally:
        with suppress(OSError):  # another run is in it
            beside.rmdir()


def _require(path: Path, kind: str) -> None:
    if kind not in FORMATS:
        raise InputError(
            f"The format {kind!r} is unknown; choose one of {', '.join(FORMATS)}.{did_you_mean(kind, FORMATS)}"
        )
    suffix = SUFFIXES[kind]
    if path.suffix.lower() != suffix:
        raise bad_file(
            path,
            f"the suffix {path.suffix!r}",
            "a folder's name without one" if not suffix else f"{suffix!r} for {kind}",
        )
    if path.exists():
        raise bad_file(path, "a file or folder of this name", "none", "remove it, or choose another name")
    if keras.backend.backend() != "tensorflow":
        raise InputError("Networks are exported from TensorFlow; run it without KERAS_BACKEND.")


def _difference(network, run: Callable, size: tuple[int, int], batch: int) -> float:
    """Largest, on smooth images that move by some pixels."""
    rng = np.random.default_rng(0)
    coarse = rng.random((batch, size[0] // 8 + 2, size[1] // 8 + 2, 1), np.float32)
    smooth = np.asarray(keras.ops.image.resize(coarse, (size[0] + 8, size[1] + 8)), np.float32)
    first, second = smooth[:, 4:-4, 4:-4], smooth[:, 2:-6, 5:-3]
    expected = np.asarray(network.predict_on_batch([first, second]))
    return float(np.abs(np.asarray(run(first, second)) - expected).max())


def _runner(path: Path, kind: str) -> Callable:
    """What computes the flow of two batches by the exported file, in the program it is for."""
    if kind == "savedmodel":
        import tensorflow as tf

        loaded = tf.saved_model.load(str(path))  # kept by the function: its variables go with it
        return lambda *images: loaded.serve([tf.constant(image) for image in images])
    if kind == "onnx":
        import onnxruntime

        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        names = [node.name for node in session.get_inputs()]
        return lambda *images: session.run(None, dict(zip(names, images, strict=True)))[0]
    if kind == "openvino":
        import openvino

        model = openvino.Core().compile_model(str(path), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        return lambda *images: model(list(images))[0]
    interpreter = _lite_interpreter(path)
    interpreter.allocate_tensors()

    def run(*images):
        for node, image in zip(interpreter.get_input_details(), images, strict=True):
            interpreter.set_tensor(node["index"], image)
        interpreter.invoke()
        return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])

    return run


def _lite_interpreter(path: Path):
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        from tensorflow.lite import Interpreter
    return Interpreter(model_path=str(path))
