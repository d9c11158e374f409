"""`cpwc-keras evaluate`."""

from __future__ import annotations

from pathlib import Path

import click

from cpwc_keras.cli.options import precision_option, reach_option
from cpwc_keras.cli.table import print_table
from cpwc_keras.quiet import import_keras_quietly

_PAPER_ROWS = ("FFT-Xcorr", "Farneb", "-60A", "c-PWC-Net-gray-usft")
"""Of the paper's rows, the terminal shows these; report.html and table.md have all."""

ERRORS = "errors.txt"
"""Tracebacks of errors that are not the user's."""


def _list(context, parameter, value):
    """Names with commas between them."""
    return tuple(name.strip() for name in value.split(",") if name.strip()) if value else ()


# fmt: off
@click.command()
@click.argument("trackers", nargs=-1, metavar="[NAME=]TRACKER…")
@click.option("--dataset", required=True, metavar="NAME=FOLDER",
              help="sequences, alessandrini, medicaid, camus, ted or loops, and where it lies.")
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="Folder for the report.")
@click.option("--split", default="", metavar="NAME",
              help="Only this part of the dataset: train, validation, test or clinical.")
@click.option("--variants", callback=_list, metavar="LIST", help="Only these variants (clean,reverberation,…).")
@click.option("--views", callback=_list, metavar="LIST", help="Only these views (A2C,A3C,A4C).")
@click.option("--vendors", callback=_list, metavar="LIST", help="Only these makers of scanners.")
@click.option("--patients", callback=_list, metavar="LIST", help="Only these patients (p1,p2,…).")
@click.option("--limit", type=click.IntRange(1), metavar="N", help="Only the first N patients of what is left.")
@click.option("--metrics", callback=_list, metavar="LIST",
              help="Only these figures: epe, contours, strain, segments, closure.  [default: all that the dataset "
              "allows]")
@click.option("--composition/--no-composition", default=True, show_default=True,
              help="Follow the mean of forward and backward motion (section II-B.5 of the paper).")
@click.option("--beat", type=float, metavar="FRAMES",
              help="Length of a beat in frames, for loops without labels.  [default: estimated from the images]")
@click.option("--spacing", nargs=2, type=float, metavar="ROW COL",
              help="Height and width of a pixel in mm, for recordings that do not say it.")
@reach_option(1, "1 is the paper's way; `track` uses 3.")
@precision_option
@click.option("--again", is_flag=True,
              help="Measure everything anew. Of a Python function only the file it is in is watched for changes.")
@click.option("--workers", type=click.IntRange(1), default=1, show_default=True,
              help="Processes; a single one uses all cores for one case at a time.")
@click.option("--videos/--no-videos", default=True, show_default=True,
              help="Films of each tracker's best and worst case.")
def evaluate(trackers, dataset, output, split, variants, views, vendors, patients, limit, metrics, composition, beat,
             spacing, reach, precision, again, workers, videos):
    """Measure trackers on a dataset, beside the paper's figures.

    Errors are in millimetres and percent. TRACKER is a baseline (zero, fft-xcorr, farneback, dis), a preset, a weights
    file, an ONNX file, or a Python function (package.module:function or file.py:function) that takes two batches of
    images (B, H, W) in [0, 1] and returns the flow (B, H, W, 2) in pixels. Without any, all baselines and the shipped
    preset are measured. A path with {vendor} in it is a file for each vendor.

    \b
    cpwc-keras evaluate --dataset sequences=virtual --split test -o evaluation
    cpwc-keras evaluate dis mine=runs/transfer/network.h5 theirs=tracker.onnx --dataset sequences=virtual -o out
    cpwc-keras evaluate c-pwc=runs/{vendor}/network.h5 --dataset alessandrini=/data/echo --views A4C -o table4
    cpwc-keras evaluate dis my_package.tracking:flow --dataset loops=recordings -o real

    Recordings with true motion (sequences, alessandrini, medicaid) give the endpoint error, per frame and from
    end-diastole to end-systole, contour distances, GLS, MAPSE and segmental strain; those with contours (camus, ted)
    all but the errors of motion; loops without labels (a folder of recordings, each with its contour: patient.dcm and
    patient.json) the return of strain and shape after each whole beat.

    Writes report.html, table.md, results.csv (one line a tracker and case), timing.csv, figures and videos. Started
    again with the same options, an interrupted evaluation goes on where it stopped.
    """
    from rich.console import Console

    from cpwc_keras.cli.progress import progress_bar
    from cpwc_keras.files import locked_folder
    from cpwc_keras.studies.cases import find_cases, select
    from cpwc_keras.studies.measure import MeasureSettings
    from cpwc_keras.studies.metrics import keep, require
    from cpwc_keras.studies.run import evaluate as run
    from cpwc_keras.studies.run import plan
    from cpwc_keras.studies.trackers import described, parse_trackers
    from cpwc_keras.tracking.pair import names_network

    name, equals, folder = dataset.partition("=")
    if not equals or not folder:
        raise click.UsageError(f"--dataset {dataset}: expected NAME=FOLDER, like sequences=simulated.")
    specs = parse_trackers(trackers or _default_trackers())
    if any(names_network(spec.spec) for spec in specs):
        import_keras_quietly()
    settings = MeasureSettings(composition, beat, tuple(spacing) if spacing else None, precision, reach)
    cases = select(find_cases(name, folder), split, variants, views, patients, vendors, limit)
    require(metrics, cases)
    jobs = plan(cases, specs, output, settings)

    console = Console(markup=False)
    counts = (len(specs), "tracker"), (len(cases), "recording"), (len({case.info.patient for case in cases}), "patient")
    trackers_, recordings, patients_ = (f"{n:,} {word}{'s' * (n != 1)}" for n, word in counts)
    console.print(f"evaluate: {trackers_} on {recordings} of {patients_} → {output}", soft_wrap=True)
    with locked_folder(output) as held:
        with progress_bar(console, "cases") as progress:
            task = progress.add_task("measuring", total=len(jobs))

            def on_result(result):
                progress.update(task, note=f"{result.tracker} on {result.case.name}")
                progress.advance(task)

            try:
                outcome = run(jobs, workers, on_result, again)
            except KeyboardInterrupt:
                click.echo(f"{output}: interrupted; the same command goes on where it stopped.", err=True)
                raise click.exceptions.Exit(130) from None
        outcome.results = [keep(result, metrics) for result in outcome.results]
        options = {
            "dataset": name, "split": split, "variants": variants, "views": views, "vendors": vendors,
            "patients": patients, "limit": limit, "metrics": metrics,
            "trackers": described(specs, (case.info.vendor for case in cases)),
            "composition": composition, "beat": beat, "spacing": spacing or None, "workers": workers,
            "precision": precision, "reach": reach,
        }
        with console.status("writing the report"):
            _report(held, outcome, cases, options, videos)
    return _show(console, outcome, output)
# fmt: on


def _default_trackers() -> tuple[str, ...]:
    from cpwc_keras.baselines.catalog import BASELINES
    from cpwc_keras.models.presets import DEFAULT_PRESET

    return (*BASELINES, DEFAULT_PRESET)


def _report(folder, outcome, cases, options, videos) -> None:
    from cpwc_keras.files import atomic_path
    from cpwc_keras.studies.report import write_report

    if outcome.broken:
        with atomic_path(folder / ERRORS) as beside:
            text = "\n".join(f"{name}\n{trace}" for name, trace in outcome.broken.items())
            beside.write_text(text, encoding="utf-8")

    by_name = {case.info.name: case for case in cases}

    def frames_of(info):
        recording = by_name[info.name].read()
        return getattr(recording, "loop", recording).frames

    title = f"Motion estimation on {cases[0].info.dataset}"
    write_report(folder, outcome.results, title, options, frames_of if videos else None)


def _show(console, outcome, output) -> int:
    """The table, what failed, and the exit code."""
    from cpwc_keras.studies.cautions import unfamiliar_lines
    from cpwc_keras.studies.run import RESULTS
    from cpwc_keras.studies.tables import parts, tables

    said = set()
    for part in parts(outcome.results):
        console.print(f"\n{part.title}", style="bold")
        for table in tables(part):
            console.print()
            print_table(console, table, _PAPER_ROWS)
            for remark in table.remarks:
                if remark not in said:
                    console.print(remark, style="dim")
                said.add(remark)
    notes = (note for result in outcome.results for note in result.notes if "lost the contour" in note)
    for note in dict.fromkeys([*unfamiliar_lines(outcome.results), *notes]):
        console.print(f"Mind: {note}", style="yellow")
    shown = {result.tracker for result in outcome.results}
    others = sorted(path.name for path in (output / RESULTS).glob("*") if path.is_dir() and path.name not in shown)
    if others:
        console.print(
            f"{output} also holds results of {', '.join(others)}, which this report leaves out.", soft_wrap=True
        )
    if outcome.broken:
        click.echo(f"What failed unexpectedly is written to {output / ERRORS}; please report it.", err=True)
    failed = [result for result in outcome.results if result.error]
    for result in failed[:10]:
        click.echo(f"Error: {result.tracker} on {result.case.name}: {result.error}", err=True)
    if len(failed) > 10:
        click.echo(f"Error: … and {len(failed) - 10:,} more; results.csv lists them all.", err=True)
    kept = f" ({outcome.kept:,} were there already)" if outcome.kept else ""
    count = f"{len(outcome.results):,} result{'s' * (len(outcome.results) != 1)}"
    console.print(f"\n{count}{kept}; see {output / 'report.html'}.", soft_wrap=True)
    return 1 if outcome.broken else 2 if failed else 0
