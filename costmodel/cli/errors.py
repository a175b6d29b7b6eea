"""Errors and interruptions of a command: one line, and an exit status."""

from __future__ import annotations

import functools
import os
import sys
import warnings
from collections.abc import Callable
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

# The exit status of a command that Ctrl-C ended, as in a shell: 128 + SIGINT.
INTERRUPTED = 130


class InputError(click.ClickException):
    """Wrong input: printed as one line, with the exit status of wrong usage."""

    exit_code = 2


def clean_errors(command: F) -> F:
    """Print errors about the input, and warnings, as one line each instead of a traceback.

    Errors of a user's template, which another process reports, keep all of their lines; so do those that list
    all problems of a model.

    The filters of warnings and the function that shows them are restored when the command ends.
    """

    @functools.wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        with warnings.catch_warnings():
            # Every broken line of a record file is reported, not only the first one.
            warnings.filterwarnings("always", category=UserWarning, module="costmodel")
            warnings.showwarning = _show_warning
            try:
                return command(*args, **kwargs)
            except KeyboardInterrupt:  # a search and a training handle it themselves, and keep their results
                click.echo("interrupted", err=True)
                sys.exit(INTERRUPTED)
            except BrokenPipeError:  # the reader of the output has ended, as `head` does
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
                sys.exit(1)
            except (ValueError, OSError) as error:
                if _has_lines(error):
                    raise InputError(str(error).strip()) from error
                lines = str(error).strip().splitlines() or [type(error).__name__]
                raise InputError(" ".join(line.strip() for line in lines)) from error

    return wrapped  # type: ignore[return-value]


def _has_lines(error: Exception) -> bool:
    """Whether the lines of a message are for the reader: a traceback of the user's own code, or a list."""
    from costmodel.measure.process import MeasureError
    from costmodel.tuning.stop import TuningError

    return isinstance(error, (MeasureError, TuningError)) or bool(getattr(error, "problems", ()))


def _show_warning(message: Warning | str, *rest: Any, **more: Any) -> None:
    click.echo(f"warning: {message}", err=True)
