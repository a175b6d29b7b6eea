"""Output of the commands: the console, and plots beside a file."""

from __future__ import annotations

import shutil
import sys
import textwrap
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.console import Console

    from boost.tables.plots import Plots


def new_console(*, stderr: bool = False) -> Console:
    """Return a rich console on standard output, or on standard error for messages that are not results."""
    from rich.console import Console

    return Console(stderr=stderr)


def note(text: str) -> None:
    """Print what the user should know to standard error, in lines that fit a terminal."""
    line = f"note: {text}"
    if sys.stderr.isatty():
        width = max(40, shutil.get_terminal_size().columns)
        line = textwrap.fill(
            line, width, subsequent_indent="      ", break_long_words=False, break_on_hyphens=False
        )
    click.echo(line, err=True)


def draw(plots: Plots) -> None:
    """Write plots and print their files; without Matplotlib, print that there are none."""
    from boost.errors import TableError
    from boost.tables.plots import write_plots

    try:
        written = write_plots(plots)
    except TableError as error:
        click.echo(f"no plots: {error}", err=True)
        return
    if written:
        click.echo(f"plots: {', '.join(map(str, written))}")
