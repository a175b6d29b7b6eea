"""The command that shows a file: a model or the records of a search."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from costmodel.cli.errors import clean_errors
from costmodel.cli.terminal import new_console

# Bytes at the beginning of a file by which a model is distinguished from records.
HEAD = 1 << 16


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--top",
    type=click.IntRange(min=1),
    default=5,
    show_default=True,
    help="How many features or records to list.",
)
@click.option(
    "--tree", type=click.IntRange(min=0), default=0, show_default=True, help="The tree of a model to print."
)
@click.option("--drawing", type=click.Path(path_type=Path), help="Draw that tree into this SVG file.")
@click.option(
    "--program", is_flag=True, help="Print the loop nest and the assembly of the best record of each task."
)
@clean_errors
def show(file: Path, top: int, tree: int, drawing: Path | None, program: bool) -> None:
    """Show a model file, or the records of a search.

    Of a model: a summary, the importance of its features, and one of its trees. Of records: the best ones of
    each task.
    """
    if not file.is_file():
        raise ValueError(f"{file}: no such file")
    if file.stat().st_size == 0:
        raise ValueError(f"{file}: the file is empty")
    console = new_console()
    if is_model(file):
        from boost.tables.report import show_model

        if program:
            raise ValueError(f"{file} is a model: --program is for records")
        show_model(file, console, top=top, tree=tree, drawing=drawing)
        return
    if drawing is not None:
        raise ValueError(f"{file} is not a model: --drawing is for the trees of a model")
    from costmodel import records as record_file

    records = record_file.load(file)
    if not records:
        raise ValueError(f"{file}: it is not a model, and no line of it is a record")
    for key in dict.fromkeys(r.task for r in records):
        _show_task(key, [r for r in records if r.task == key], top, program, console)


def is_model(path: Path) -> bool:
    """Whether a file is a model by its content: XGBoost's JSON or UBJSON, or LightGBM's text."""
    with path.open("rb") as stream:
        head = stream.read(HEAD)
    text = head.lstrip()
    if text.startswith((b"{L", b"tree\n", b"tree\r")):
        return True
    try:
        first = json.loads(text.split(b"\n", 1)[0])
    except ValueError:  # a JSON document of several lines, or longer than the head, is not a record
        return text.startswith(b"{") and b'"learner"' in text
    return isinstance(first, dict) and "learner" in first


def _show_task(key: str, records: list[Any], top: int, program: bool, console: Any) -> None:
    from collections import Counter

    from rich.table import Table

    import compiler
    from costmodel.records import best
    from costmodel.report import failure_counts
    from costmodel.space import Config
    from costmodel.task import Task

    failures = dict(Counter(r.reason for r in records if not r.ok).most_common())
    console.print(f"{key}: {len(records)} records, failed {failure_counts(failures)}", highlight=False)
    task: Task | None = None
    try:
        task = Task(records[0].operator, records[0].shape, records[0].target)
    except ValueError as error:  # an operator that is registered in another program
        click.echo(f"no program can be built for it here: {error}", err=True)
    table = Table()
    columns = ("GFLOP/s", "ms", "trial", "source", "CPU", "configuration")
    for column in columns:
        table.add_column(column, justify="right" if column in columns[:3] else "left", overflow="fold")
    winners = best(records, key, top)
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
