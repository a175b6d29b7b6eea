"""The command `espalier`."""

from __future__ import annotations

import functools
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

# the shell's number for a command that Ctrl-C ended
INTERRUPTED = 130


class InputError(click.ClickException):
    """Wrong input: one line, and the exit status of wrong usage."""

    exit_code = 2


def _clean_errors(command: F) -> F:
    """Errors that say what is wrong with the input become one line instead of a traceback."""

    @functools.wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        with warnings.catch_warnings():
            # each broken line of a record file is told, the second as well as the first
            warnings.filterwarnings("always", category=UserWarning, module="costmodel")
            warnings.showwarning = _show_warning
            try:
                return command(*args, **kwargs)
            except KeyboardInterrupt:  # outside a search, which keeps its own trials
                click.echo("interrupted", err=True)
                sys.exit(INTERRUPTED)
            except (ValueError, OSError) as error:
                lines = str(error).strip().splitlines() or [type(error).__name__]
                raise InputError(" ".join(line.strip() for line in lines)) from error

    return wrapped  # type: ignore[return-value]


def _show_warning(message: Warning | str, *rest: Any, **more: Any) -> None:
    click.echo(f"warning: {message}", err=True)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="espalier", prog_name="espalier")
def main() -> None:
    """Boosted trees for tables, and fast programs found with them."""


@main.command()
@click.option("--trials", type=click.IntRange(min=1), default=128, show_default=True, help="Of each search.")
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("espalier-demo"),
    show_default=True,
    help="Folder for records, curves and summary.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@_clean_errors
def demo(trials: int, output: Path, seed: int) -> None:
    """Train on two tables and tune two programs on this CPU."""
    from costmodel.demo import run_demo

    if not run_demo(output, trials=trials, seed=seed, console=_console()):
        sys.exit(INTERRUPTED)


@main.command()
@click.argument("data", type=click.Path(path_type=Path))
@click.option("--target", required=True, help="The column to learn.")
@click.option(
    "--task",
    type=click.Choice(["auto", "regression", "classification"]),
    default="auto",
    show_default=True,
)
@click.option("--rounds", type=click.IntRange(min=1), default=200, show_default=True, help="Boosting rounds.")
@click.option(
    "--model",
    type=click.Path(path_type=Path),
    default=Path("model.json"),
    show_default=True,
    help="Where the model goes.",
)
@click.option("--test-size", type=float, default=0.2, show_default=True, help="Share of rows held out.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@_clean_errors
def train(data: Path, target: str, task: str, rounds: int, model: Path, test_size: float, seed: int) -> None:
    """Train boosted trees on a CSV or Parquet file.

    The model is trained on the rows that are not held out, and saved as JSON.
    """
    import numpy as np

    from costmodel.table import TableModel, check_extension, hold_out, read_table, take_target

    check_extension(model, (".json",))
    features, wanted = take_target(read_table(data), target, task)
    rows, held = hold_out(wanted, test_size, np.random.default_rng(seed))
    part = type(wanted)(wanted.name, wanted.task, wanted.classes, wanted.labels[rows])
    trained = TableModel.train(features.iloc[rows], part, rounds=rounds, seed=seed)
    classes = f" of {len(wanted.classes)} classes" if wanted.classes else ""
    click.echo(f"{wanted.task}{classes} of {target!r}: {len(rows)} rows, {features.shape[1]} columns")
    if len(held):
        metrics = trained.evaluate(features.iloc[held], wanted.labels[held])
        told = ", ".join(f"{name} {value:.4f}" for name, value in metrics.items())
        click.echo(f"{len(held)} held-out rows: {told}")
    trained.save(model)
    click.echo(f"model: {model}")


@main.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("data", type=click.Path(path_type=Path))
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    default=Path("predictions.csv"),
    show_default=True,
    help="Where the predictions go, CSV or Parquet.",
)
@_clean_errors
def predict(model: Path, data: Path, output: Path) -> None:
    """Predict for the rows of a CSV or Parquet file with a saved model."""
    from costmodel.table import TableModel, check_extension, read_table, write_table

    check_extension(output)
    trained = TableModel.load(model)
    frame = read_table(data)
    used = trained.columns_of(frame)
    unused = [str(c) for c in frame.columns if c not in used.columns and c != trained.target]
    if unused:
        click.echo(f"columns that the model does not use: {', '.join(unused)}", err=True)
    write_table(output, trained.predict(used))
    click.echo(f"{len(frame)} predictions: {output}")


def _shape(operator: str, text: str) -> tuple[Any, ...]:
    """The values of an operator as a command line spells them: ``1,64,56,56,64,3,pad=1x2``, say."""
    from costmodel.task import operator as find

    if "," not in text and "=" not in text:
        text = text.replace("x", ",")
    values: list[Any] = []
    named: dict[str, Any] = {}
    for part in text.split(","):
        name, equals, value = part.rpartition("=")
        digits = value.split("x")
        plain: Any = value.strip()
        if all(d.strip().isdigit() for d in digits):
            plain = int(value) if len(digits) == 1 else tuple(int(d) for d in digits)
        if equals:
            named[name.strip()] = plain
        elif named:
            raise ValueError(f"--shape: {part!r} follows a value with a name, so it needs one too")
        else:
            values.append(plain)
    return find(operator).shape(*values, **named)


@main.command()
@click.argument("operator")
@click.option("--shape", required=True, help="Values in order or by name, as in 1,64,56,56,64,3,pad=1.")
@click.option("--target", default="llvm", show_default=True, help="What to compile for.")
@click.option("--trials", type=click.IntRange(min=1), default=128, show_default=True)
@click.option("--explorer", default="model", show_default=True, help="model or random")
@click.option(
    "--records",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("espalier-records.jsonl"),
    show_default=True,
    help="Where measurements are kept; a run goes on from them.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option("--timeout", type=float, default=10.0, show_default=True, help="Seconds to build or to run.")
@_clean_errors
def tune(
    operator: str,
    shape: str,
    target: str,
    trials: int,
    explorer: str,
    records: Path,
    seed: int,
    timeout: float,
) -> None:
    """Search for a fast program of an operator on this machine."""
    from compiler.suggest import unknown
    from costmodel.finals import run_finals
    from costmodel.measure import Measurer
    from costmodel.report import LiveLine, failure_counts, finals_table
    from costmodel.task import Task
    from costmodel.tune import EXPLORERS
    from costmodel.tune import tune as search

    if explorer not in EXPLORERS:
        raise ValueError(unknown("explorer", explorer, EXPLORERS))
    task = Task(operator, _shape(operator, shape), target)
    _ = task.space  # a shape that the template refuses ends here
    if not records.parent.is_dir():
        raise ValueError(f"{records}: there is no folder {records.parent}")
    console = _console()
    with Measurer(build_timeout=timeout, run_timeout=timeout) as measurer:
        console.print(f"{task.key} on {measurer.machine}: {task.space.size} configurations", highlight=False)
        with LiveLine(console) as line:
            result = search(
                task,
                trials,
                explorer=explorer,
                records=records,
                measurer=measurer,
                seed=seed,
                callback=line,
            )
        here = len(result.records) - result.resumed
        told = f"{result.resumed} trials from the records, {here} measured in {result.seconds:.1f} s"
        if here:
            told += f" ({result.seconds_per_trial() * 1e3:.0f} ms a trial)"
        console.print(f"{told}; failed {failure_counts(result.failures)}", highlight=False, soft_wrap=True)
        if result.interrupted:
            console.print(f"interrupted: what was measured is in {records}", highlight=False, soft_wrap=True)
            sys.exit(INTERRUPTED)
        if result.best is None:
            last = result.records[-1]
            raise ValueError(f"every trial failed; the last one: {last.reason}: {last.message}")
        finals = run_finals(task, {f"best of {len(result.records)} trials": result.records}, measurer)
        console.print(finals_table([finals]))
    best = task.space.config(result.best.config)
    console.print(str(best), highlight=False, soft_wrap=True)
    console.print(f"records: {records}", highlight=False, soft_wrap=True)


@main.command()
@click.argument("records", type=click.Path(path_type=Path))
@click.option("--program", is_flag=True, help="Print the loop nest and the assembly of each task's best.")
@click.option("--top", type=click.IntRange(min=1), default=5, show_default=True, help="Records of each task.")
@_clean_errors
def show(records: Path, program: bool, top: int) -> None:
    """Print the best records of a file."""
    from costmodel import records as record_file

    if not records.is_file():
        raise ValueError(f"{records}: no such file")
    if records.stat().st_size == 0:
        raise ValueError(f"{records}: the file is empty")
    found = record_file.load(records)
    if not found:
        raise ValueError(f"{records}: no line of the file is a record")
    console = _console()
    for key in dict.fromkeys(r.task for r in found):
        _show_task(key, [r for r in found if r.task == key], top, program, console)


def _show_task(key: str, found: list[Any], top: int, program: bool, console: Any) -> None:
    from collections import Counter

    from rich.table import Table

    import compiler
    from costmodel.records import best
    from costmodel.report import failure_counts
    from costmodel.space import Config
    from costmodel.task import Task

    failures = dict(Counter(r.reason for r in found if not r.ok).most_common())
    console.print(f"{key}: {len(found)} records, failed {failure_counts(failures)}", highlight=False)
    task: Task | None = None
    try:
        task = Task(found[0].operator, found[0].shape, found[0].target)
    except ValueError as error:  # an operator that only its maker's program knows
        click.echo(f"no program can be built for it here: {error}", err=True)
    table = Table()
    columns = ("GFLOP/s", "ms", "trial", "source", "CPU", "configuration")
    for column in columns:
        table.add_column(column, justify="right" if column in columns[:3] else "left", overflow="fold")
    winners = best(found, key, top)
    for record in winners:
        speed = f"{task.gflops(record.cost):.1f}" if task else "-"
        shown = ", ".join(f"{name} {value}" for name, value in record.config.items())
        table.add_row(speed, f"{record.cost * 1e3:.4f}", str(record.trial), record.source, record.cpu, shown)
    console.print(table)
    if program and task and winners:
        config: Config = task.config(winners[0].config)
        schedule, args = task.instantiate(config)
        click.echo(f"# {key}\n# {config}\n")
        click.echo(str(compiler.loop_nest(schedule, args)))
        click.echo("\n# assembly\n")
        constants = [t for t in args if t.name in task.operator.constants]
        click.echo(compiler.build(schedule, args, target=task.target, constants=constants).source("asm"))


def _console() -> Any:
    from rich.console import Console

    return Console()
