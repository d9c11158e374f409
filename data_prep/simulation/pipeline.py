"""One simulated sequence: a template, a seed and settings in, the project's sequence files out (paper, II-A.1)."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from zlib import crc32

import numpy as np

from cpwc_keras import __version__
from cpwc_keras.data_prep.simulation.display import Display, Imager
from cpwc_keras.data_prep.simulation.engines import make_engine
from cpwc_keras.data_prep.simulation.frame_store import FrameStore
from cpwc_keras.data_prep.simulation.reverberation import ArtifactSettings, artifact_scatterers
from cpwc_keras.data_prep.simulation.scatterers import Medium, ScattererSettings
from cpwc_keras.data_prep.simulation.templates import Template, TemplateItem
from cpwc_keras.data_prep.simulation.transducer import Transducer
from cpwc_keras.errors import InputError
from cpwc_keras.io.sequence_file import sequence_header, write_sequence
from cpwc_keras.types import CineLoop, Sequence

VARIANTS = ("clean", "reverberation")
"""The same sequence without and with artifacts that stand still."""

_SCATTERERS, _ARTIFACTS = range(2)  # streams of random numbers


@dataclass(frozen=True)
class SimulationSettings:
    """All that is chosen for a simulation besides its template. The default is the paper's.

    Attributes:
        engine: "exact" or "surrogate".
        transducer: the probe.
        beams: transmitted beams.
        display: from echoes to brightness.
        scatterers: their density and behaviour in time.
        artifacts: what stands still in the variant "reverberation".
        variants: which of `VARIANTS` are made, from the same echoes.
        frames: over one beat, where the template is a still or procedural; recorded loops keep their own number.
        seed: of everything random; each template draws its own.

    Raises:
        InputError: a value out of its range.
    """

    engine: str = "exact"
    transducer: Transducer = field(default_factory=Transducer)
    beams: int = 128
    display: Display = field(default_factory=Display)
    scatterers: ScattererSettings = field(default_factory=ScattererSettings)
    artifacts: ArtifactSettings = field(default_factory=ArtifactSettings)
    variants: tuple[str, ...] = VARIANTS
    frames: int = 40
    seed: int = 0

    def __post_init__(self):
        unknown = [name for name in self.variants if name not in VARIANTS]
        if unknown or not self.variants or len(set(self.variants)) < len(self.variants):
            raise InputError(
                f"The variants are {', '.join(map(repr, self.variants)) or 'none'}; expected one or more of "
                f"{', '.join(map(repr, VARIANTS))}, each once."
            )
        if self.artifacts.haze_db is not None and "reverberation" not in self.variants:
            raise InputError("Haze belongs to the variant 'reverberation', which is not among the variants.")
        if self.frames < 2:
            raise InputError(f"frames is {self.frames}; expected 2 or more, since a single frame does not move.")
        if self.seed < 0:
            raise InputError(f"seed is {self.seed}; expected 0 or more.")


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
        return {"version": __version__, "template": template, **settings}

    def is_done(self, folder: Path, variant: str) -> bool:
        """Whether the folder has the finished file of a variant.

        Raises:
            InputError: a file of that name is there, but was made otherwise.
        """
        path = folder / self.file_name(variant)
        if not path.exists():
            return False
        try:
            made = json.loads(str(sequence_header(path).attributes.get("origin", "")))
        except json.JSONDecodeError:
            made = {}
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
) -> list[Job]:
    """A job for each template that is wanted.

    Args:
        items: templates.
        settings: of all jobs.
        split: "train", "validation" or "test": only templates of it; "": all.
        patients: only templates of these patients; empty: all.
        limit: the first so many of what is left.

    Raises:
        InputError: a patient is unknown, or no template is left.
    """
    items, patients = list(items), set(patients)
    if unknown := sorted(patients - {item.patient for item in items}):
        raise InputError(f"No template is of patient {unknown[0]!r}; there are {_names(i.patient for i in items)}.")
    left = [item for item in items if (not split or item.split == split) and (not patients or item.patient in patients)]
    if not left:
        raise InputError(
            f"No template is left: of {len(items)} none fits; their splits are {_names(item.split for item in items)}."
        )
    return [Job(item, settings) for item in left[:limit]]


def simulate(
    job: Job, store: Path | None = None, on_image: Callable[[], None] = lambda: None, memory: int | None = None
) -> dict[str, bytes]:
    """Simulate a sequence. A pure function of the job.

    One frame is in work at a time: memory holds the template, the engine, the scatterers and the finished images.

    Args:
        job: what to simulate.
        store: file in which finished frames survive an interruption, from which they are then taken; None: none.
        on_image: called after each image.
        memory: bytes the scatterers may use. None: what the system has left.

    Returns:
        file name -> content of the sequence file, for each variant.

    Raises:
        InputError: the template or the settings cannot be simulated.
    """
    settings = job.settings
    template = job.item.load(settings.seed, settings.frames)
    content = crc32(template.mesh.tobytes(), crc32(np.ascontiguousarray(template.frames)))
    key = json.dumps([content, *(job.origin(variant) for variant in settings.variants)]).encode()
    with FrameStore(store, key, (len(settings.variants), *template.grid.shape)) as finished:
        for _ in range(len(finished) * len(settings.variants)):
            on_image()
        if len(finished) < len(template.frames):
            for images in _images(job, template, len(finished), on_image, memory):
                finished.append(images)
        return {
            job.file_name(variant): _file(job, template, variant, finished.entry(number))
            for number, variant in enumerate(settings.variants)
        }


def _images(job: Job, template: Template, first: int, on_image, memory: int | None) -> Iterator[np.ndarray]:
    """The images of each frame from `first` on, (variants, H, W) uint8."""
    settings, scan = job.settings, template.scan(job.settings.beams)
    wavelength = scan.wavelength_mm(settings.transducer)
    seed = [settings.seed, crc32(job.item.name.encode())]
    medium = Medium(template, scan, wavelength, settings.display, settings.scatterers, [*seed, _SCATTERERS], memory)
    engine = make_engine(settings.engine, settings.transducer, scan)
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
            on_image()
        yield images


def _file(job: Job, template: Template, variant: str, frames: np.ndarray) -> bytes:
    """The content of a sequence file; frames (T, H, W) uint8."""
    loop = CineLoop(
        frames=frames.astype(np.float32) / np.float32(255),
        spacing_mm=template.grid.spacing_mm,
        frame_rate_hz=template.frame_rate_hz,
        ed=template.ed,
        es=template.es,
        view=template.view,
        patient=template.patient,
        notes=template.notes,
    )
    scan = template.scan(job.settings.beams)
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
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sequence.h5"
        write_sequence(path, sequence, attributes)
        return path.read_bytes()


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
