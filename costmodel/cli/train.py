"""The command that trains a model on a table."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from costmodel.cli.errors import INTERRUPTED, clean_errors
from costmodel.cli.table import TableOptions, chosen, described, is_worse, print_scores, table_options
from costmodel.cli.terminal import draw, new_console, note

if TYPE_CHECKING:
    from boost.tables.examples import Examples
    from boost.tables.model import TableModel
    from boost.tables.progress import TrainingProgress
    from boost.tables.split import RowSplit

MODELS = (".json", ".ubj")
DEFAULT_TEST_SIZE = 0.2


@dataclass(frozen=True)
class TrainingTable:
    """The table to train on, split, and the parameters that fit it.

    Attributes
    ----------
    examples : Examples
    dates : dict of str to str or None
        The columns of dates, and their formats in text.
    params : dict
        The training parameters for the target.
    split : RowSplit
    watched : (Examples, str), or None
        The rows that are evaluated after each round, and their name.
    stops : bool
        Whether the training stops by the watched rows.
    """

    examples: Examples
    dates: dict[str, str | None]
    params: dict[str, Any]
    split: RowSplit
    watched: tuple[Examples, str] | None
    stops: bool


@click.command()
@table_options
@click.option(
    "--rounds", type=click.IntRange(min=1), help="Exactly so many rounds.  [default: found by early stopping]"
)
@click.option(
    "--early-stopping",
    type=click.IntRange(min=1),
    metavar="ROUNDS",
    help="Stop after so many rounds without an improvement, on the rows of --validation, or on training rows "
    "that are left out.",
)
@click.option(
    "--validation", type=click.Path(path_type=Path), help="A file of rows to evaluate and to stop by."
)
@click.option(
    "--test-size",
    type=float,
    default=DEFAULT_TEST_SIZE,
    show_default=True,
    help="Share of rows held out to test.",
)
@click.option(
    "--model",
    type=click.Path(path_type=Path),
    default=Path("model.json"),
    show_default=True,
    help="The model file, .json or .ubj.",
)
@click.option(
    "--plots/--no-plots", default=True, help="Draw importance, learning curve and fit beside the model."
)
@clean_errors
def train(
    rounds: int | None,
    early_stopping: int | None,
    validation: Path | None,
    test_size: float,
    model: Path,
    plots: bool,
    **options: Any,
) -> None:
    """Train boosted trees on a table: a text file of columns (.csv, .tsv, .txt, .gz), Parquet or Arrow.

    A share of the rows is held out to test the model. The number of rounds is found by early stopping on
    training rows, and the scores of the test rows are printed beside those of a constant prediction. Text
    that names rows is left out, dates become their parts. Ctrl-C ends the training and keeps its rounds.
    """
    from boost.tables.file import check_extension

    given = TableOptions.of(options)
    check_extension(model, MODELS)
    table = _read(given, validation, test_size, rounds)
    trained, progress = _train(given, table, rounds, early_stopping)
    _report(given, table, trained, progress)
    trained.save(model)
    click.echo(f"model: {model}")
    if plots:
        from boost.tables.plots import training_plots

        draw(training_plots(trained, model, table.examples.take(table.split.test)))
    if progress.interrupted:
        sys.exit(INTERRUPTED)


def _read(
    options: TableOptions, validation: Path | None, test_size: float, rounds: int | None
) -> TrainingTable:
    """Read and split the rows; raise ValueError, before anything is trained, for options that do not fit."""
    import numpy as np

    from boost.tables.examples import read_more, shared_rows
    from boost.tables.file import read_table
    from boost.tables.model import TEST, TableModel
    from boost.tables.split import split_rows

    examples, review = options.read()
    params = TableModel.training_params(
        examples.target, coverage=options.coverage, seed=options.seed, **options.parameters()
    )
    rng = np.random.default_rng(options.seed)
    split = split_rows(examples, test_size, calibrating=options.coverage is not None, rng=rng)
    watched = None
    if validation is not None:
        others = read_more(read_table(validation), examples, options.roles(), str(validation))
        if shared := shared_rows(examples, others):
            note(f"{shared:,} of the {len(others):,} rows of {validation} are in {options.data} as well")
        watched = others, str(validation)
    elif rounds is not None and len(split.test):
        watched = examples.take(split.test), TEST
    return TrainingTable(examples, review.dates, params, split, watched, validation is not None)


def _train(
    options: TableOptions, table: TrainingTable, rounds: int | None, early_stopping: int | None
) -> tuple[TableModel, TrainingProgress]:
    from boost.tables.model import MOST_ROUNDS, PATIENCE, TableModel
    from boost.tables.progress import TrainingProgress

    patience = early_stopping
    if table.stops and early_stopping is None and rounds is None:
        patience = PATIENCE
    most = rounds
    if early_stopping is not None and rounds is not None and not table.stops:
        raise click.UsageError("--rounds is an exact number: with --early-stopping it needs --validation")
    if table.stops and rounds is None:
        most = MOST_ROUNDS
    with TrainingProgress(new_console(stderr=True), most) as progress:
        trained = TableModel.train(
            table.examples.take(table.split.train),
            table.params,
            preset=options.preset,
            rounds=most,
            patience=patience,
            watched=table.watched,
            dates=table.dates,
            observer=progress,
        )
    return trained, progress


def _report(
    options: TableOptions, table: TrainingTable, trained: TableModel, progress: TrainingProgress
) -> None:
    """Print the size of the table, what was chosen, and the scores beside those of a constant prediction."""
    examples, split = table.examples, table.split
    click.echo(described(examples, table.dates))
    parts = [f"{len(split.train):,} to train on"]
    if options.coverage is not None:
        parts.append(f"{len(split.calibration):,} to calibrate intervals")
    if len(split.test):
        parts.append(f"{len(split.test):,} held out to test")
    click.echo(f"rows: {', '.join(parts)}")
    count = trained.booster.num_boosted_rounds()
    if progress.interrupted:
        click.echo(f"interrupted: the {count} rounds so far are kept")
    elif table.stops and table.watched is not None and trained.booster.model.best_iteration is not None:
        click.echo(f"{count} rounds, of which the last is the best on {table.watched[1]}")
    elif trained.choice is not None:
        click.echo(chosen(trained.choice))
    constant = trained.constant()
    if options.coverage is not None:
        aside = examples.take(split.calibration)
        trained.calibrate(aside, options.coverage)
        constant.calibrate(aside, options.coverage)
    shown = (("rows held out to test", split.test), ("training rows", split.train))
    what, rows = shown[0] if len(split.test) else shown[1]
    held = examples.take(rows)
    scores, base = trained.evaluate(held), constant.evaluate(held)
    print_scores(f"{len(rows):,} {what}:", {"model": scores, "constant prediction": base})
    if not len(split.test):
        click.echo("no rows were held out: these scores do not say how good the predictions for new rows are")
    elif is_worse(scores, base):
        note("the model is no better than a constant prediction on these rows")
