"""Commands of the modeller: train on a table, predict, explain."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from costmodel.cli.errors import INTERRUPTED, clean_errors
from costmodel.cli.terminal import new_console

if TYPE_CHECKING:
    import pandas as pd

MODELS = (".json", ".ubj")


@click.command()
@click.argument("data", type=click.Path(path_type=Path))
@click.option("--target", required=True, help="The column to learn.")
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
@click.option("--ignore", multiple=True, metavar="COLUMN", help="A column not to learn from.")
@click.option("--weight", metavar="COLUMN", help="A column with the weights of the rows.")
@click.option(
    "--coverage",
    type=float,
    help="Learn intervals that hold this share of new rows, such as 0.9; for numbers.",
)
@click.option(
    "--model",
    type=click.Path(path_type=Path),
    default=Path("model.json"),
    show_default=True,
    help="Where the model goes, .json or .ubj.",
)
@click.option("--test-size", type=float, default=0.2, show_default=True, help="Share of rows held out.")
@click.option("--validation", type=click.Path(path_type=Path), help="A file of rows to watch and to stop by.")
@click.option(
    "--early-stopping",
    type=click.IntRange(min=1),
    metavar="ROUNDS",
    help="Stop after so many rounds without an improvement. Without --validation, a part of the training "
    "rows is kept aside to stop by.",
)
@click.option("--plots/--no-plots", default=True, help="Draw importance and learning curve beside the model.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option(
    "--parameters",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=lambda *a: _list(*a),
    help="List the training parameters, and end.",
)
@clean_errors
def train(
    data: Path,
    target: str,
    task: str,
    objective: str | None,
    rounds: int,
    params: tuple[str, ...],
    categorical: tuple[str, ...],
    ignore: tuple[str, ...],
    weight: str | None,
    coverage: float | None,
    model: Path,
    test_size: float,
    validation: Path | None,
    early_stopping: int | None,
    plots: bool,
    seed: int,
) -> None:
    """Train boosted trees on a CSV, Parquet or Arrow file.

    The model is trained on the rows that are not held out; Ctrl-C ends the training and keeps the rounds so
    far.
    """
    import numpy as np

    from boost.tables.file import check_extension, read_table
    from boost.tables.model import TableModel
    from boost.tables.rounds import RoundLine
    from boost.tables.table import share_out, take_target

    check_extension(model, MODELS)
    given = dict(map(_param, params))
    if objective is not None:
        given["objective"] = objective
    if task == "auto" and (coverage is not None or "objective" in given):
        of_classes = str(given.get("objective", "")).startswith(("binary:", "multi:"))
        task = "classification" if of_classes else "regression"
    dropped = [*ignore, *([weight] if weight else [])]
    frame = _prepared(read_table(data), categorical, dropped, target)
    features, wanted = take_target(frame.drop(columns=dropped), target, task)
    weights = None if weight is None else frame[weight].to_numpy(np.float32)
    TableModel.settings(wanted, coverage=coverage, seed=seed, **given)  # refuses before any work
    stopping = bool(early_stopping) and validation is None
    parts = share_out(
        wanted,
        test_size,
        stopping=stopping,
        calibrating=coverage is not None,
        rng=np.random.default_rng(seed),
    )
    rows, held = parts.train, parts.held
    watch = parts.watched if stopping else held
    watched = (features.iloc[watch], wanted.take(watch)) if len(watch) else None
    if validation is not None:
        other = _prepared(read_table(validation), categorical, [], target)
        missing = [str(c) for c in features.columns if c not in other.columns]
        if missing:
            raise ValueError(f"{validation}: the columns {', '.join(missing)} are missing")
        watched = other[features.columns], wanted.of(other)
    console = new_console(stderr=True)
    with RoundLine(console, rounds) as line:
        trained = TableModel.train(
            features.iloc[rows],
            wanted.take(rows),
            rounds=rounds,
            seed=seed,
            coverage=coverage,
            watched=watched,
            early_stopping=early_stopping,
            weight=None if weights is None else weights[rows],
            callbacks=[line],
            **given,
        )
    if coverage is not None:
        trained.calibrate(features.iloc[parts.aside], wanted.take(parts.aside), coverage)
    classes = f" of {len(wanted.classes)} classes" if wanted.classes else ""
    click.echo(f"{wanted.task}{classes} of {target!r}: {len(rows)} rows, {features.shape[1]} columns")
    _tell_rounds(trained, line, early_stopping)
    if len(held):
        metrics = trained.evaluate(features.iloc[held], wanted.labels[held])
        told = ", ".join(f"{name} {value:.4f}" for name, value in metrics.items())
        click.echo(f"{len(held)} held-out rows: {told}")
    trained.save(model)
    click.echo(f"model: {model}")
    if plots:
        from boost.tables.explanation import training_plots

        _draw(training_plots(trained, model))
    if line.interrupted:
        sys.exit(INTERRUPTED)


def _tell_rounds(trained: Any, line: Any, early_stopping: int | None) -> None:
    rounds = trained.booster.num_boosted_rounds()
    if line.interrupted:
        click.echo(f"interrupted: the {rounds} rounds so far are kept")
    elif early_stopping and trained.booster.best_iteration is not None:
        click.echo(f"{rounds} rounds, of which the last is the best")


def _draw(plots: dict[Path, Any]) -> None:
    """Write plots; a machine without Matplotlib still has its model."""
    from boost.tables.explanation import write_plots
    from boost.tables.file import TableError

    try:
        written = write_plots(plots)
    except TableError as error:
        click.echo(f"no plots: {error}", err=True)
        return
    if written:
        click.echo(f"plots: {', '.join(map(str, written))}")


def _param(text: str) -> tuple[str, Any]:
    """A parameter as its name and value; what is no JSON is text."""
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise ValueError(f"--param must be NAME=VALUE, such as max_depth=6, not {text!r}")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def _prepared(
    frame: pd.DataFrame, categorical: Sequence[str], dropped: Sequence[str], target: str
) -> pd.DataFrame:
    """The table with numbers marked as categories; every column that is named must be there."""
    from compiler.suggest import unknown

    columns = list(map(str, frame.columns))
    for name in (*categorical, *dropped):
        if name not in columns:
            raise ValueError(unknown("column", name, columns))
        if name == target:
            raise ValueError(f"{name!r} is the target")
    return frame.astype({name: "category" for name in categorical})


def _list(context: click.Context, option: click.Parameter, asked: bool) -> None:
    if asked and not context.resilient_parsing:
        from boost.params import describe

        click.echo(describe())
        context.exit()


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("data", type=click.Path(path_type=Path))
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    default=Path("predictions.csv"),
    show_default=True,
    help="Where the predictions go: CSV, Parquet or Arrow.",
)
@click.option(
    "--uncertainty", is_flag=True, help="Add how sure the model is: variances of knowledge and of data."
)
@clean_errors
def predict(model: Path, data: Path, output: Path, uncertainty: bool) -> None:
    """Predict for the rows of a CSV, Parquet or Arrow file with a saved model."""
    from boost.tables.file import check_extension, write_table

    check_extension(output)
    trained, used = _open(model, data)
    write_table(output, trained.predict(used, uncertainty=uncertainty))
    click.echo(f"{len(used)} predictions: {output}")


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("data", type=click.Path(path_type=Path))
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    default=Path("contributions.csv"),
    show_default=True,
    help="Where the contributions go: CSV, Parquet or Arrow; the plots go beside it.",
)
@click.option("--rows", type=click.IntRange(min=1), help="Explain only the first rows.")
@click.option(
    "--row", type=click.IntRange(min=0), help="Draw the steps to the prediction of this row, from 0 on."
)
@click.option("--plots/--no-plots", default=True, help="Draw the contributions beside the table.")
@clean_errors
def explain(model: Path, data: Path, output: Path, rows: int | None, row: int | None, plots: bool) -> None:
    """Say what each feature adds to the predictions for a CSV, Parquet or Arrow file.

    The contributions to the margin are exact Shapley values; with the base they sum up to the margin.
    """
    from boost.tables.explanation import contributions, plot_files
    from boost.tables.file import check_extension, write_table

    check_extension(output)
    trained, used = _open(model, data)
    used = used.iloc[:rows]
    drawn = plot_files(trained, used, output, row)
    table = contributions(trained, used)
    write_table(output, table)
    click.echo(f"{len(used)} rows explained: {output}")
    names = [c for c in table.columns if c not in ("row", "output", "(base)", "(margin)")]
    mean = table[names].abs().mean().sort_values(ascending=False)
    click.echo("add most: " + ", ".join(f"{name} {value:.4g}" for name, value in mean.head(5).items()))
    if plots:
        _draw(drawn)


def _open(model: Path, data: Path) -> tuple[Any, pd.DataFrame]:
    """The model, and the columns of the file that it uses."""
    from boost.tables.file import read_table
    from boost.tables.model import TableModel

    trained = TableModel.load(model)
    frame = read_table(data)
    used = trained.columns_of(frame)
    unused = [str(c) for c in frame.columns if c not in used.columns and c != trained.target]
    if unused:
        click.echo(f"columns that the model does not use: {', '.join(unused)}", err=True)
    return trained, used
