"""The commands that compare models of a table: cross-validation, and a search over parameters."""

from __future__ import annotations

import json
import shlex
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from costmodel.cli.errors import INTERRUPTED, clean_errors
from costmodel.cli.table import TableOptions, described, figure, print_scores, table_options
from costmodel.cli.terminal import new_console, note
from costmodel.cli.train import DEFAULT_TEST_SIZE, MODELS

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from boost.halving.record import Record
    from boost.halving.search import Result
    from boost.tables.crossval import FoldScores
    from boost.tables.examples import Examples
    from boost.tables.model import TableModel
    from boost.tables.split import RowSplit


@click.command()
@table_options
@click.option("--folds", type=click.IntRange(min=2), default=5, show_default=True)
@click.option(
    "--rounds", type=click.IntRange(min=1), help="Exactly so many rounds.  [default: found by early stopping]"
)
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    help="A file for the predictions of all rows, each by the model that was trained without its fold.",
)
@clean_errors
def cv(folds: int, rounds: int | None, output: Path | None, **options: Any) -> None:
    """Cross-validate: score each fold of a table by a model of the other rows.

    Each model is trained as `espalier train` does it. Classes, and observed events, have the same shares in
    all folds; the rows of a --group stay together. Prints the scores of the folds, their means with standard
    errors, and those of constant predictions. Ctrl-C ends after the fold that is trained.
    """
    from boost.tables.crossval import cross_validate
    from boost.tables.file import check_extension, write_table
    from boost.tables.model import TableModel
    from boost.tables.progress import TrainingProgress

    given = TableOptions.of(options)
    if output is not None:
        check_extension(output)
    examples, review = given.read()
    params = TableModel.training_params(
        examples.target, coverage=given.coverage, seed=given.seed, **given.parameters()
    )
    click.echo(described(examples, review.dates))
    with TrainingProgress(new_console(stderr=True), rounds) as progress:

        def after_fold(done: int) -> bool:
            progress.begin(f"fold {done + 1} of {folds}")
            return progress.interrupted

        progress.begin(f"fold 1 of {folds}")
        found = cross_validate(
            examples,
            params,
            folds=folds,
            seed=given.seed,
            settings={"preset": given.preset, "rounds": rounds, "dates": review.dates},
            coverage=given.coverage,
            observer=progress,
            after_fold=after_fold,
        )
    new_console().print(_fold_table(found))
    if progress.interrupted:
        click.echo(f"interrupted: {len(found.scores)} of {folds} folds", err=True)
    if output is not None and found.predictions is not None:
        write_table(output, found.predictions)
        click.echo(f"{len(found.predictions):,} predictions: {output}")
    if progress.interrupted:
        sys.exit(INTERRUPTED)


def _fold_table(found: FoldScores) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for name in ("fold", "rows", "rounds", *found.names):
        table.add_column(name, justify="left" if name == "fold" else "right")
    for k, scores in enumerate(found.scores):
        values = [figure(scores[name]) for name in found.names]
        table.add_row(str(k + 1), f"{found.rows[k]:,}", str(found.rounds[k]), *values)
    several = len(found.scores) > 1
    table.add_section()
    table.add_row("mean", "", "", *(figure(found.mean(name)) for name in found.names))
    if several:
        table.add_row("standard error", "", "", *(figure(found.error(name)) for name in found.names))
    table.add_row("constant prediction", "", "", *(figure(found.mean(name, True)) for name in found.names))
    return table


class SearchProgress:
    """Show the trials and the best score so far; the first Ctrl-C stops the search and keeps the best.

    Parameters
    ----------
    console : Console
    trials : int
    metric : str
    """

    def __init__(self, console: Console, trials: int, metric: str) -> None:
        self.console, self.trials, self.metric = console, trials, metric
        self.interrupted = False
        self._before: Any = None
        self._best: float | None = None
        self._rounds: dict[int, int] = {}

    def __enter__(self) -> SearchProgress:
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._on_interrupt)
        return self

    def __exit__(self, *exc: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

    def _on_interrupt(self, number: int, frame: Any) -> None:
        if self.interrupted:
            raise KeyboardInterrupt
        self.interrupted = True

    def stops(self) -> bool:
        """Return whether Ctrl-C was pressed."""
        return self.interrupted

    def after(self, record: Record, best: Record) -> None:
        """Print a line for an evaluation."""
        if self._rounds.get(record.trial) == record.rounds:
            return  # its score had stopped to improve before
        self._rounds[record.trial] = record.rounds
        mark = " best so far" if best == record and best.score != self._best else ""
        self._best = best.score
        self.console.print(
            f"trial {record.trial + 1:>3} of {self.trials}, {record.rounds:>4} rounds, "
            f"{record.seconds:5.1f} s: {self.metric} {figure(record.score)}{mark}",
            highlight=False,
            soft_wrap=True,
        )


@click.command("search")
@table_options
@click.option("--trials", type=click.IntRange(min=1), default=27, show_default=True)
@click.option("--seconds", type=click.FloatRange(min=0), help="Begin no evaluation after so long.")
@click.option(
    "--space",
    "spaces",
    multiple=True,
    metavar="NAME=LOW:HIGH[:log]",
    help="The values of a parameter, or NAME=A,B,...; may be repeated.",
)
@click.option(
    "--records",
    type=click.Path(path_type=Path),
    default=Path("search.jsonl"),
    show_default=True,
    help="Gets a line for each evaluation; a search that was interrupted goes on from it.",
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
    help="The file of the best model, .json or .ubj.",
)
@clean_errors
def search_parameters(
    trials: int,
    seconds: float | None,
    spaces: tuple[str, ...],
    records: Path,
    test_size: float,
    model: Path,
    **options: Any,
) -> None:
    """Search for the parameters with the best score on rows that are left out, and train with them.

    The first trial is what `espalier train` does. Trials are scored on training rows alone, most of them
    after few rounds (successive halving); rows held out to test score the best one in the end. Those given
    by --param stay as they are. Ctrl-C stops the search, and keeps the best of the trials so far.
    """
    from boost.tables.file import check_extension

    given = TableOptions.of(options)
    check_extension(model, MODELS)
    if not records.parent.is_dir():
        raise ValueError(f"{records}: there is no folder {records.parent}")
    _search(given, (trials, seconds, spaces, records), test_size, model)


def _search(
    given: TableOptions, how: tuple[int, float | None, tuple[str, ...], Path], test_size: float, model: Path
) -> None:
    import numpy as np

    from boost.halving import Search, make_space
    from boost.tables.model import TableModel, make_source
    from boost.tables.progress import TrainingProgress
    from boost.tables.split import split_rows

    trials, seconds, spaces, records = how
    examples, review = given.read()
    params = TableModel.training_params(
        examples.target, coverage=given.coverage, seed=given.seed, **given.parameters()
    )
    calibrating = given.coverage is not None
    rng = np.random.default_rng(given.seed)
    split = split_rows(examples, test_size, calibrating=calibrating, rng=rng)
    train = examples.take(split.train)
    click.echo(described(examples, review.dates))
    table = make_source(train, str(params["objective"]), review.dates).encoded(given.seed)[1]
    halving = Search(
        table,
        params,
        make_space(spaces, given.parameters()),
        preset=given.preset,
        trials=trials,
        seconds=seconds,
        records=records,
    )
    if len(halving.records):
        note(f"{records}: {len(halving.records)} evaluations are there already")
    if halving.records.others:
        click.echo(
            f"{records}: {halving.records.others} evaluations of other searches are left as they are",
            err=True,
        )
    metric = halving.metric
    with SearchProgress(new_console(stderr=True), trials, metric) as progress:
        found = halving.run(progress)
    settings: dict[str, Any] = {"preset": given.preset, "dates": review.dates}
    models: dict[str, TableModel] = {}
    with TrainingProgress(new_console(stderr=True), found.rounds) as final:
        settings["observer"] = final
        models["best model"] = TableModel.train(
            train, {**params, **found.params}, rounds=found.rounds, **settings
        )
        if found.params and len(split.test) and not final.interrupted:
            models["preset alone"] = TableModel.train(train, params, **settings)
    models["constant prediction"] = models["best model"].constant()
    _report(given, examples, split, (found, metric), models)
    models["best model"].save(model)
    click.echo(f"model: {model}")
    click.echo("the command that trains it again:")
    click.echo("  " + _command(given, found, test_size, model))
    if progress.interrupted or final.interrupted:
        sys.exit(INTERRUPTED)


def _report(
    given: TableOptions,
    examples: Examples,
    split: RowSplit,
    found: tuple[Result, str],
    models: dict[str, TableModel],
) -> None:
    """Print the best parameters, and the scores of the rows held out to test."""
    result, metric = found
    if result.interrupted:
        click.echo("stopped: the best of the trials so far is kept")
    click.echo(
        f"best of {result.trials} trials: {result.trial + 1}, {metric} {figure(result.score)} on rows that "
        f"were left out; the preset alone {figure(result.first)}"
    )
    for name, value in result.params.items():
        click.echo(f"  {name} = {value}")
    if given.coverage is not None:
        for model in models.values():
            model.calibrate(examples.take(split.calibration), given.coverage)
    if len(split.test):
        held = examples.take(split.test)
        scores = {name: model.evaluate(held) for name, model in models.items()}
        print_scores(f"{len(held):,} rows held out to test:", scores)


def _command(given: TableOptions, found: Result, test_size: float, model: Path) -> str:
    """Return the command that trains the best model again."""
    words = ["espalier", "train", *given.arguments()]
    for name, value in found.params.items():
        words += ["--param", f"{name}={value if isinstance(value, str) else json.dumps(value)}"]
    if found.rounds is not None:
        words += ["--rounds", str(found.rounds)]
    if test_size != DEFAULT_TEST_SIZE:
        words += ["--test-size", f"{test_size:g}"]
    return shlex.join([*words, "--model", str(model)])
