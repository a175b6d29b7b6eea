"""The command that writes the HTML page about records."""

from __future__ import annotations

from pathlib import Path

import click

from costmodel.cli.errors import clean_errors
from costmodel.cli.records import load_all, operators_option


@click.command()
@click.argument("files", type=click.Path(path_type=Path), nargs=-1, required=True, metavar="RECORDS...")
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("report.html"),
    show_default=True,
    help="The file of the page.",
)
@click.option("--task", help="A part of the key of the tasks to report.  [default: all]")
@operators_option
@clean_errors
def report(files: tuple[Path, ...], output: Path, task: str | None, operators: tuple[Path, ...]) -> None:
    """Write one HTML page about the records of searches.

    Of each task: the curve of the best speed, the best configuration and its loop nest, the knobs and
    features that matter, how well a model predicts, failures, and the noise and drift of the machine. The
    page needs no other file, no network and no script.
    """
    from costmodel.records import set_aside
    from costmodel.report import plural, write_report

    for file in files:
        if not file.is_file():
            raise ValueError(f"{file}: no such file")
    if not output.parent.is_dir():
        raise ValueError(f"{output}: there is no folder {output.parent}")
    load_all(operators)
    found = write_report(output, files, task=task)
    trials = sum(len(one.records) for one in found.tasks)
    click.echo(f"{plural(trials, 'trial')} of {plural(len(found.tasks), 'task')}: {output}")
    if found.aside:
        click.echo(f"records set aside: {set_aside(found.aside)}")
