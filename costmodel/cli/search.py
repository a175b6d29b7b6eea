"""The commands that search for fast programs: tune an operator; the demonstration."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from costmodel.cli.errors import INTERRUPTED, clean_errors
from costmodel.cli.terminal import new_console


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


def _shape(operator: str, text: str) -> tuple[Any, ...]:
    """Return the parameters of an operator from their text, such as ``1,64,56,56,64,3,pad=1x2``.

    Raises
    ------
    ValueError
        For a value without a name after one with a name; and for values that `Operator.shape` refuses.
    """
    from costmodel.registry import operator as find

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
            raise ValueError(f"--shape: {part!r} follows a value with a name, so it needs a name, too")
        else:
            values.append(plain)
    return find(operator).shape(*values, **named)


@click.command()
@click.argument("operator")
@click.option("--shape", required=True, help="Values in order or by name, as in 1,64,56,56,64,3,pad=1.")
@click.option("--target", default="llvm", show_default=True, help="What to compile for.")
@click.option("--trials", type=click.IntRange(min=1), default=128, show_default=True)
@click.option(
    "--explorer",
    default="model",
    show_default=True,
    help="model, genetic or irreversible (by a learned model), random or grid.",
)
@click.option(
    "--records",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("espalier-records.jsonl"),
    show_default=True,
    help="The file of the measurements; a later run continues from it.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option("--timeout", type=float, default=10.0, show_default=True, help="Seconds to build or to run.")
@clean_errors
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
    from costmodel.measure.finals import run_finals
    from costmodel.measure.measurer import Measurer
    from costmodel.report import LiveLine, failure_counts, finals_table
    from costmodel.task import Task
    from costmodel.tune import EXPLORERS
    from costmodel.tune import tune as search

    if explorer not in EXPLORERS:
        raise ValueError(unknown("explorer", explorer, EXPLORERS))
    task = Task(operator, _shape(operator, shape), target)
    _ = task.space  # raises for a shape that the template refuses
    if not records.parent.is_dir():
        raise ValueError(f"{records}: there is no folder {records.parent}")
    console = new_console()
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
        trials_text = f"{result.resumed} trials from the records, {here} measured in {result.seconds:.1f} s"
        if here:
            trials_text += f" ({result.seconds_per_trial() * 1e3:.0f} ms a trial)"
        console.print(
            f"{trials_text}; failed {failure_counts(result.failures)}", highlight=False, soft_wrap=True
        )
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
