"""The commands about record files: show, merge, convert, compact; and build, which makes the best program."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from costmodel.cli.errors import clean_errors
from costmodel.cli.terminal import new_console

if TYPE_CHECKING:
    from costmodel.records import Record

FORMATS = ("records", "autotvm", "csv")


def operators_option(command: Any) -> Any:
    """Add the option for files that register the operators of records."""
    return click.option(
        "--operators",
        type=click.Path(path_type=Path),
        multiple=True,
        metavar="FILE.py",
        help="A file that registers operators of the records; may be repeated.",
    )(command)


def load_all(operators: tuple[Path, ...]) -> None:
    """Load the files of operators."""
    from costmodel.cli.operator import load_operators

    for file in operators:
        load_operators(str(file))


@click.group()
def records() -> None:
    """Show, merge, convert and compact files of measurements."""


@records.command("show")
@click.argument("files", type=click.Path(path_type=Path), nargs=-1, required=True)
@clean_errors
def show_records(files: tuple[Path, ...]) -> None:
    """List the tasks of record files: trials, failures, and the best of each machine."""
    from rich import box
    from rich.table import Table

    found = [record for file in files for record in _read(file)]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("task and machine", overflow="fold")
    for name in ("trials", "failed", "best ms", "by"):
        table.add_column(name, justify="left" if name == "by" else "right", no_wrap=True)
    for task in dict.fromkeys(r.task for r in found):
        table.add_row(f"[bold]{task}")
        of_task = [r for r in found if r.task == task]
        for cpu in dict.fromkeys(r.cpu for r in of_task):
            here = [r for r in of_task if r.cpu == cpu]
            best = min(here, key=lambda r: r.cost)
            failed = sum(not r.ok for r in here)
            shown = (f"{best.cost * 1e3:.4g}", best.source) if best.ok else ("-", "-")
            table.add_row(f"  {cpu}", str(len(here)), str(failed), *shown)
    new_console().print(table)


@records.command()
@click.argument("files", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), required=True)
@clean_errors
def merge(files: tuple[Path, ...], output: Path) -> None:
    """Write the records of several files to one, each once, in the order of their time."""
    from costmodel import records as record_file

    found = [_read(file) for file in files]
    merged = record_file.merge(*found)
    record_file.rewrite(output, merged)
    click.echo(f"{sum(map(len, found))} records of {len(files)} files, {len(merged)} different: {output}")


@records.command()
@click.argument("source", type=click.Path(path_type=Path))
@click.argument("output", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--to",
    type=click.Choice(FORMATS),
    help="Format of the output.  [default: csv for .csv, and otherwise records]",
)
@click.option("--cpu", help="The machine that measured what AutoTVM's log holds, as records name it.")
@operators_option
@clean_errors
def convert(source: Path, output: Path, to: str | None, cpu: str | None, operators: tuple[Path, ...]) -> None:
    """Convert records from and to the layout of AutoTVM's logs, and CSV.

    The format of SOURCE is that of its content. Records of old versions become such of the newest.
    """
    from boost.atomic import write_text
    from costmodel import records as record_file

    load_all(operators)
    found, aside = _read_any(source, cpu)
    kind = to or ("csv" if output.suffix == ".csv" else "records")
    if kind == "csv":
        write_text(output, record_file.to_csv(found))
    elif kind == "autotvm":
        write_text(output, "".join(map(record_file.to_autotvm, found)))
    else:
        record_file.rewrite(output, found)
    click.echo(f"{len(found)} records: {output}")
    if aside:
        click.echo(f"lines set aside: {record_file.set_aside(aside)}")


@records.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--output", type=click.Path(dir_okay=False, path_type=Path), help="The new file.  [default: in place]"
)
@click.option(
    "--best",
    type=click.IntRange(min=1),
    metavar="N",
    help="Keep the N fastest of each task and machine alone, without failures.",
)
@clean_errors
def compact(file: Path, output: Path | None, best: int | None) -> None:
    """Keep one record of each configuration: the fastest, or the newest failure."""
    from costmodel import records as record_file

    found = _read(file)
    kept = record_file.compact(found, best)
    target = output or file
    record_file.rewrite(target, kept)
    click.echo(f"{len(found)} records, {len(kept)} kept: {target}")


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--task", help="A part of the key of the task, where the file has several.")
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The file of the program.  [default: a name]",
)
@click.option("--any-machine", is_flag=True, help="Take records of other machines, too.")
@operators_option
@clean_errors
def build(
    file: Path, task: str | None, output: Path | None, any_machine: bool, operators: tuple[Path, ...]
) -> None:
    """Compile the program of the best record of a task, to a file that compiler.load_module reads."""
    import compiler
    from costmodel.history import apply_history_best
    from costmodel.measure.host import cpu_name
    from costmodel.task import Task

    load_all(operators)
    found = _read(file)
    keys = list(dict.fromkeys(r.task for r in found if task is None or task in r.task))
    if len(keys) != 1:
        many = "; ".join(keys or dict.fromkeys(r.task for r in found))
        raise ValueError(f"{file}: --task must name one of its tasks: {many}")
    record = next(r for r in found if r.task == keys[0])
    described = Task(record.operator, record.shape, record.target)
    history = apply_history_best(found, machine=None if any_machine else cpu_name())
    with history:
        schedule, args = described.instantiate()
    if not history.used:
        from costmodel.records import set_aside

        why = set_aside(history.set_aside) or "every trial failed"
        raise ValueError(f"{file}: no record of {keys[0]} can be built on this machine: {why}")
    (used,) = history.used.values()
    target = output or Path(re.sub(r"[^A-Za-z0-9.-]+", "-", described.call).strip("-") + ".mod")
    compiler.build(schedule, args, target=described.target).save(target)
    speed = f"{described.gflops(used.cost):.1f} GFLOP/s, " if described.flops else ""
    click.echo(f"{keys[0]}: {speed}{used.cost * 1e3:.4g} ms when it was measured: {target}")


def _read(file: Path) -> list[Record]:
    """Return the records of a file; raise ValueError if there are none."""
    from costmodel import records as record_file

    if not file.is_file():
        raise ValueError(f"{file}: no such file")
    found = record_file.load(file)
    if not found:
        raise ValueError(f"{file}: no line of it is a record")
    return found


def _read_any(file: Path, cpu: str | None) -> tuple[list[Record], Counter[str]]:
    """Return the records of a file in any of the formats, and the counts of what is set aside."""
    from costmodel import records as record_file
    from costmodel.records.autotvm import is_autotvm

    if not file.is_file():
        raise ValueError(f"{file}: no such file")
    text = file.read_text(encoding="utf-8", errors="replace")
    first = text.lstrip().partition("\n")[0]
    if is_autotvm(first):
        named = {} if cpu is None else {"cpu": cpu}
        return record_file.from_autotvm(text.splitlines(), **named)
    if cpu is not None:
        raise ValueError(f"--cpu is for AutoTVM's logs, and {file} is none: records name their machine")
    if first.startswith("{"):
        return _read(file), Counter()
    return record_file.from_csv(text)
