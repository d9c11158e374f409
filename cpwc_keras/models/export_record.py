"""What an exported network was made with, written where its format keeps such things.

==========  ===================================================================================================
format      place
==========  ===================================================================================================
SavedModel  ``assets.extra/cpwc_keras.json``, which TensorFlow leaves alone
ONNX        ``producer_name``, ``producer_version`` and ``metadata_props``
OpenVINO    ``rt_info`` of the XML, under ``cpwc_keras``
LiteRT      a metadata buffer called ``cpwc_keras``, with JSON
==========  ===================================================================================================
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from xml.etree import ElementTree

from cpwc_keras import __version__
from cpwc_keras.record import json_text, write_json

NAME = "cpwc_keras"


def write_record(path: Path, kind: str, record: Mapping[str, str]) -> None:
    """Put a record into an exported network; what it computes stays as it is.

    Args:
        path: the file, or the folder of a SavedModel.
        kind: one of `cpwc_keras.models.export.FORMATS`.
        record: names and values.

    Raises:
        ImportError: the format's own library is not installed.
    """
    {"savedmodel": _savedmodel, "onnx": _onnx, "openvino": _openvino, "litert": _litert}[kind](path, dict(record))


def _savedmodel(path: Path, record: dict[str, str]) -> None:
    write_json(path / "assets.extra" / f"{NAME}.json", record)


def _onnx(path: Path, record: dict[str, str]) -> None:
    import onnx

    model = onnx.load(str(path))
    model.producer_name, model.producer_version = "cpwc-keras", __version__
    onnx.helper.set_model_props(model, record)
    onnx.save(model, str(path))


def _openvino(path: Path, record: dict[str, str]) -> None:
    tree = ElementTree.parse(path)
    info = tree.getroot().find("rt_info")
    if info is None:
        info = ElementTree.SubElement(tree.getroot(), "rt_info")
    ours = ElementTree.SubElement(info, NAME)
    for name, value in record.items():
        ElementTree.SubElement(ours, name, value=value)
    ElementTree.indent(info, "\t", level=1)
    tree.write(path, encoding="utf-8", xml_declaration=True)


def _litert(path: Path, record: dict[str, str]) -> None:
    try:
        from ai_edge_litert.tools import flatbuffer_utils
    except ImportError:
        from tensorflow.lite.tools import flatbuffer_utils
    model = flatbuffer_utils.read_model(str(path))
    content, entry = flatbuffer_utils.schema_fb.BufferT(), flatbuffer_utils.schema_fb.MetadataT()
    content.data = list(json_text(record).encode())
    entry.name, entry.buffer = NAME, len(model.buffers)
    model.buffers.append(content)
    model.metadata = [*(model.metadata or []), entry]
    flatbuffer_utils.write_model(model, str(path))
