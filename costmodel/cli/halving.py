"""The command that searches for better parameters of a model of a table."""

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
from costmodel.cli.table import TableOptions, described, figure, score_table, table_options
from costmodel.cli.terminal import new_console
from costmodel.cli.train import DEFAULT_TEST_SIZE, MODELS

if TYPE_CHECKING:
    from rich.console import Console

    from boost.halving.record import Record
    from boost.halving.search import Result
    from boost.tables.examples import Examples
    from boost.tables.model import TableModel


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
        click.echo(f"{records}: {len(halving.records)} evaluations are there already", err=True)
    if halving.records.others:
        click.echo(
            f"{records}: {halving.records.others} evaluations of other searches are left as they are",
            err=True,
        )
    metric = halving.metric
    with SearchProgress(new_console(stderr=True), trials, metric) as progress:
        found = halving.run(progress)
    best = TableModel.train(
        train, {**params, **found.params}, preset=given.preset, rounds=found.rounds, dates=review.dates
    )
    _report(given, examples, split, (found, metric), best)
    best.save(model)
    click.echo(f"model: {model}")
    click.echo("the command that trains it again:")
    click.echo("  " + _command(given, found, test_size, model))
    if progress.interrupted:
        sys.exit(INTERRUPTED)


def _report(
    given: TableOptions, examples: Examples, split: Any, found: tuple[Result, str], best: TableModel
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
    constant = best.constant()
    if given.coverage is not None:
        aside = examples.take(split.calibration)
        best.calibrate(aside, given.coverage)
        constant.calibrate(aside, given.coverage)
    if len(split.test):
        held = examples.take(split.test)
        rows = {"best model": best.evaluate(held), "constant prediction": constant.evaluate(held)}
        new_console().print(score_table(f"{len(held):,} rows held out to test:", rows))


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
