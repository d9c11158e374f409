"""`cpwc-keras prepare`: published datasets as the project's own sequence files, and pairs like FlyingChairs'."""

from __future__ import annotations

import os

import click

from cpwc_keras.cli.options import Choice

_SHOWN = 10
_MOST_WORKERS = 8  # a sequence of MEDICAID takes more than 1 GB while it is converted
_PAIRS = 1000
_CONVERTED_ONLY = ("root", "patients", "view", "split")
_MADE_ONLY = ("pairs", "size", "photos", "seed")


@click.command()
@click.argument("dataset", metavar="DATASET", type=Choice(("medicaid", "alessandrini", "camus", "ted", "chairs-like")))
@click.option("--root", type=click.Path(), help="Folder of the dataset, as unpacked; it is only read.")
@click.option("-o", "--output", required=True, type=click.Path(), help="Folder for the files.")
@click.option("--patients", default="", metavar="NAME,NAME…", help="Only these patients (vendors, for alessandrini).")
@click.option(
    "--view",
    type=Choice(("2CH", "3CH", "4CH", "all")),
    default="all",
    show_default=True,
    help="Only this apical view.",
)
@click.option("--split", default="", metavar="NAME", help="Only this split, as the dataset's own lists call it.")
@click.option("--overwrite", is_flag=True, help="Make files anew that are there already.")
@click.option(
    "--workers",
    type=click.IntRange(1),
    help="Processes; the files are the same for any number of them.  [default: one a processor, 8 at most]",
)
@click.option(
    "--pairs", type=click.IntRange(1, 99_999), default=_PAIRS, show_default=True, help="chairs-like: how many pairs."
)
@click.option(
    "--size",
    type=click.IntRange(16),
    nargs=2,
    default=(384, 512),
    show_default=True,
    metavar="HEIGHT WIDTH",
    help="chairs-like: size of the images in pixels; displacements scale with it.",
)
@click.option("--photos", type=click.Path(), help="chairs-like: folder of photographs for the textures.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="chairs-like: of everything random.")
@click.pass_context
def prepare(context, dataset, root, output, patients, view, split, overwrite, workers, pairs, size, photos, seed):
    """Convert a dataset to this project's sequence files.

    One HDF5 file per recording has images and motion together. DATASET is medicaid, alessandrini, camus, ted or
    chairs-like.

    chairs-like needs no dataset: it makes pairs of images like those of FlyingChairs, shapes flying over photographs or
    procedural textures with exactly known motion, in its layout, for `pretrain --dataset chairs=FOLDER`.

    medicaid and alessandrini keep their true motion. camus and ted become the contours of their masks, a 36×5 mesh for
    each frame; their files say that this is not the motion of tissue.

    \b
    cpwc-keras prepare medicaid --root ~/data/MEDICAID -o sequences/medicaid
    cpwc-keras prepare camus --root ~/data/CAMUS_public -o sequences/camus --view 4CH --split train
    cpwc-keras prepare ted --root ~/data/TED -o sequences/ted --patients patient001,patient002
    cpwc-keras info sequences --root sequences/camus
    cpwc-keras prepare chairs-like --pairs 1000 --photos ~/pictures -o chairs-like

    Started again, an interrupted run goes on where it stopped. record.json says what was made and what was left
    out, and why. A recording without images, or whose masks give no mesh, is left out and the command exits with 1; one
    that cannot be read, with 2; the others are converted all the same.
    """
    _check_options(context, dataset, root)
    workers = workers or min(os.cpu_count() or 1, _MOST_WORKERS)
    if dataset == "chairs-like":
        _make_pairs(output, pairs, size, photos, seed, overwrite, workers)
    else:
        _convert(dataset, root, output, patients, view, split, overwrite, workers)


def _check_options(context, dataset, root):
    """Refuse options that this dataset does not know, rather than ignore them."""
    foreign = _CONVERTED_ONLY if dataset == "chairs-like" else _MADE_ONLY
    for name in foreign:
        if context.get_parameter_source(name) is not click.core.ParameterSource.DEFAULT:
            raise click.UsageError(f"--{name} does not go with {dataset}.")
    if dataset != "chairs-like" and root is None:
        raise click.UsageError(f"{dataset} needs --root, the folder of the dataset as unpacked.")


def _make_pairs(output, count, size, photos, seed, overwrite, workers):
    from rich.console import Console

    from cpwc_keras.cli.progress import progress_bar
    from cpwc_keras.data_prep.chairs_like import ChairsLikeSettings
    from cpwc_keras.data_prep.chairs_like.files import plan, write

    console = Console(markup=False)
    work = plan(ChairsLikeSettings(size=tuple(size), photos=photos), seed, count, output, overwrite)
    there = f"; {work.kept:,} are there already" if work.kept else ""
    console.print(f"chairs-like: {len(work.missing):,} pairs to make{there}.", soft_wrap=True)
    with progress_bar(console, "pairs") as progress:
        task = progress.add_task("making", total=len(work.missing), visible=bool(work.missing))
        write(work, workers, lambda: progress.advance(task))
    console.print(
        f"{count:,} pairs are in {output}; record.json says how they were made.", soft_wrap=True, markup=False
    )


def _convert(dataset, root, output, patients, view, split, overwrite, workers):
    from rich.console import Console

    from cpwc_keras.cli.progress import progress_bar
    from cpwc_keras.data_prep.conversion.origins import ORIGINS
    from cpwc_keras.data_prep.conversion.recordings import CONTOURS_NOTE, select
    from cpwc_keras.data_prep.conversion.run import convert, plan, size_text

    console = Console(markup=False)
    with console.status("looking at the dataset"):
        items = select(dataset, root, (patients,) if patients else (), view, split)
        work = plan(items, root, output, overwrite)
    room = f", about {size_text(work.need_bytes)} ({size_text(work.free_bytes)} are free)" if work.jobs else ""
    there = f"; {len(work.kept):,} are there already" if work.kept else ""
    console.print(f"{dataset}: {len(work.jobs):,} recordings to convert{room}{there}.", soft_wrap=True)

    with progress_bar(console, "files") as progress:
        task = progress.add_task("converting", total=len(work.jobs), visible=bool(work.jobs))
        skipped = convert(work, workers, lambda: progress.advance(task))

    for entry in skipped[:_SHOWN]:
        console.print(f"left out: {entry.reason}", soft_wrap=True, highlight=False, markup=False)
    if len(skipped) > _SHOWN:
        console.print(f"… and {len(skipped) - _SHOWN:,} more; record.json lists all.")
    left_out = {entry.name for entry in skipped}
    written = [job.path.stat().st_size for job in work.jobs if job.item.name not in left_out]
    console.print(
        f"{len(written):,} converted to {output} ({size_text(sum(written))}), {len(skipped):,} left out.",
        soft_wrap=True, markup=False,
    )  # fmt: skip
    if ORIGINS[dataset].motion == "contours":
        console.print(f"Mind: {CONTOURS_NOTE}", style="yellow", soft_wrap=True)
    if skipped:
        raise SystemExit(2 if any(entry.broken for entry in skipped) else 1)
