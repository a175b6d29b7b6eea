"""The commands that search for fast programs: of one operator, of many, and the demonstration."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from costmodel.cli.errors import INTERRUPTED, clean_errors
from costmodel.cli.terminal import new_console

if TYPE_CHECKING:
    from rich.console import Console

    from costmodel.measure.measurer import Measurer
    from costmodel.task import Task
    from costmodel.tuning.result import TuneResult


@click.command()
@click.option(
    "--trials",
    type=click.IntRange(min=1),
    default=128,
    show_default=True,
    help="Number of trials of each search.",
)
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("espalier-demo"),
    show_default=True,
    help="Folder for records, curves and summary.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@clean_errors
def demo(trials: int, output: Path, seed: int) -> None:
    """Train on two tables and tune two programs on this CPU."""
    from costmodel.demo import run_demo

    if not run_demo(output, trials=trials, seed=seed, console=new_console()):
        sys.exit(INTERRUPTED)


def _search_options(command: Any) -> Any:
    """Add the options that a search for one task and for many have in common."""
    for option in reversed(
        (
            click.option("--target", default="llvm", show_default=True, help="What to compile for."),
            click.option("--seconds", type=float, help="Time budget; the trial in flight is completed."),
            click.option("--minutes", type=float, help="The same, in minutes."),
            click.option(
                "--patience",
                type=click.IntRange(min=1),
                metavar="TRIALS",
                help="Stop after so many trials of a task without an improvement of more than 1 %.",
            ),
            click.option(
                "--explorer",
                default="model",
                show_default=True,
                help="model, genetic or irreversible (by a learned model), random or grid.",
            ),
            click.option(
                "--warm",
                type=click.Path(path_type=Path),
                multiple=True,
                metavar="FILE",
                help="Records of other tasks or machines, or a model, to begin with; may be repeated.",
            ),
            click.option(
                "--shipped/--no-shipped",
                default=True,
                show_default=True,
                help="Begin with the model that comes with the package.",
            ),
            click.option(
                "--records",
                type=click.Path(dir_okay=False, path_type=Path),
                default=Path("espalier-records.jsonl"),
                show_default=True,
                help="The file of the measurements; a later run continues from it.",
            ),
            click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True),
            click.option(
                "--timeout", type=float, default=10.0, show_default=True, help="Seconds to build or to run."
            ),
        )
    ):
        command = option(command)
    return command


@click.command()
@click.argument("operator")
@click.option(
    "--shape",
    multiple=True,
    help="Values in order or by name, as in 1,64,56,56,64,3,pad=1; of a model NAME=1x3x224x224 for each "
    "input with open dimensions.",
)
@click.option(
    "--value",
    "values",
    multiple=True,
    metavar="NAME=FILE.npy",
    help="Of a model: the value of an input on which shapes depend.",
)
@click.option(
    "--level",
    type=click.IntRange(0, 3),
    default=3,
    show_default=True,
    help="Of a model: how far it is optimised.",
)
@click.option(
    "--trials",
    type=click.IntRange(min=1),
    help="Trials, those of the records included.  [default: 128, of a model 64 for each task, or no limit "
    "with --seconds]",
)
@_search_options
@clean_errors
def tune(
    operator: str,
    shape: tuple[str, ...],
    values: tuple[str, ...],
    level: int,
    trials: int | None,
    **options: Any,
) -> None:
    """Search for a fast program of an operator, or of all operators of a model, on this machine.

    OPERATOR is the name of a built-in operator, or FILE.py:NAME, a template of your own that the file
    registers with costmodel.register; or MODEL.onnx, whose operators share one budget.
    """
    given = _SearchOptions(**options)
    given.check()
    if operator.endswith(".onnx"):
        _tune_model(Path(operator), shape, values, level, trials, given)
    else:
        _tune_operator(operator, shape, trials, given)


def _tune_model(
    model: Path,
    shapes: tuple[str, ...],
    values: tuple[str, ...],
    level: int,
    trials: int | None,
    given: _SearchOptions,
) -> None:
    """Search for fast programs of a model's operators, and print how to compile it with them."""
    from shlex import join

    from costmodel.cli.network import model_tasks

    tasks = model_tasks(model, shapes, values, given.target, level)
    _tune_tasks(list(tasks), list(tasks.values()), trials, None, given)
    command = ["espalier", "compile", str(model), "--records", str(given.records)]
    for name, texts in (("--shape", shapes), ("--value", values)):
        command += [word for text in texts for word in (name, text)]
    command += ["--level", str(level)] if level != 3 else []
    command += ["--target", given.target] if given.target != "llvm" else []
    new_console().print(f"to use them: {join(command)}", highlight=False, markup=False, soft_wrap=True)


def _tune_operator(operator: str, shape: tuple[str, ...], trials: int | None, given: _SearchOptions) -> None:
    """Search for a fast program of an operator."""
    from costmodel.cli.operator import make_task
    from costmodel.report import LiveView, finals_table
    from costmodel.tune import tune as search

    if len(shape) != 1:
        raise ValueError(
            f"--shape is given {len(shape)} times; an operator has one, as in --shape 1,64,56,56"
        )
    task = make_task(operator, shape[0], given.target)
    console = new_console()
    with given.measurer() as measurer:
        head = f"{task.key} on {measurer.machine}: {task.space.size} configurations"
        console.print(head, highlight=False, soft_wrap=True)
        with LiveView(console, context=measurer.context) as line:
            result = search(
                task,
                trials or (None if given.budget else 128),
                **given.arguments(),
                measurer=measurer,
                callback=line,
            )
        _print_outcome([result], result.seconds, result.stopped, console)
        _end_if_interrupted(result.interrupted, given.records, console)
    if result.best is None:
        last = result.records[-1]
        raise ValueError(f"every trial failed; the last one: {last.reason}: {last.message}")
    if result.finals is not None:
        console.print(finals_table([result.finals]))
    _print_failed_default(task, result, console)
    console.print(str(result.best_config), highlight=False, soft_wrap=True)
    console.print(f"records: {given.records}", highlight=False, soft_wrap=True)


@click.command("tune-all")
@click.argument("tasks", type=click.Path(path_type=Path))
@click.option(
    "--trials",
    type=click.IntRange(min=1),
    help="Trials of all tasks, those of the records included.  "
    "[default: 64 for each task, or no limit with --seconds]",
)
@click.option(
    "--total-patience",
    type=click.IntRange(min=1),
    metavar="TRIALS",
    help="Stop after so many trials without an improvement of the total by more than 1 %.",
)
@_search_options
@clean_errors
def tune_all(tasks: Path, trials: int | None, total_patience: int | None, **options: Any) -> None:
    """Search for fast programs of many operators, such as the layers of a network, within one budget.

    TASKS is a file with a task in each line: the operator, its shape as in `tune`, and how often it occurs,
    as in "conv2d 1,64,56,56,64,3,pad=1 x4". The trials go where they are expected to save most of the total
    time.
    """
    from costmodel.cli.operator import read_tasks

    given = _SearchOptions(**options)
    given.check()
    if not tasks.is_file():
        raise ValueError(f"{tasks}: no such file")
    _tune_tasks(*read_tasks(tasks, given.target), trials, total_patience, given)


def _tune_tasks(
    tasks: list[Task], weights: list[float], trials: int | None, patience: int | None, given: _SearchOptions
) -> None:
    """Search for fast programs of tasks within one budget, and print what was found."""
    from statistics import median

    from costmodel.budget import tune_all as search
    from costmodel.measure.finals import DEFAULT
    from costmodel.report import TotalView, totals_table

    console = new_console()
    with given.measurer() as measurer:
        console.print(f"{len(tasks)} tasks on {measurer.machine}", highlight=False, soft_wrap=True)
        with TotalView(console, context=measurer.context) as line:
            result = search(
                tasks,
                weights,
                trials=trials,
                total_patience=patience,
                **given.arguments(),
                measurer=measurer,
                callback=line,
            )
        _print_outcome(result.results, result.seconds, result.stopped, console)
        _end_if_interrupted(result.interrupted, given.records, console)
        for key, message in result.errors.items():
            click.echo(f"{key}: {message}", err=True)
    costs = {
        one.task.key: (median(one.finals[DEFAULT].costs), median(one.finals[one.finals.winner].costs))
        for one in result.results
        if one.finals is not None and DEFAULT in one.finals.configs
    }
    console.print(totals_table(result, costs))
    for one in result.results:
        _print_failed_default(one.task, one, console)
    console.print(f"records: {given.records}", highlight=False, soft_wrap=True)


@dataclass(frozen=True, kw_only=True)
class _SearchOptions:
    """The options of `_search_options`, as the command line gives them."""

    target: str
    seconds: float | None
    minutes: float | None
    patience: int | None
    explorer: str
    warm: tuple[Path, ...]
    shipped: bool
    records: Path
    seed: int
    timeout: float

    def check(self) -> None:
        """Raise ValueError, before anything is loaded, for what a search would refuse."""
        from compiler.suggest import unknown
        from costmodel.tune import EXPLORERS

        if self.seconds is not None and self.minutes is not None:
            raise ValueError("--seconds and --minutes are both given: the budget is one of them")
        if self.explorer not in EXPLORERS:
            raise ValueError(unknown("explorer", self.explorer, EXPLORERS))
        if not self.records.parent.is_dir():
            raise ValueError(f"{self.records}: there is no folder {self.records.parent}")
        for file in self.warm:
            if not file.is_file():
                raise ValueError(f"{file}: no such file")

    @property
    def budget(self) -> float | None:
        """The time budget in seconds."""
        return self.seconds if self.minutes is None else 60.0 * self.minutes

    def measurer(self) -> Measurer:
        """Return a measurer with the time limits."""
        from costmodel.measure.measurer import Measurer

        return Measurer(build_timeout=self.timeout, run_timeout=self.timeout)

    def arguments(self) -> dict[str, Any]:
        """Return the arguments of `costmodel.tune` and `costmodel.tune_all`."""
        return {
            "explorer": self.explorer,
            "warm": self.warm or None,
            "shipped": self.shipped,
            "records": self.records,
            "seed": self.seed,
            "patience": self.patience,
            "seconds": self.budget,
        }


# what ended a search other than the number of its trials
STOPPED = {
    "patience": "stopped without an improvement",
    "seconds": "stopped at the end of the time",
    "failures": "stopped: the last candidates all failed in the same way",
    "tasks": "stopped: no task is left",
}


def _print_outcome(results: list[TuneResult], seconds: float, stopped: str, console: Console) -> None:
    """Print how many trials there were, what failed and what is set aside, in a line each."""
    from collections import Counter

    from costmodel.records import set_aside
    from costmodel.report import failure_counts

    resumed = sum(r.resumed for r in results)
    here = sum(len(r.records) for r in results) - resumed
    text = f"{resumed} trials from the records, {here} measured in {seconds:.1f} s"
    if here:
        text += f" ({seconds / here * 1e3:.0f} ms a trial)"
    failures: Counter[str] = Counter()
    aside: Counter[str] = Counter()
    for result in results:
        failures.update(result.failures)
        aside.update(result.set_aside)
    text += f"; failed {failure_counts(dict(failures.most_common()))}"
    if stopped in STOPPED:
        text += f"; {STOPPED[stopped]}"
    console.print(text, highlight=False, soft_wrap=True)
    if aside:
        console.print(f"records set aside: {set_aside(aside)}", highlight=False, soft_wrap=True)


def _print_failed_default(task: Task, result: TuneResult, console: Console) -> None:
    """Print why nothing is compared with the default, where that is so."""
    default = task.space.default.plain()
    failed = next((r for r in result.records if not r.ok and r.config == default), None)
    if failed is not None and result.best is not None:
        text = f"{task.call}: the default schedule has no time, since it failed: "
        console.print(
            f"{text}{failed.reason}: {failed.message}", highlight=False, markup=False, soft_wrap=True
        )


def _end_if_interrupted(interrupted: bool, records: Path, console: Console) -> None:
    if interrupted:
        console.print(f"interrupted: what was measured is in {records}", highlight=False, soft_wrap=True)
        sys.exit(INTERRUPTED)
