"""The commands for cost models: make one of measured programs, and test how well it orders others."""

from __future__ import annotations

from pathlib import Path

import click

from costmodel.cli.errors import clean_errors
from costmodel.cli.terminal import new_console

# relative difference of two speeds below which their order is noise
NOISE = 0.03


@click.group()
def model() -> None:
    """Make and test the cost models that a search begins with."""


@model.command()
@click.argument("data", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="The model file, .ubj or .json.",
)
@click.option("--features", default="store", show_default=True, help="Family of features: store or loop.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@clean_errors
def make(data: tuple[Path, ...], output: Path, features: str, seed: int) -> None:
    """Train a model of all tasks in DATA: measured programs (.jsonl.gz) and records of searches (.jsonl)."""
    from costmodel.transfer import make_model, programs_in

    if not output.parent.is_dir():
        raise ValueError(f"{output}: there is no folder {output.parent}")
    programs = programs_in(data, features)
    made = make_model(programs, features, seed=seed)
    made.save(output)
    tasks = len({p.task for p in programs})
    new_console().print(
        f"{output}: of {len(programs)} programs of {tasks} tasks, features {made.version}",
        highlight=False,
        soft_wrap=True,
    )


@model.command()
@click.argument("model_file", metavar="MODEL", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("data", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--features", default="store", show_default=True, help="Family of features: store or loop.")
@clean_errors
def test(model_file: Path, data: tuple[Path, ...], features: str) -> None:
    """Print how well MODEL orders the programs of each task in DATA."""
    from rich.table import Table

    from costmodel.features import feature_version
    from costmodel.learned import pairwise_accuracy, rank_correlation
    from costmodel.transfer import examples, load_model, programs_in

    trained = load_model(model_file, feature_version(features))
    rows = examples(programs_in(data, features), features)
    scores = trained.predict(rows.features)
    table = Table("task", "programs", f"pairs in order, beyond {NOISE:.0%}", "rank correlation", box=None)
    for number, task in enumerate(rows.tasks):
        own = rows.groups == number
        accuracy = pairwise_accuracy(scores[own], rows.throughputs[own], noise=NOISE)
        correlation = rank_correlation(scores[own], rows.throughputs[own])
        table.add_row(task, str(own.sum()), f"{accuracy:.3f}", f"{correlation:.3f}")
    new_console().print(table)
