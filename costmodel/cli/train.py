"""The command that trains a model on a table."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from costmodel.cli.errors import INTERRUPTED, clean_errors
from costmodel.cli.terminal import draw, new_console

if TYPE_CHECKING:
    import pandas as pd

    from boost.tables.model import TableModel
    from boost.tables.progress import TrainingProgress
    from boost.tables.split import RowSplit
    from boost.tables.target import Target

MODELS = (".json", ".ubj")


@dataclass(frozen=True, kw_only=True)
class TrainOptions:
    """The options of `train`, as the command line gives them; see its help."""

    data: Path
    target: str
    task: str
    objective: str | None
    rounds: int
    params: tuple[str, ...]
    categorical: tuple[str, ...]
    ignore: tuple[str, ...]
    weight: str | None
    coverage: float | None
    model: Path
    test_size: float
    validation: Path | None
    early_stopping: int | None
    plots: bool
    seed: int

    def parameters(self) -> dict[str, Any]:
        """Return the training parameters; a value that is not JSON is a string."""
        given = dict(map(_parse_parameter, self.params))
        return given if self.objective is None else {**given, "objective": self.objective}

    def resolve_task(self, objective: Any) -> str:
        """Return the task that a coverage or an objective implies when none is given."""
        if self.task != "auto" or (self.coverage is None and objective is None):
            return self.task
        classes = str(objective or "").startswith(("binary:", "multi:"))
        return "classification" if classes else "regression"


@dataclass(frozen=True)
class TrainingTable:
    """The table to train on, split, and the parameters that fit it.

    Attributes
    ----------
    features : DataFrame
    target : Target
    params : dict
        The training parameters for the target.
    weight : float32 array of shape (rows,), or None
    split : RowSplit
    watched : (DataFrame, Target), or None
        The rows that are evaluated after each round.
    """

    features: pd.DataFrame
    target: Target
    params: dict[str, Any]
    weight: Any
    split: RowSplit
    watched: tuple[pd.DataFrame, Target] | None


def _print_parameters(context: click.Context, option: click.Parameter, given: bool) -> None:
    if given and not context.resilient_parsing:
        from boost.params import describe

        click.echo(describe())
        context.exit()


@click.command()
@click.argument("data", type=click.Path(path_type=Path))
@click.option("--target", required=True, help="The column to predict.")
@click.option(
    "--task",
    type=click.Choice(["auto", "regression", "classification"]),
    default="auto",
    show_default=True,
)
@click.option("--objective", help="The loss, by XGBoost's name; see `espalier train --parameters`.")
@click.option("--rounds", type=click.IntRange(min=1), default=200, show_default=True, help="Boosting rounds.")
@click.option(
    "--param", "params", multiple=True, metavar="NAME=VALUE", help="A training parameter; may be repeated."
)
@click.option(
    "--categorical", multiple=True, metavar="COLUMN", help="A column of numbers that are categories."
)
@click.option("--ignore", multiple=True, metavar="COLUMN", help="A column that is not a feature.")
@click.option("--weight", metavar="COLUMN", help="A column with the weights of the rows.")
@click.option(
    "--coverage",
    type=float,
    help="Train intervals that contain this share of new labels, such as 0.9; for a regression.",
)
@click.option(
    "--model",
    type=click.Path(path_type=Path),
    default=Path("model.json"),
    show_default=True,
    help="The model file, .json or .ubj.",
)
@click.option("--test-size", type=float, default=0.2, show_default=True, help="Share of rows held out.")
@click.option(
    "--validation", type=click.Path(path_type=Path), help="A file of rows to evaluate after each round."
)
@click.option(
    "--early-stopping",
    type=click.IntRange(min=1),
    metavar="ROUNDS",
    help="Stop after so many rounds without an improvement on the rows of --validation; without it, on a "
    "share of the training rows.",
)
@click.option("--plots/--no-plots", default=True, help="Draw importance and learning curve beside the model.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option(
    "--parameters",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_parameters,
    help="List the training parameters and exit.",
)
@clean_errors
def train(**options: Any) -> None:
    """Train boosted trees on a CSV, Parquet or Arrow file.

    The model is trained on the rows that are not held out. Ctrl-C ends the training and keeps the rounds so
    far.
    """
    from boost.tables.file import check_extension

    given = TrainOptions(**options)
    check_extension(given.model, MODELS)
    table = _read_training_table(given)
    trained, progress = _train(given, table)
    _report(given, table, trained, progress)
    trained.save(given.model)
    click.echo(f"model: {given.model}")
    if given.plots:
        from boost.tables.plots import training_plots

        draw(training_plots(trained, given.model))
    if progress.interrupted:
        sys.exit(INTERRUPTED)


def _read_training_table(options: TrainOptions) -> TrainingTable:
    """Read and split the rows; raise ValueError, before anything is trained, for options that do not fit."""
    import numpy as np

    from boost.tables.file import read_table
    from boost.tables.model import TableModel
    from boost.tables.split import split_rows
    from boost.tables.target import take_target

    params = options.parameters()
    dropped = [*options.ignore, *([options.weight] if options.weight else [])]
    frame = _prepare(read_table(options.data), options, dropped)
    task = options.resolve_task(params.get("objective"))
    features, target = take_target(frame.drop(columns=dropped), options.target, task)
    weight = None if options.weight is None else frame[options.weight].to_numpy(np.float32)
    params = TableModel.training_params(target, coverage=options.coverage, seed=options.seed, **params)
    stopping = bool(options.early_stopping) and options.validation is None
    split = split_rows(
        target,
        options.test_size,
        stopping=stopping,
        calibrating=options.coverage is not None,
        rng=np.random.default_rng(options.seed),
    )
    watched_rows = split.validation if stopping else split.test
    watched = (features.iloc[watched_rows], target.take(watched_rows)) if len(watched_rows) else None
    if options.validation is not None:
        other = _prepare(read_table(options.validation), options, [])
        missing = [str(c) for c in features.columns if c not in other.columns]
        if missing:
            raise ValueError(f"{options.validation}: the columns {', '.join(missing)} are missing")
        watched = other[features.columns], target.of(other)
    return TrainingTable(features, target, params, weight, split, watched)


def _train(options: TrainOptions, table: TrainingTable) -> tuple[TableModel, TrainingProgress]:
    from boost.tables.model import TableModel
    from boost.tables.progress import TrainingProgress

    rows = table.split.train
    with TrainingProgress(new_console(stderr=True), options.rounds) as progress:
        trained = TableModel.train(
            table.features.iloc[rows],
            table.target.take(rows),
            table.params,
            rounds=options.rounds,
            watched=table.watched,
            early_stopping=options.early_stopping,
            weight=None if table.weight is None else table.weight[rows],
            callbacks=[progress],
        )
    if options.coverage is not None:
        rows = table.split.calibration
        trained.calibrate(table.features.iloc[rows], table.target.take(rows), options.coverage)
    return trained, progress


def _report(
    options: TrainOptions, table: TrainingTable, trained: TableModel, progress: TrainingProgress
) -> None:
    """Print the size of the table, the number of rounds, and the metrics of the held-out rows."""
    target, split = table.target, table.split
    classes = f" of {len(target.classes)} classes" if target.classes else ""
    click.echo(
        f"{target.task}{classes} of {target.name!r}: {len(split.train)} rows, "
        f"{table.features.shape[1]} columns"
    )
    rounds = trained.booster.num_boosted_rounds()
    if progress.interrupted:
        click.echo(f"interrupted: the {rounds} rounds so far are kept")
    elif options.early_stopping and trained.booster.model.best_iteration is not None:
        click.echo(f"{rounds} rounds, of which the last is the best")
    if len(split.test):
        metrics = trained.evaluate(table.features.iloc[split.test], target.labels[split.test])
        values = ", ".join(f"{name} {value:.4f}" for name, value in metrics.items())
        click.echo(f"{len(split.test)} held-out rows: {values}")


def _parse_parameter(text: str) -> tuple[str, Any]:
    """Return name and value of ``NAME=VALUE``; a value that is not JSON is a string."""
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise ValueError(f"--param must be NAME=VALUE, such as max_depth=6, got {text!r}")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def _prepare(frame: pd.DataFrame, options: TrainOptions, dropped: Sequence[str]) -> pd.DataFrame:
    """Return the table with the categorical columns marked; raise ValueError for a column that is missing."""
    from boost.errors import unknown

    columns = list(map(str, frame.columns))
    for name in (*options.categorical, *dropped):
        if name not in columns:
            raise ValueError(unknown("column", name, columns))
        if name == options.target:
            raise ValueError(f"{name!r} is the target: it cannot be categorical, ignored or the weight")
    return frame.astype({name: "category" for name in options.categorical})
