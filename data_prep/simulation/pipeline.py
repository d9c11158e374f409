"""One simulated sequence: a template, a seed and settings in, the project's sequence files out (paper, II-A.1)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from zlib import crc32

import numpy as np

from cpwc_keras import __version__
from cpwc_keras.data_prep.conversion.recordings import asked_patients
from cpwc_keras.data_prep.simulation.display import Imager
from cpwc_keras.data_prep.simulation.engine import Engine
from cpwc_keras.data_prep.simulation.engines import make_engine
from cpwc_keras.data_prep.simulation.frame_store import FrameStore
from cpwc_keras.data_prep.simulation.memory import available_memory
from cpwc_keras.data_prep.simulation.reverberation import artifact_scatterers
from cpwc_keras.data_prep.simulation.scatterers import Medium
from cpwc_keras.data_prep.simulation.sector_geometry import with_sector
from cpwc_keras.data_prep.simulation.settings import SimulationSettings
from cpwc_keras.data_prep.simulation.template import Template, TemplateItem
from cpwc_keras.errors import InputError
from cpwc_keras.io.sequence_file import sequence_bytes, sequence_header
from cpwc_keras.types import CineLoop, Sequence

_SCATTERERS, _ARTIFACTS = range(2)  # streams of random numbers


@dataclass(frozen=True)
class Job:
    """One sequence to be simulated, in all its variants.

    Attributes:
        item: its template.
        settings: everything else.
    """

    item: TemplateItem
    settings: SimulationSettings

    @property
    def name(self) -> str:
        """Of its files, without variant and suffix."""
        return self.item.name.replace("/", "_")

    def file_name(self, variant: str) -> str:
        """Of the sequence file of a variant."""
        return f"{self.name}_{variant}.h5"

    def origin(self, variant: str) -> dict:
        """Everything that decides what the file of a variant holds, as plain values.

        What only other variants depend on is left out, so that a file is the same whichever are made with it.
        """
        settings = asdict(self.settings)
        del settings["variants"]
        if variant == "clean":
            del settings["artifacts"]
        template = {name: getattr(self.item, name) for name in ("source", "name", "patient", "split")}
        template["content"] = _content(self.item.files)
        return {"version": __version__, "template": template, **settings}

    def is_done(self, folder: Path, variant: str) -> bool:
        """Whether the folder has the finished file of a variant; a broken one is none.

        Raises:
            InputError: a sequence of that name is there, but was made otherwise.
        """
        path = folder / self.file_name(variant)
        try:
            origin = str(sequence_header(path).attributes.get("origin", ""))
        except InputError:  # not there, or broken
            return False
        try:
            made = json.loads(origin)
        except (ValueError, RecursionError):
            made = {}
        made = made if isinstance(made, dict) else {}
        wanted = json.loads(json.dumps(self.origin(variant)))
        if made != wanted:
            raise InputError(
                f"{path}: was made with {_difference(made, wanted)}; choose another output folder, or overwrite it."
            )
        return True


def make_jobs(
    items: Iterable[TemplateItem],
    settings: SimulationSettings,
    split: str = "",
    patients: Iterable[str] = (),
    limit: int | None = None,
    views: Iterable[str] = (),
) -> list[Job]:
    """A job for each template that is wanted.

    Args:
        items: templates.
        settings: of all jobs.
        split: "train", "validation" or "test": only templates of it; "": all.
        patients: only templates of these patients, or several in one text, with commas; empty: all.
        limit: the first so many of what is left.
        views: only templates of these; empty: all.

    Raises:
        InputError: a patient or view is unknown, or no template is left.
    """
    items = list(items)
    if unknown := sorted(set(views) - {item.view for item in items}):
        raise InputError(f"No template shows {unknown[0]!r}; there are {_names(item.view for item in items)}.")
    items = [item for item in items if not views or item.view in views]
    known = {item.patient for item in items}
    asked = asked_patients(patients, known)
    if unknown := sorted(asked - known):
        raise InputError(f"No template is of patient {unknown[0]!r}; there are {_names(known)}.")
    left = [item for item in items if (not split or item.split == split) and (not asked or item.patient in asked)]
    if not left:
        raise InputError(
            f"No template is left: of {len(items)} none fits; their splits are {_names(item.split for item in items)}."
        )
    return [Job(item, settings) for item in left[:limit]]


def simulate(
    job: Job,
    store: Path | None = None,
    on_image: Callable[[bool], None] = lambda is_new: None,
    memory: int | None = None,
) -> dict[str, bytes]:
    """Simulate a sequence. A pure function of the job.

    One frame is in work at a time: memory holds the template, the engine, the scatterers and the finished images.

    Args:
        job: what to simulate.
        store: file in which finished frames survive an interruption, from which they are then taken; None: none.
        on_image: called for each image, with whether it was made now; others were in the store.
        memory: bytes that may be used. None: what the system has left.

    Returns:
        file name -> content of the sequence file, for each variant.

    Raises:
        InputError: the template or the settings cannot be simulated, or not in so little memory.
        WriteError: the store cannot be written.
    """
    settings = job.settings
    memory = available_memory() if memory is None else memory
    template = job.item.load(settings.seed, settings.frames)
    template = with_sector(template, settings.scan.sector_deg, settings.scan.depth_mm)
    content = crc32(template.mesh.tobytes(), crc32(np.ascontiguousarray(template.frames).data))
    key = json.dumps([content, *(job.origin(variant) for variant in settings.variants)]).encode()
    with FrameStore(store, key, (len(settings.variants), *template.grid.shape)) as finished:
        for _ in range(len(finished) * len(settings.variants)):
            on_image(False)
        if len(finished) < len(template.frames):
            for images in _images(job, template, len(finished), on_image, memory):
                finished.append(images)
        return {
            job.file_name(variant): _file(job, template, variant, finished.entry(number))
            for number, variant in enumerate(settings.variants)
        }


@lru_cache(maxsize=1024)
def _content(paths: tuple[Path, ...]) -> str:
    """Fingerprint of what files hold, wherever they lie and whenever they were copied there; of no files, ""."""
    if not paths:
        return ""
    total = hashlib.sha256()
    for path in paths:
        try:
            with open(path, "rb") as file:
                total.update(hashlib.file_digest(file, "sha256").digest())
        except OSError as error:
            raise InputError(f"{path}: cannot be read ({error.strerror}); is the dataset still there?") from error
    return total.hexdigest()[:16]


def _images(
    job: Job, template: Template, first: int, on_image: Callable[[bool], None], memory: int
) -> Iterator[np.ndarray]:
    """The images of each frame from `first` on, (variants, H, W) uint8."""
    settings, scan = job.settings, job.settings.scan.of(template)
    wavelength = scan.wavelength_mm(settings.transducer)
    seed = [settings.seed, crc32(job.item.name.encode())]
    engine = make_engine(settings.engine, settings.transducer, scan)
    left = memory - _memory(template, engine, memory)
    medium = Medium(template, scan, wavelength, settings.display, settings.scatterers, [*seed, _SCATTERERS], left)
    imager = Imager(engine, template.grid, settings.display)
    artifacts = {}
    if "reverberation" in settings.variants:
        points, amplitude = artifact_scatterers(
            template, scan, wavelength, settings.display, settings.artifacts, settings.scatterers.density,
            [*seed, _ARTIFACTS],
        )  # fmt: skip
        artifacts["reverberation"] = imager.normalise(engine.iq(points, amplitude))
    for points, amplitude in medium.frames(first):
        iq = imager.normalise(engine.iq(points, amplitude))
        images = np.empty((len(settings.variants), *template.grid.shape), np.uint8)
        for number, variant in enumerate(settings.variants):
            image = imager.image(iq + artifacts[variant] if variant in artifacts else iq)
            images[number] = np.rint(np.clip(image, 0, 1) * 255)
            on_image(True)
        yield images


def _memory(template: Template, engine: Engine, memory: int) -> int:
    """Bytes of the template, of its images and of the engine.

    Raises:
        InputError: they are more than `memory`.
    """
    frames = 2 * 4 * template.frames.size
    needed = frames + engine.memory
    if needed <= memory:
        return needed
    probe, (count, height, width) = engine.transducer, template.frames.shape
    if frames > engine.memory:
        what, size, remedy = f"{count:,} frames of {width}×{height} px", frames, "fewer frames"
    else:
        what = f"{probe.elements} elements at {probe.centre_frequency_mhz:g} MHz and {engine.scan.depth_mm:.0f} mm"
        size, remedy = engine.memory, "fewer elements, a smaller depth or a lower frequency"
    left = max(memory - (needed - size), 0)
    raise InputError(
        f"{what} need about {size / 2**30:,.2f} GiB of memory, and {left / 2**30:,.2f} GiB are left for them; choose "
        f"{remedy}, or fewer workers."
    )


def _file(job: Job, template: Template, variant: str, frames: np.ndarray) -> bytes:
    """The content of a sequence file; frames (T, H, W) uint8."""
    scan = job.settings.scan.of(template)
    loop = CineLoop(
        frames=frames.astype(np.float32) / np.float32(255),
        spacing_mm=template.grid.spacing_mm,
        frame_rate_hz=template.frame_rate_hz,
        ed=template.ed,
        es=template.es,
        view=template.view,
        patient=template.patient,
        notes=template.notes,
        sector=template.grid.sector(scan),
    )
    attributes = {
        "licence": template.licence,
        "split": template.split,
        "source": template.source,
        "engine": job.settings.engine,
        "seed": job.settings.seed,
        "scan": json.dumps({**asdict(scan), "probe_px": tuple(map(float, template.grid.probe))}),
        "origin": json.dumps(job.origin(variant)),
    }
    sequence = Sequence(loop, mesh=template.mesh.astype(np.float32), vendor=template.vendor, variant=variant)
    return sequence_bytes(sequence, attributes)


def _names(values: Iterable[str]) -> str:
    names = sorted(set(values))
    return ", ".join(map(repr, names[:5])) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _difference(made: object, wanted: object, name: str = "") -> str:
    """The first thing in which two descriptions differ, as "seed 1 instead of 0"."""
    if isinstance(made, dict) and isinstance(wanted, dict):
        if not made:
            return "something else than this command"
        key = next(key for key in {**wanted, **made} if made.get(key) != wanted.get(key))
        return _difference(made.get(key), wanted.get(key), f"{name} {key}".strip())
    return f"{name} {made} instead of {wanted}"
