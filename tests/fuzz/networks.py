"""Seeds and special attacks for networks: the project's weights, Keras' files, ONNX models."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from pathlib import Path

import h5py
import numpy as np
from fuzz.hostile import BOMB_MB, code, deflated

SMALL = {"skip_connections": False, "context_levels": (), "finest_level": 6, "search_range": 1}


def weights_seeds(folder: Path) -> list[Path]:
    import keras

    from cpwc_keras.models import CPWCNet
    from cpwc_keras.models.weights_file import save_network

    keras.utils.set_random_seed(3)
    network = CPWCNet(**SMALL)
    save_network(network, folder / "a.h5", dtype="float16", card={"ranges": {"a": [0, 1]}})
    network.save(folder / "b.keras")
    network.save_weights(folder / "c.weights.h5")
    return sorted(folder.iterdir())


def _swollen(archive: bytes, member: str) -> bytes:
    """An archive with one member that unpacks to `BOMB_MB`; the others are kept."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            if name != member:
                new.writestr(name, old.read(name))
        entry = zipfile.ZipInfo(member)
        packed = deflated()
        new.writestr(entry, packed)
        entry.compress_type, entry.file_size = zipfile.ZIP_DEFLATED, BOMB_MB << 20
        new.filelist[-1] = entry
        content_at = entry.header_offset
    data = bytearray(out.getvalue())
    struct.pack_into("<H", data, content_at + 8, zipfile.ZIP_DEFLATED)
    struct.pack_into("<I", data, content_at + 22, BOMB_MB << 20)
    return bytes(data)


def weights_hostile(folder: Path, canary: Path) -> list[Path]:
    """Code in Keras' files, networks of impossible size, archives that unpack to much."""
    ours, archive, _ = weights_seeds(folder)
    with zipfile.ZipFile(archive) as file:
        members = {name: file.read(name) for name in file.namelist()}
    config = json.loads(members["config.json"])

    def keras_file(name, **changes):
        with zipfile.ZipFile(folder / f"x_{name}.keras", "w", zipfile.ZIP_DEFLATED) as file:
            for member, content in (members | changes).items():
                file.writestr(member, content if isinstance(content, bytes) else json.dumps(content))

    def call(module, class_name, /, **inner):
        return {"module": module, "class_name": class_name, "config": inner, "registered_name": None}

    command = f"touch '{canary}'"
    layer = call(
        "keras.layers",
        "Lambda",
        name="x",
        function={"class_name": "__lambda__", "config": {"code": "4wAAAA==", "defaults": None, "closure": None}},
    )
    sequential = call("keras", "Sequential", name="s", layers=[layer])
    attacks = {
        "lambda": sequential,
        "system": call("os", "system", command=command),
        "function": {"module": "os", "class_name": "function", "config": "system", "registered_name": "system"},
        "import": call("antigravity", "x"),
        "subprocess": call("subprocess", "Popen", args=command, shell=True),
        "dtype": config | {"config": config["config"] | {"dtype": call("os", "system", command=command)}},
        "option": config | {"config": config["config"] | {"name": call("os", "system", command=command)}},
        "compile": config | {"compile_config": {"optimizer": call("os", "system", command=command)}},
        "build": config | {"build_config": {"input_shape": [10**6] * 9}},
        "wrapped": config | {"config": config["config"] | {"finest_level": call("keras.utils", "get_file", fname="x", origin="http://127.0.0.1:9/")}},
    }  # fmt: skip
    for name, content in attacks.items():
        keras_file(name, **{"config.json": content})
    keras_file("deep", **{"config.json": b"[" * 100_000})
    for name, member in (("bomb", "model.weights.h5"), ("config_bomb", "config.json")):
        keras_file(name, **{member: bytes(1 << 20)})
        (folder / f"x_{name}.keras").write_bytes(_swollen((folder / f"x_{name}.keras").read_bytes(), member))
    keras_file("escape", **{"../../escaped": b"x", "/tmp/escaped_fuzz": b"x"})
    keras_file("assets", **{"assets/../../../escaped": b"x"})
    keras_file("npz", **{"model.weights.npz": code(canary), "model.weights.h5": b""})

    def change(name, edit):
        (folder / f"x_{name}.h5").write_bytes(ours.read_bytes())
        with h5py.File(folder / f"x_{name}.h5", "r+") as file:
            edit(file)

    options = json.loads(h5py.File(ours).attrs["config"])
    for name, option in {
        "range": {"search_range": 3000}, "channels": {"image_channels": 10**7}, "minus": {"finest_level": -5},
        "text": {"finest_level": "x"}, "dtype": {"dtype": "float99"}, "name": {"name": "../../x"},
        "weight": {"weight_decay": 1e400}, "unknown": {"x": 1}, "levels": {"context_levels": [6] * 10_000},
    }.items():  # fmt: skip
        change(
            f"config_{name}", lambda file, option=option: file.attrs.__setitem__("config", json.dumps(options | option))
        )
    for name, text in {"deep": "[" * 20_000, "list": "[]", "bytes": b"\xff", "number": 4.5, "array": [1, 2]}.items():
        for attribute in ("card", "config", "network", "version"):
            change(f"{attribute}_{name}", lambda file, a=attribute, t=text: file.attrs.__setitem__(a, t))
    change("group", lambda file: (file.__delitem__("weights"), file.__setitem__("weights", np.zeros(3))))
    change(
        "link",
        lambda file: (file.__delitem__("weights"), file.__setitem__("weights", h5py.ExternalLink("b.keras", "/"))),
    )

    def first(**options):
        def edit(file):
            shape = file["weights/0000"].shape
            del file["weights/0000"]
            file["weights"].create_dataset("0000", **({"shape": shape} | options))

        return edit

    change("nan", lambda file: file["weights/0001"].write_direct(np.full(file["weights/0001"].shape, np.nan, "f4")))
    change("object", first(dtype=h5py.ref_dtype))
    change("string", first(dtype=h5py.string_dtype()))
    change("record", first(dtype=[("a", "f4")]))
    change("complex", first(dtype="c16"))
    return sorted(path for path in folder.iterdir() if path.stem.startswith("x_"))


def onnx_seeds(folder: Path) -> list[Path]:
    from baselines.test_external import difference_and_sum

    return [difference_and_sum(folder / "a.onnx", ["B", "H", "W", 1], 3)]


def onnx_hostile(folder: Path) -> list[Path]:
    import onnx
    from onnx import TensorProto, helper

    def save(name, nodes, constants=()):
        inputs = [helper.make_tensor_value_info(n, TensorProto.FLOAT, ["B", "H", "W", 1]) for n in "ab"]
        outputs = [helper.make_tensor_value_info("flow", TensorProto.FLOAT, None)]
        graph = helper.make_graph(nodes, "g", inputs, outputs, initializer=list(constants))
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        (folder / f"{name}.onnx").write_bytes(model.SerializeToString())

    shape = helper.make_tensor("shape", TensorProto.INT64, [2], [1 << 15, 1 << 15])
    save(
        "constant",
        [helper.make_node("ConstantOfShape", ["shape"], ["big"]), helper.make_node("Sub", ["a", "big"], ["flow"])],
        [shape],
    )
    outside = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[4], data_location=TensorProto.EXTERNAL)
    for name, place in (("passwd", "../../../../../../etc/passwd"), ("absolute", "/etc/passwd"), ("zero", "zero.bin")):
        del outside.external_data[:]
        outside.external_data.add(key="location", value=place)
        save(name, [helper.make_node("Add", ["a", "w"], ["flow"])], [outside])
    (folder / "zero.bin").symlink_to("/dev/zero")
    save(
        "cycle",
        [
            helper.make_node("Sub", ["a", "y"], ["x"]),
            helper.make_node("Sub", ["x", "b"], ["y"]),
            helper.make_node("Sub", ["x", "y"], ["flow"]),
        ],
    )
    save("domain", [helper.make_node("Run", ["a"], ["flow"], domain="com.evil")])
    assert onnx
    return sorted(folder.glob("*.onnx"))
