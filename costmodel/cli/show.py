"""The command that shows a model, the records of a search, or an operator."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from costmodel.cli.errors import clean_errors
from costmodel.cli.operator import make_task, split_file
from costmodel.cli.records import load_all, operators_option
from costmodel.cli.terminal import new_console

if TYPE_CHECKING:
    from costmodel.space import Config
    from costmodel.task import Task

# Bytes at the beginning of a file by which a model is distinguished from records.
HEAD = 1 << 16


@click.command()
@click.argument("file")
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
@click.option(
    "--depth",
    type=click.IntRange(min=0),
    help="The deepest level of that tree to print.  [default: as the screen has lines]",
)
@click.option("--drawing", type=click.Path(path_type=Path), help="Draw that tree into this SVG file.")
@click.option(
    "--program",
    is_flag=True,
    help="Print the loop nest and the assembly of the best record of each task, or of an operator's default.",
)
@click.option("--shape", help="Values of an operator, as in `tune`.")
@click.option("--target", default="llvm", show_default=True, help="What an operator is compiled for.")
@operators_option
@clean_errors
def show(file: str, operators: tuple[Path, ...], **options: Any) -> None:
    """Show a model file, the records of a search, or an operator.

    Of a model: a summary, the importance of its features, and one of its trees in words, as deep as the
    screen has lines. Of records: the best ones of each task. Of an operator, by its name or as FILE.py:NAME,
    with --shape: its knobs and its default.
    """
    given = _ShowOptions(**options)
    if given.shape is not None:
        _show_operator(file, given)
        return
    path = Path(file)
    if not path.is_file():
        hint = ": an operator needs --shape" if split_file(file)[0] or file.isidentifier() else ""
        raise ValueError(f"{file}: no such file{hint}")
    if path.stat().st_size == 0:
        raise ValueError(f"{file}: the file is empty")
    console = new_console()
    if _shows_compiled(path, console):
        return
    if is_model(path):
        from boost.tables.model import TableModel
        from boost.tables.report import show_model

        if given.program:
            raise ValueError(f"{file} is a model: --program is for records")
        model = TableModel.load(path)
        show_model(model, console, top=given.top, tree=given.tree, depth=given.depth, drawing=given.drawing)
        return
    if given.drawing is not None:
        raise ValueError(f"{file} is not a model: --drawing is for the trees of a model")
    from costmodel import records as record_file

    load_all(operators)
    records = record_file.load(path)
    if not records:
        raise ValueError(f"{file}: it is not a model, and no line of it is a record")
    for key in dict.fromkeys(r.task for r in records):
        _show_task(key, [r for r in records if r.task == key], given.top, given.program, console)


@dataclass(frozen=True, kw_only=True)
class _ShowOptions:
    """The options of `show`, as the command line gives them; see its help."""

    top: int
    tree: int
    depth: int | None
    drawing: Path | None
    program: bool
    shape: str | None
    target: str


def _show_operator(text: str, options: _ShowOptions) -> None:
    """Print the space of an operator, its default, and the default program."""
    from rich import box
    from rich.table import Table

    assert options.shape is not None
    task = make_task(text, options.shape, options.target)
    console = new_console()
    console.print(f"{task.key}: {task.space.size} configurations", highlight=False, soft_wrap=True)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("knob", overflow="fold")
    table.add_column("options", justify="right", no_wrap=True)
    table.add_column("default", overflow="fold")
    default = task.space.default.plain()
    for knob in task.space.knobs:
        table.add_row(knob.name, str(len(knob.options)), str(default[knob.name]))
    console.print(table)
    if options.program:
        _print_program(task, task.space.default)


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


def _shows_compiled(path: Path, console: Any) -> bool:
    """Print what a file of compiled trees says of its model; return whether it is one."""
    from costmodel.ensemble import is_compiled_ensemble

    if not is_compiled_ensemble(path):
        return False
    from boost.tables.report import print_summary
    from costmodel.ensemble.files import load_model

    console.print("compiled trees: machine code; the model file that they were made of shows them")
    print_summary(load_model(path), console, with_trees=False)
    return True


def _show_task(key: str, records: list[Any], top: int, program: bool, console: Any) -> None:
    from collections import Counter

    from rich.table import Table

    from costmodel.records import best
    from costmodel.report import failure_counts
    from costmodel.task import Task

    failures = dict(Counter(r.reason for r in records if not r.ok).most_common())
    trials = [r for r in records if not r.final]  # the others are winners of comparisons, trials before
    console.print(f"{key}: {len(trials)} records, failed {failure_counts(failures)}", highlight=False)
    task: Task | None = None
    try:
        task = Task(records[0].operator, records[0].shape, records[0].target)
    except ValueError as error:  # an operator that is registered in another program
        click.echo(f"no program can be built for it here: {error} (see --operators)", err=True)
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
        _print_program(task, task.config(winners[0].config))


def _print_program(task: Task, config: Config) -> None:
    """Print the loop nest and the assembly of a configuration."""
    import compiler

    schedule, args = task.instantiate(config)
    click.echo(f"# {task.key}\n# {config}\n")
    click.echo(str(compiler.loop_nest(schedule, args)))
    click.echo("\n# assembly\n")
    constants = [t for t in args if t.name in task.operator.constants]
    click.echo(compiler.build(schedule, args, target=task.target, constants=constants).source("asm"))
