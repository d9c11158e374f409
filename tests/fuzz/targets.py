"""Every reader of the package under a name, with valid files to damage and files made to harm it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from fuzz import arrays, folders, hdf5_files, networks, recordings, texts

from cpwc_keras.errors import InputError
from cpwc_keras.io.input_file import read_json


@dataclass(frozen=True)
class Target:
    """A reader.

    Attributes:
        read: takes a path; returns nothing, or raises.
        seeds: makes valid files in a folder.
        hostile: makes harmful ones.
        folder: whether it reads folders.
        kept_small: whether the harmful ones are quick enough for every test run, or tested elsewhere, one by one.
        share: of the campaign's inputs; readers that start programs or build networks take longer.
    """

    read: Callable[[Path], object]
    seeds: Callable[[Path], list[Path]]
    hostile: Callable[[Path], list[Path]] | None = None
    folder: bool = False
    kept_small: bool = False
    share: float = 1.0


def _cine(path: Path):
    import cpwc_keras

    recordings.check_loop(cpwc_keras.read(path))


def _contour(path: Path):
    from cpwc_keras.io.contour_import import import_contour
    from cpwc_keras.io.contours import check_points, resample

    contour, notes = import_contour(path)
    check_points(contour.points)
    assert resample(contour.points, 50).shape == (50, 2) and contour.frame >= 0 and all(map(str, notes))


def _contour_file(path: Path):
    from cpwc_keras.io.contours import read_contour

    assert read_contour(path).points.shape[1] == 2


def _flow(path: Path):
    from cpwc_keras.io.flow_files import read_flow

    flow, mask = read_flow(path)
    assert np.isfinite(flow).all() and flow.shape == (*mask.shape, 2)


def _tracking(path: Path):
    from cpwc_keras.io.tracking_file import is_tracked_motion, read_tracked_motion

    known = is_tracked_motion(path)
    motion = read_tracked_motion(path)
    assert known and np.isfinite(motion.flows).all() and len(motion.contours) == len(motion.flows) + 1
    assert motion.spacing_mm is None or all(0 < step < np.inf for step in motion.spacing_mm)
    assert motion.frame_rate_hz is None or 0 < motion.frame_rate_hz < np.inf


def _image(path: Path):
    from cpwc_keras.io.images import read_image

    image = read_image(path)
    assert image.ndim == 2 and image.min() >= 0 and image.max() <= 1


def _mat(path: Path):
    from cpwc_keras.data.alessandrini import read_sector, read_trajectory
    from cpwc_keras.io.mat_files import mat_shape, read_mat

    values = read_mat(path, "X_gt", "im_sim", "USInfo.gridsize")
    assert all(value.dtype.kind in "iuf" for value in values.values())
    mat_shape(path, "X_gt")
    refused = []
    for read in (lambda: read_sector(path), lambda: read_trajectory(path, path)):
        try:
            read()
        except InputError as error:
            refused.append(error)
    if refused:
        raise refused[0]


def _weights(path: Path):
    from cpwc_keras.models import CPWCNet
    from cpwc_keras.models.weights_file import load_network, read_card
    from cpwc_keras.tracking.pair import as_tracker

    if path.name.endswith(".weights.h5"):  # Keras' bare weights do not say of what
        load_network(path, CPWCNet(**networks.SMALL))
        return
    tracker, _ = as_tracker(path)
    assert tracker.model.count_params() > 0
    if path.suffix == ".h5":
        read_card(path)


def _onnx(path: Path):
    from cpwc_keras.baselines.external import onnx_tracker

    onnx_tracker(path)


def _experiment(path: Path):
    from cpwc_keras.training.experiment import load_experiment

    json.dumps(load_experiment("transfer", path, data_root="datasets").identity())


def _record(path: Path):
    """A text of an earlier run, under the name that its reader expects; that one is told by the suffix and the name."""
    from types import SimpleNamespace

    from cpwc_keras.data.displacement import remove_large_displacements
    from cpwc_keras.data_prep.simulation.run import RECORD_NAME, _known_hashes
    from cpwc_keras.models.presets import _read_card
    from cpwc_keras.studies.learning_curve import read_curves, read_log
    from cpwc_keras.studies.publish import _record as read_record
    from cpwc_keras.training.loop import _cut_log

    if not path.is_file():
        read_json(path, "a record")
    copies = {name: Path.cwd() / name for name in ("log.jsonl", "experiment.json", RECORD_NAME)}
    for copy in copies.values():
        copy.write_bytes(path.read_bytes()[: 1 << 24] if path.stat().st_size else b"")
    try:
        if ".curve" in path.name:
            read_curves(path)
        elif path.name.startswith("cache"):
            remove_large_displacements([], cache=path)
        elif path.name.startswith("preset"):
            _read_card(path)
        elif path.suffix == ".jsonl":
            read_log(Path.cwd())
            _cut_log(copies["log.jsonl"], 2)
        else:
            _known_hashes(Path.cwd())
            read_record(SimpleNamespace(run=Path.cwd()))
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def _state(path: Path):
    """A result or a checkpoint."""
    import keras

    from cpwc_keras.studies.results import read_result
    from cpwc_keras.training.checkpoints import restore_checkpoint

    if path.name.startswith("result") or not path.name.startswith("checkpoint"):
        read_result(path)
        return
    values = [keras.Variable(np.zeros((2, 3), "float32")) for _ in range(2)]

    class Holder:
        def __init__(self, variable):
            self.variables = [variable]

    restore_checkpoint(path, *map(Holder, values), {"seed": 1})


TARGETS = {
    "dicom": Target(_cine, recordings.dicom_seeds, recordings.dicom_hostile),
    "nifti, metaimage": Target(_cine, recordings.medical_seeds, recordings.medical_hostile),
    "video": Target(_cine, recordings.video_seeds, recordings.video_hostile, share=0.3),
    "sequence": Target(_cine, hdf5_files.sequence_seeds, hdf5_files.sequence_hostile, kept_small=True),
    "tracking": Target(_tracking, hdf5_files.tracking_seeds, hdf5_files.tracking_hostile, kept_small=True),
    "contour import": Target(_contour, texts.contour_seeds, texts.contour_hostile, kept_small=True, share=1.5),
    "contour file": Target(_contour_file, texts.contour_seeds, texts.contour_hostile, share=0.5),
    "flow": Target(_flow, arrays.flow_seeds, arrays.flow_hostile),
    "image": Target(_image, arrays.image_seeds, arrays.image_hostile),
    "mat": Target(_mat, arrays.mat_seeds, arrays.mat_hostile),
    "weights": Target(_weights, networks.weights_seeds, networks.weights_hostile, share=0.3),
    "onnx": Target(_onnx, networks.onnx_seeds, networks.onnx_hostile, share=0.5),
    "experiment": Target(_experiment, texts.experiment_seeds, texts.experiment_hostile, kept_small=True),
    "record": Target(_record, texts.record_seeds, None),
    "state": Target(_state, texts.state_seeds, texts.state_hostile),
    "dataset": Target(folders.read, folders.seeds, folders.hostile, folder=True, kept_small=True),
}
