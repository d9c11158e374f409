"""TensorBoard events of a training run, with pictures of the flow."""

from __future__ import annotations

import os
import time
from pathlib import Path

import cv2
import numpy as np
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter

from cpwc_keras.data.pipeline import FixedPairs
from cpwc_keras.files import write_errors_named
from cpwc_keras.viz.flow import flow_to_color


class Events:
    """TensorBoard events, without TensorFlow, so that runs on other backends have them too.

    Each is on the disk when its call returns. (TensorBoard's own writer has a thread, in which a full disk goes
    unnoticed, and ends the run with a traceback later.)

    Args:
        folder: of the run; the file lies in its `tensorboard/`.

    Raises:
        WriteError: here and in all that follows: the disk is full, or the like.
    """

    def __init__(self, folder: Path):
        self.path = folder / "tensorboard" / f"events.out.tfevents.{time.time_ns()}.{os.getpid()}"
        with write_errors_named(self.path):
            self.path.parent.mkdir(exist_ok=True)
            self.file = open(self.path, "wb", buffering=0)  # noqa: SIM115 (closed by `close`)
        self.writer = RecordWriter(self.file)
        self._write(Event(wall_time=time.time(), file_version="brain.Event:2"))

    def scalars(self, step: int, values: dict) -> None:
        self._add(step, Summary(value=[Summary.Value(tag=tag, simple_value=value) for tag, value in values.items()]))

    def pictures(self, step: int, network, validation: FixedPairs, count: int = 3) -> None:
        """Image 1, estimated flow and true flow of the first validation pairs, side by side."""
        values = []
        for index in range(min(count, validation.epoch_size)):
            pair = validation.sample(index)
            flow = network.predict_on_batch([pair.image1[None, ..., None], pair.image2[None, ..., None]])[0]
            largest = float(np.hypot(*np.moveaxis(pair.flow, -1, 0)).max()) or 1.0
            gray = np.repeat((pair.image1 * 255).astype(np.uint8)[..., None], 3, axis=-1)
            panel = np.hstack([gray, *(flow_to_color(field, largest) for field in (flow, pair.flow))])
            _, png = cv2.imencode(".png", panel[..., ::-1])
            image = Summary.Image(
                encoded_image_string=png.tobytes(), height=panel.shape[0], width=panel.shape[1], colorspace=3
            )
            values.append(Summary.Value(tag=f"image 1, estimate, truth/{index}", image=image))
        self._add(step, Summary(value=values))

    def _add(self, step: int, summary) -> None:
        self._write(Event(wall_time=time.time(), step=step, summary=summary))

    def _write(self, event: Event) -> None:
        with write_errors_named(self.path):
            self.writer.write(event.SerializeToString())

    def close(self) -> None:
        self.file.close()
