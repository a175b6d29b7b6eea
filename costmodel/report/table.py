"""The table of final comparisons."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from costmodel.measure.finals import Finals

if TYPE_CHECKING:
    from rich.table import Table


def finals_table(finals: Sequence[Finals]) -> Table:
    """Return a table of median speed, quartiles and result check, one row for each program."""
    from rich import box
    from rich.table import Table

    title = "Programs, measured interleaved"
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title=title, title_justify="left")
    table.add_column("", no_wrap=True)
    table.add_column("GFLOP/s", justify="right")
    table.add_column("quartiles", justify="right", no_wrap=True)
    table.add_column("ms", justify="right")
    table.add_column("checked", justify="center")
    for one in finals:
        table.add_row(f"[bold]{one.task.call}")
        for number, comparison in enumerate(one.comparisons):
            low, high = comparison.quartiles
            table.add_row(
                f"  {comparison.name}",
                f"{comparison.gflops:.1f}",
                f"{low:.1f} - {high:.1f}",
                f"{one.task.flops / comparison.gflops / 1e6:.3f}",
                # a program whose outputs are wrong is not timed: the comparison raises
                "yes",
                end_section=number == len(one.comparisons) - 1,
            )
    table.caption = "checked: the outputs were compared with a NumPy reference before the program was timed"
    table.caption_justify = "left"
    return table
