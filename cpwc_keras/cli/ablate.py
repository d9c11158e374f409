"""`cpwc-keras ablate`."""

from __future__ import annotations

from pathlib import Path

import click

from cpwc_keras.cli.options import Choice
from cpwc_keras.quiet import import_keras_quietly

_UNITS = {"training": "steps", "measuring": "recordings"}


# fmt: off
@click.command()
@click.argument("name", metavar="TABLE", type=Choice(["table1", "table2", "table3"]))
@click.option("--list", "listing", is_flag=True, help="Show the rows of the table and the paper's errors, and stop.")
@click.option("--dataset", metavar="NAME=FOLDER",
              help="alessandrini, sequences (as `simulate` and `prepare` write them) or medicaid, and where it lies.")
@click.option("-o", "--output", type=click.Path(path_type=Path),
              help="Folder for the runs, the results and the table.  [default: runs/TABLE]")
@click.option("--rows", multiple=True, metavar="ROWS",
              help="Only these: numbers with commas between them, or the name of a row; may be given several times.")
@click.option("--config", metavar="NAME|FILE",
              help="Experiment that all networks share, a YAML file or a shipped one; options win over it.")
@click.option("--weights", metavar="NAME|FILE",
              help="Preset or file to start every network from; with {network} in its path, a file for each; none: He "
              "initialisation.  [default: the default preset in table1, whose networks are alike; He initialisation in "
              "the others, where no file fits all and the rows should start alike]")
@click.option("--steps", type=int, help="Gradient steps of each network, instead of epochs.")
@click.option("--epochs", type=int, help="Times each pair is seen.  [default: the paper's 15]")
@click.option("--crop", type=int, nargs=2, metavar="H W",
              help="Height and width of the training images in pixels, multiples of 64.  [default: 384 448]")
@click.option("--batch-size", type=int, help="Pairs in each step.  [default: 4]")
@click.option("--learning-rate", type=float, help="Of Adam, at the start.  [default: 0.0001]")
@click.option("--schedule", type=Choice(["halving", "linear"]),
              help="Of the learning rate. halving: the paper's, halved at 40, 60 and 80 % of the steps; linear: "
              "straight down from 50 %, for short budgets.  [default: halving]")
@click.option("--clipnorm", type=float, help="Bound on the gradient's norm of each weight array.  [default: none]")
@click.option("--precision", type=Choice(["float32", "mixed_bfloat16"]),
              help="mixed_bfloat16 is faster on recent CPUs and GPUs.  [default: float32]")
@click.option("--test-vendor", metavar="NAME",
              help="Vendor to measure on, with --validation-vendor.  [default, tables 1 and 2: Siemens]")
@click.option("--validation-vendor", metavar="NAME",
              help="Vendor kept for validation.  [default, tables 1 and 2: SAMSUNG MEDISON CO]")
@click.option("--seed", type=int, help="Of everything random.  [default: 0]")
@click.option("--limit", type=click.IntRange(1), metavar="N", help="Measure on the first N test recordings only.")
@click.option("--workers", type=click.IntRange(1), default=1, show_default=True,
              help="Processes that measure; a single one uses all cores for one recording at a time.")
def ablate(name, listing, dataset, output, rows, limit, workers, **options):
    """Train and measure the rows of the paper's Table I, II or III.

    table1: forward and backward pairs, pairs further apart, composition; on the sequences of Alessandrini et al. 2018,
    one vendor left out for the test. table2: skip connections and context networks, on the same. table3: context
    networks at levels 1-4, 1-5, 1-6, on virtual patients; the test patients are those that their files mark.

    \b
    cpwc-keras ablate table1 --list
    cpwc-keras ablate table1 --dataset alessandrini=/data/echo -o runs/table1
    cpwc-keras ablate table2 --dataset sequences=simulated --rows 1,4 --steps 300 --crop 128 128
    cpwc-keras ablate table3 --dataset sequences=virtual --weights "runs/{network}/network.h5"

    Options that are left out are those of --config, else the paper's. Any part of a table at any scale: table.md says
    how many rows it has and how short of the paper's their training was. Rows that differ in inference alone share a
    network. Writes table.md, table.csv, ablation.json, and a folder for each network. Started again, it goes on where
    it stopped and trains no network twice; networks of the table that were trained in the folder before are in it, too,
    and other settings need another folder.
    """
    from rich.console import Console

    from cpwc_keras.studies.ablation import choose, load_ablation

    console = Console(markup=False)
    ablation = load_ablation(name)
    chosen = choose(ablation, rows)
    if listing:
        return _list(console, ablation)
    root = (dataset or "").partition("=")
    if not all(root):
        raise click.UsageError("Give --dataset NAME=FOLDER, like sequences=simulated.")
    import_keras_quietly()
    from cpwc_keras.studies.ablation_run import plan, run
    from cpwc_keras.studies.ablation_table import make_table, write_table

    output = output or Path("runs") / name
    with console.status("looking at the data"):
        work = plan(ablation, chosen, root[0], root[2], output, limit=limit, **options)
    _announce(console, work, chosen)
    with _Bars(console) as bars:
        try:
            outcome = run(
                work, workers, on_stage=bars.begin, on_progress=bars.show,
                on_network=lambda so_far: write_table(work, so_far),
            )
        except KeyboardInterrupt:
            click.echo(f"{output}: interrupted; the same command goes on where it stopped.", err=True)
            raise click.exceptions.Exit(130) from None
    return _show(console, make_table(work, outcome), outcome, output)
# fmt: on


class _Bars:
    """A bar for each stage, one after the other."""

    def __init__(self, console):
        self.console, self.bar = console, None

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        if self.bar:
            self.bar.stop()

    def begin(self, network, stage):
        from cpwc_keras.cli.progress import progress_bar

        self.__exit__()
        self.bar = progress_bar(self.console, _UNITS[stage])
        self.task = self.bar.add_task(f"{stage} {network}", total=None)

    def show(self, done, total, note):
        self.bar.start()  # only now: until then there may be a mistake to report instead
        self.bar.update(self.task, completed=done, total=total, note=note)


def _announce(console, work, chosen) -> None:
    there = [training.name for training in work.trainings if training.finished]
    new = [training.name for training in work.trainings if not training.finished]
    starts = dict.fromkeys(training.experiment.weights or "He initialisation" for training in work.trainings)
    rows = f"{len(chosen)} of {len(work.ablation.rows)} rows"
    recordings = f"{len(work.cases)} of {work.test_recordings} test recordings"
    lines = [
        f"ablate {work.ablation.name}: {rows}, measured on {recordings} → {work.folder}",
        f"to train: {', '.join(new) or 'nothing'}" + (f"; trained already: {', '.join(there)}" if there else ""),
        f"start: {', '.join(starts)}",
    ]
    for line in lines:
        console.print(line, soft_wrap=True, markup=False, highlight=False)


def _list(console, ablation) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    shown = Table(title=f"Table {ablation.number}: {ablation.title}", title_justify="left", box=SIMPLE_HEAD)
    for header in ("", "row", "network", "EPE (paper, mm)"):
        shown.add_column(header)
    for number, row in enumerate(ablation.rows, 1):
        shown.add_row(str(number), row.method, row.network, f"{row.paper.mean:.2f} ± {row.paper.sd:.2f}")
    console.print(shown)
    console.print(ablation.note, style="dim")


def _show(console, table, outcome, output) -> int:
    """The table, what failed, and the exit code."""
    from cpwc_keras.cli.table import print_table

    console.print()
    print_table(console, table)
    for remark in table.remarks:
        console.print(remark, style="dim", highlight=False)
    failed = [result for results in outcome.results.values() for result in results if result.error]
    for result in failed[:10]:
        click.echo(f"Error: {result.tracker} on {result.case.name}: {result.error}", err=True)
    if len(failed) > 10:
        click.echo(f"Error: … and {len(failed) - 10:,} more.", err=True)
    console.print(f"\nSee {output / 'table.md'}.", soft_wrap=True)
    return 1 if outcome.broken else 2 if failed else 0
