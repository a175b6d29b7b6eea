"""The terminal that commands write to."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console


def new_console(*, stderr: bool = False) -> Console:
    """A rich console on standard output, or on standard error for what is no result."""
    from rich.console import Console

    return Console(stderr=stderr)
