"""`cpwc-keras track` and `cpwc-keras demo`."""

from __future__ import annotations

import warnings
from contextlib import nullcontext
from pathlib import Path

import click

from cpwc_keras.cli.options import Choice, precision_option, reach_option
from cpwc_keras.quiet import import_keras_quietly

_tracker = click.option(
    "--tracker",
    metavar="NAME|FILE",
    help="What estimates the motion: a preset, a weights file, one of the baselines fft-xcorr, farneback, dis, zero, "
    "or your own: an ONNX model (model.onnx) or a Python function (module:function, file.py:function).  "
    "[default: the shipped preset]",
)
_composition = click.option(
    "--composition/--no-composition",
    default=True,
    show_default=True,
    help="Average forward and backward motion (section II-B.5 of the paper).",
)
_engine = click.option(
    "--engine",
    type=Choice(["keras", "openvino", "onnx"]),
    default="keras",
    show_default=True,
    help="What runs the network. For another one it is exported once, which takes a minute, and kept in a cache "
    "folder (CPWC_CACHE, else ~/.cache/cpwc-keras); Keras is not needed then.",
)
_reach = reach_option(3, "1 is the paper's way.")
_dense_flow = click.option(
    "--dense-flow", is_flag=True, help="Keep the motion of every pixel in tracking.h5 (large; slower)."
)


@click.command()
@click.argument("input", type=click.Path(path_type=Path))
@click.option(
    "--contour",
    metavar="PATH  [required]",
    type=click.Path(path_type=Path),
    help="End-diastolic contour, a JSON file: draw one with `cpwc-keras app`, or make one with `cpwc-keras contour`.",
)
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="Folder for the results.")
@_tracker
@precision_option
@_engine
@_composition
@_reach
@click.option("--spacing", nargs=2, type=float, metavar="ROW COL",
              help="Height and width of a pixel in mm, where INPUT has none or wrong ones.")  # fmt: skip
@click.option("--frame-rate", type=float, metavar="HZ", help="Frames a second, where INPUT has none or a wrong one.")
@click.option(
    "--ed",
    type=int,
    metavar="FRAME",
    help="End-diastolic frame that the contour was drawn on, counted from 0.  [default: as the contour says]",
)
@click.option("--es", type=int, metavar="FRAME",
              help="End-systolic frame, counted from 0.  [default: as the contour or INPUT says, else estimated: the "
              "smallest cavity of the beat]")  # fmt: skip
@_dense_flow
def track(input, contour, output, **options):
    """Track a contour of the left ventricle through a recording.

    Measures longitudinal strain, GLS and MAPSE. INPUT is a multi-frame DICOM, NIfTI, MetaImage, MP4, AVI, GIF or the
    project's own sequence file. Spacing and frame rate come from the file; videos have no spacing: give --spacing, or
    lengths are in pixels.

    The contour runs from the basal septal point over the apex to the basal lateral point, in pixels (x, y) of the image
    (for a DICOM, of its ultrasound region):

    \b
      {"format": "cpwc-keras contour", "version": 1, "frame": 22,
       "image_size": [384, 512], "points": [[245, 243], [238, 226], …]}

    \b
    cpwc-keras track patient.dcm --contour ed.json -o result
    cpwc-keras track loop.mp4 --contour ed.json -o result --spacing 0.3 0.3 --tracker dis

    Writes tracking.h5 (the contour in every frame), strain.csv, summary.json, overlay.mp4, overlay.png and strain.png.
    The video has at most 15 frames a second, so that a faster loop plays slowed down. No file holds the patient's name.
    """
    if contour is None:
        raise click.UsageError(
            "Missing option '--contour': draw one with `cpwc-keras app`, or make one with `cpwc-keras contour`."
        )
    _track(input, contour, output, **options)


@click.command()
@click.option("-o", "--output", default="demo", show_default=True, type=click.Path(path_type=Path),
              help="Folder for the results.")  # fmt: skip
@_tracker
@precision_option
@_engine
@_composition
@_reach
@_dense_flow
def demo(output, **options):
    """Track a real four-chamber loop that comes with pydicom.

    Its 30 frames are about one beat. The contour was drawn by eye, by people who are no cardiologists. Writes the same
    files as track.
    """
    from pydicom import examples

    _track(Path(examples.get_path("ybr_color")), None, output, **options)


def demo_contour():
    """The `Contour` of the demo: the end-diastolic endocardium on pydicom's loop, drawn by eye."""
    from importlib.resources import as_file, files

    from cpwc_keras.io.contours import read_contour

    with as_file(files("cpwc_keras.cli") / "assets" / "demo_contour.json") as path:
        return read_contour(path)


def _track(
    path, contour_path, output, tracker, precision, engine, composition, reach, dense_flow, spacing=(),
    frame_rate=None, ed=None, es=None,
):  # fmt: skip
    from rich.console import Console

    from cpwc_keras.cli.progress import progress_bar
    from cpwc_keras.errors import TrackingWarning
    from cpwc_keras.files import locked_folder
    from cpwc_keras.io.cine import read
    from cpwc_keras.io.contours import read_contour
    from cpwc_keras.io.input_file import sha256
    from cpwc_keras.tracking.cine import place_contour
    from cpwc_keras.tracking.cine import track as track_loop
    from cpwc_keras.tracking.output import FILES, write_results
    from cpwc_keras.tracking.pair import as_tracker, names_network

    warnings.simplefilter("ignore", TrackingWarning)  # `_show` says it
    # All that can be wrong is found before anything is printed or created.
    contour = read_contour(contour_path) if contour_path else demo_contour()
    spacing = tuple(spacing or ()) or None
    loop = read(path, spacing_mm=spacing, frame_rate_hz=frame_rate)
    digest = sha256(path)  # now: it may be another file by the time the results are written
    contour = place_contour(loop, contour, ed, es, ("--ed", "--es"))
    console = Console(markup=False)
    if names_network(tracker) and engine == "keras":
        import_keras_quietly()
    with nullcontext() if engine == "keras" else console.status(f"preparing the network for {engine}"):
        run, _ = as_tracker(tracker, precision, engine)
    with locked_folder(output) as folder:
        size = "×".join(str(n) for n in loop.frames.shape[1:])
        console.print(f"{path}: {len(loop)} frames of {size} px (height × width)", soft_wrap=True)
        if contour.note:
            console.print(f"Contour: {contour.note}", style="dim")
        with progress_bar(console, "frames") as progress:
            task = progress.add_task("tracking", total=len(loop) - 1)

            def advance(*_):
                progress.advance(task)

            result = track_loop(loop, contour, run, composition, keep_flow=dense_flow, on_progress=advance, reach=reach)
        settings = {
            "tracker": tracker, "precision": getattr(run, "precision", None), "engine": getattr(run, "engine", None),
            "composition": composition, "reach": reach, "spacing_mm": spacing, "frame_rate_hz": frame_rate, "ed": ed,
            "es": es, "dense_flow": dense_flow, "contour_note": contour.note,
        }  # fmt: skip
        with progress_bar(console, "files") as progress:
            task = progress.add_task("writing", total=len(FILES))
            files = write_results(result, loop, folder, settings, digest, on_file=lambda _: progress.advance(task))
    _show(console, result, files)


def _show(console, result, files):
    from rich.table import Table

    table = Table.grid(padding=(0, 2))
    table.add_column(justify="left")
    table.add_column(justify="right", style="bold")
    table.add_column(style="dim")
    for row in result.describe():
        table.add_row(*row)
    console.print()
    if result.lost:
        console.print(f"Do not use these numbers. {result.lost}\n", style="red")
    console.print(table)
    if result.notes:
        console.print("\nMind:")
        for note in result.notes:
            console.print(f"  • {note}", style="yellow")
    console.print("\nWritten:")
    for path in files:
        console.print(f"  {path}", soft_wrap=True, highlight=False)
