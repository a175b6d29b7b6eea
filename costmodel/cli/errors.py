"""Errors and interruptions of a command: one line, and an exit status."""

from __future__ import annotations

import functools
import sys
import warnings
from collections.abc import Callable
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

# the shell's number for a command that Ctrl-C ended
INTERRUPTED = 130


class InputError(click.ClickException):
    """Wrong input: one line, and the exit status of wrong usage."""

    exit_code = 2


def clean_errors(command: F) -> F:
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
