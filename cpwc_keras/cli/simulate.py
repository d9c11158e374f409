"""`cpwc-keras simulate`."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import click

from cpwc_keras.cli.options import Choice

_TEMPLATES = ("camus", "camus-half", "ted", "alessandrini", "sequences")
_SHOWN = 10
_SECTIONS = {
    "procedural": "Templates",
    "output": "Sequences and how they are made",
    "elements": "Probe and scan",
    "compression": "Gray scale",
    "density": "Scatterers",
    "artifact_position": "Artifacts",
    "help": "Help",
}
"""The first option of each part of the help, and its title."""


class _InSections(click.Command):
    def format_options(self, context, formatter):
        params = self.get_params(context)
        starts = [index for index, option in enumerate(params) if option.name in _SECTIONS]
        for start, stop in pairwise([*starts, len(params)]):
            options = params[start:stop]
            with formatter.section(_SECTIONS[options[0].name]):
                formatter.write_dl([option.get_help_record(context) for option in options])


# fmt: off
@click.command(cls=_InSections)
@click.option("--procedural", type=click.IntRange(1), metavar="N", help="Simulate N hearts that need no data.")
@click.option("--templates", type=Choice(_TEMPLATES),
              help="Simulate the recordings of this dataset instead; with --root. camus: a beat from two stills; "
              "camus-half: half sequences with the motion of their masks.")
@click.option("--root", type=click.Path(path_type=Path), help="Folder of that dataset, as unpacked.")
@click.option("--split", type=Choice(["train", "validation", "test", "all"]), default="all", show_default=True,
              help="Only templates of this part of the dataset.")
@click.option("--patients", default="", metavar="LIST", help="Only these patients (p1,p2,…).")
@click.option("--views", default="", metavar="LIST", help="Only these views (A2C,A3C,A4C).")
@click.option("--limit", type=click.IntRange(1), metavar="N", help="Only the first N templates of what is left.")
@click.option("-o", "--output", type=click.Path(path_type=Path), default="simulated", show_default=True,
              help="Folder for the sequence files.")
@click.option("--engine", type=Choice(["exact", "surrogate"]), default="exact", show_default=True,
              help="exact: the physics of SIMUS; surrogate: a calibrated approximation, much faster.")
@click.option("--frames", type=click.IntRange(2), default=40, show_default=True,
              help="Frames over one beat of stills and procedural hearts; recorded loops keep their own number.")
@click.option("--variants", default="clean,reverberation", show_default=True, metavar="LIST",
              help="clean and reverberation: without and with artifacts that stand still; the second costs next to "
              "nothing more.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True,
              help="Of everything random; the same seed gives the same bytes on processors of one kind.")
@click.option("--workers", type=click.IntRange(1), default=1, show_default=True,
              help="Processes; a single one uses all cores for one image at a time.")
@click.option("--scheduler", metavar="ADDRESS",
              help="Let the workers of this Dask scheduler do it (tcp://host:8786). They need cpwc-keras and, for "
              "--templates, the dataset under the same path; the files are written here.")
@click.option("--preview", is_flag=True, help="A picture and a film of each sequence, with its mesh on one half.")
@click.option("--overwrite", is_flag=True, help="Make files anew that are there already.")
@click.option("--elements", type=int, metavar="N", help="Elements of the probe.  [default: 64]")
@click.option("--frequency", type=float, metavar="MHZ", help="Centre frequency of the probe.  [default: 2.5]")
@click.option("--bandwidth", type=float, metavar="FRACTION",
              help="Bandwidth at -6 dB, there and back, as a fraction of the frequency.  [default: 0.75]")
@click.option("--pitch", type=float, metavar="MM", help="From the middle of an element to the next.  [default: 0.3]")
@click.option("--width", type=float, metavar="MM", help="Width of an element.  [default: 0.25]")
@click.option("--beams", type=int, metavar="N", help="Beams that are transmitted for an image.  [default: 128]")
@click.option("--sector", type=float, metavar="DEGREES", help="Opening angle of the sector.  [default: the template's]")
@click.option("--depth", type=float, metavar="MM", help="Depth of the image.  [default: the template's]")
@click.option("--focus", type=float, metavar="MM", help="Depth of the transmit focus.  [default: half the depth]")
@click.option("--attenuation", type=float, metavar="DB", help="Of tissue, in dB per cm and MHz, one way.  [default: 0]")
@click.option("--compression", type=Choice(["gamma", "log"]), help="How amplitudes become gray.  [default: gamma]")
@click.option("--gamma", type=float, help="Exponent of --compression gamma.  [default: 0.4]")
@click.option("--dynamic-range", type=float, metavar="DB", help="Of --compression log.  [default: 60]")
@click.option("--density", type=float, help="Scatterers per square wavelength.  [default: 10]")
@click.option("--decorrelation", type=float, metavar="FRACTION",
              help="What the speckle of the wall loses of its correlation from frame to frame.  [default: 0]")
@click.option("--replacement", type=float, metavar="FRACTION",
              help="Part of the wall's scatterers that leave the plane from frame to frame.  [default: 0]")
@click.option("--blood-decorrelation", type=float, metavar="FRACTION",
              help="As --decorrelation, in the cavity.  [default: 0]")
@click.option("--annulus", type=float, metavar="MM",
              help="How far beyond the base tissue moves with it; 0, the paper's: not at all.  [default: 20]")
@click.option("--artifact-position", type=Choice(["fixed", "random"]),
              help="fixed: near the mid-anterolateral wall, as in the paper; random: anywhere.  [default: fixed]")
@click.option("--artifact-level", type=float, metavar="DB",
              help="How much stronger an artifact's echo is than the wall's.  [default: 20]")
@click.option("--artifact-structures", type=int, metavar="N", help="How many artifacts.  [default: 1]")
@click.option("--artifact-repeats", type=int, metavar="N", help="How often each repeats behind itself.  [default: 0]")
@click.option("--haze", type=float, metavar="DB",
              help="Haze over the sector, as its echo near the probe against the wall's.  [default: none]")
def simulate(procedural, templates, root, output, split, patients, views, limit, workers, scheduler, preview, overwrite,
             **options):
    """Simulate ultrasound sequences whose motion is known exactly.

    Scatterers take their brightness from a template, those of the myocardium move with its mesh, and a phased array is
    simulated that scans them (Evain et al., II-A). Each sequence becomes a file NAME_VARIANT.h5 with its frames and the
    trajectory of its mesh, from which the motion between any two frames follows; `transfer --dataset sequences` trains
    on the folder. Files made from CAMUS or TED inherit CC BY-NC-SA 4.0.

    \b
    cpwc-keras simulate --procedural 10 -o simulated --preview
    cpwc-keras simulate --templates camus --root ~/data/CAMUS_public -o simulated --split train --workers 4
    cpwc-keras simulate --procedural 1000 --engine surrogate --scheduler tcp://10.0.0.1:8786

    Started again with the same options, an interrupted run goes on where it stopped.
    """
    if (procedural is None) == (templates is None):
        raise click.UsageError("Give one of --procedural N and --templates NAME.")
    if (templates is None) != (root is None):
        raise click.UsageError("--templates and --root belong together.")

    from rich.console import Console

    from cpwc_keras.cli.progress import progress_bar
    from cpwc_keras.data_prep.simulation.pipeline import make_jobs
    from cpwc_keras.data_prep.simulation.run import run
    from cpwc_keras.data_prep.simulation.templates import find_templates, procedural_items

    settings = _settings(**options)
    items = procedural_items(procedural, settings.seed) if procedural else find_templates(templates, root)
    wanted_views = [view.strip() for view in views.split(",") if view.strip()]
    part = "" if split == "all" else split
    jobs = make_jobs(items, settings, part, (patients,) if patients else (), limit, wanted_views)
    console = Console(markup=False)
    names = " and ".join(settings.variants)
    console.print(
        f"simulate: {len(jobs)} sequences ({names}) with the {settings.engine} engine → {output}", soft_wrap=True
    )
    progress = progress_bar(console, "images")
    task = progress.add_task("simulating", total=None)

    def on_progress(done, total):
        progress.start()  # only now: until the first image there may be a mistake to report instead
        progress.update(task, completed=done, total=total)

    try:
        report = run(
            jobs, output, workers=workers, scheduler=scheduler, overwrite=overwrite, on_progress=on_progress,
            on_file=_preview if preview else lambda path: None,
        )
    except KeyboardInterrupt:
        click.echo(f"{output}: interrupted; the same command goes on where it stopped.", err=True)
        raise click.exceptions.Exit(130) from None
    finally:
        progress.stop()
    return _show(console, report, output)
# fmt: on


def _settings(engine, frames, variants, seed, **options):
    from cpwc_keras.data_prep.simulation.display import Display
    from cpwc_keras.data_prep.simulation.reverberation import ArtifactSettings
    from cpwc_keras.data_prep.simulation.scatterers import ScattererSettings
    from cpwc_keras.data_prep.simulation.settings import ScanSettings, SimulationSettings
    from cpwc_keras.data_prep.simulation.transducer import Transducer

    def given(**names):
        return {name: options[option] for name, option in names.items() if options[option] is not None}

    return SimulationSettings(
        engine=engine,
        transducer=Transducer(**given(
            elements="elements", centre_frequency_mhz="frequency", bandwidth="bandwidth", pitch_mm="pitch",
            width_mm="width",
        )),
        scan=ScanSettings(**given(
            beams="beams", sector_deg="sector", depth_mm="depth", focus_mm="focus", attenuation="attenuation",
        )),
        display=Display(**given(compression="compression", gamma="gamma", dynamic_range_db="dynamic_range")),
        scatterers=ScattererSettings(**given(
            density="density", decorrelation="decorrelation", replacement="replacement",
            blood_decorrelation="blood_decorrelation", annulus_mm="annulus",
        )),
        artifacts=ArtifactSettings(**given(
            position="artifact_position", level_db="artifact_level", structures="artifact_structures",
            repeats="artifact_repeats", haze_db="haze",
        )),
        variants=tuple(name.strip() for name in variants.split(",")),
        frames=frames,
        seed=seed,
    )  # fmt: skip


def _preview(path):
    from cpwc_keras.data_prep.simulation.preview import write_preview

    write_preview(path)


def _show(console, report, output) -> int:
    """Say what was done; the exit code."""
    speed = f" in {report.seconds:,.0f} s ({report.images / report.seconds:.3g} images/s)" if report.images else ""
    kept = f", {len(report.kept):,} were there already" if report.kept else ""
    console.print(
        f"{len(report.made):,} files were made{speed}{kept}; record.json in {output} says how.", soft_wrap=True
    )
    failed = {**report.refused, **report.unshown}
    for name, trace in report.broken.items():
        failed[name] = f"failed unexpectedly ({trace.strip().splitlines()[-1]}); record.json has the traceback."
    for name, sentence in list(failed.items())[:_SHOWN]:
        click.echo(f"Error: {name}: {sentence}", err=True)
    if len(failed) > _SHOWN:
        click.echo(f"Error: … and {len(failed) - _SHOWN:,} more; record.json lists them all.", err=True)
    return 1 if report.broken else 2 if failed else 0
