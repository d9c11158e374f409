"""All that is chosen for a simulation besides its template."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace

from cpwc_keras.data_prep.simulation.display import Display
from cpwc_keras.data_prep.simulation.engines import ENGINES
from cpwc_keras.data_prep.simulation.reverberation import ArtifactSettings
from cpwc_keras.data_prep.simulation.scatterers import ScattererSettings
from cpwc_keras.data_prep.simulation.template import Template
from cpwc_keras.data_prep.simulation.transducer import SectorScan, Transducer
from cpwc_keras.errors import InputError, did_you_mean

VARIANTS = ("clean", "reverberation")
"""The same sequence without and with artifacts that stand still."""

_LARGEST_SEED = 2**63 - 1  # what sequence files can note


@dataclass(frozen=True)
class ScanSettings:
    """How the probe scans the sector. The default is the paper's (II-A.1).

    Attributes:
        beams: transmitted beams.
        sector_deg: full opening angle; None: the template's own.
        depth_mm: range; None: the template's own.
        focus_mm: range of the transmit focus; None: half the depth.
        attenuation: dB/cm/MHz, one way.

    Raises:
        InputError: a value that no scan of the heart has.
    """

    beams: int = 128
    sector_deg: float | None = None
    depth_mm: float | None = None
    focus_mm: float | None = None
    attenuation: float = 0.0

    def __post_init__(self):
        SectorScan(**{name: value for name, value in asdict(self).items() if value is not None})

    def of(self, template: Template) -> SectorScan:
        """The scan of a template whose sector is the one asked for."""
        return replace(template.scan(self.beams), focus_mm=self.focus_mm, attenuation=self.attenuation)


@dataclass(frozen=True)
class SimulationSettings:
    """All that is chosen for a simulation besides its template. The default is the paper's.

    Attributes:
        engine: "exact" or "surrogate".
        transducer: the probe.
        scan: its beams.
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
    scan: ScanSettings = field(default_factory=ScanSettings)
    display: Display = field(default_factory=Display)
    scatterers: ScattererSettings = field(default_factory=ScattererSettings)
    artifacts: ArtifactSettings = field(default_factory=ArtifactSettings)
    variants: tuple[str, ...] = VARIANTS
    frames: int = 40
    seed: int = 0

    def __post_init__(self):
        if self.engine not in ENGINES:
            raise InputError(
                f"{self.engine!r} is not an engine; choose one of {', '.join(ENGINES)}."
                f"{did_you_mean(self.engine, ENGINES)}"
            )
        unknown = [name for name in self.variants if name not in VARIANTS]
        if unknown or not self.variants or len(set(self.variants)) < len(self.variants):
            raise InputError(
                f"The variants are {', '.join(map(repr, self.variants)) or 'none'}; expected one or more of "
                f"{', '.join(map(repr, VARIANTS))}, each once.{did_you_mean(unknown[0], VARIANTS) if unknown else ''}"
            )
        if self.artifacts.haze_db is not None and "reverberation" not in self.variants:
            raise InputError("Haze belongs to the variant 'reverberation', which is not among the variants.")
        if self.frames < 2:
            raise InputError(f"frames is {self.frames}; expected 2 or more, since a single frame does not move.")
        if not 0 <= self.seed <= _LARGEST_SEED:
            raise InputError(f"seed is {self.seed}; expected 0 to {_LARGEST_SEED}.")
