"""Output of the commands: the console, and plots beside a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.console import Console

    from boost.tables.plots import Plots


def new_console(*, stderr: bool = False) -> Console:
    """Return a rich console on standard output, or on standard error for messages that are not results."""
    from rich.console import Console

    return Console(stderr=stderr)


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
