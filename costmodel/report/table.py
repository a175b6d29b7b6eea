"""The tables of final comparisons: the programs of a task, and the tasks of a run over many."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from costmodel.measure.finals import Finals
from costmodel.tuning.result import TotalResult

if TYPE_CHECKING:
    from rich.table import Table


def finals_table(finals: Sequence[Finals]) -> Table:
    """Return a table of median speed, quartiles and result check, one row for each program."""
    from rich import box
    from rich.table import Table

    title = "Programs, measured interleaved"
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title=title, title_justify="left")
    # the first column, with the long names of tasks, is the only one that gives way in a narrow terminal or a
    # pipe; the numbers are never cut
    table.add_column("", overflow="fold")
    table.add_column("GFLOP/s", justify="right", no_wrap=True)
    table.add_column("quartiles", justify="right", no_wrap=True)
    table.add_column("ms", justify="right", no_wrap=True)
    table.add_column("checked", justify="center", no_wrap=True)
    for one in finals:
        table.add_row(f"[bold]{one.task.call}")
        for number, comparison in enumerate(one.comparisons):
            low, high = comparison.quartiles
            table.add_row(
                f"  {comparison.name}",
                f"{comparison.gflops:.1f}",
                f"{low:.1f} - {high:.1f}",
                f"{statistics.median(comparison.costs) * 1e3:.3f}",
                # a program whose outputs are wrong is not timed: the comparison raises
                "yes",
                end_section=number == len(one.comparisons) - 1,
            )
    table.caption = "checked: the outputs were compared with a NumPy reference before the program was timed"
    table.caption_justify = "left"
    return table


def totals_table(result: TotalResult, costs: Mapping[str, tuple[float, float]]) -> Table:
    """Return a table of the tasks of a run over many, and of the total.

    Parameters
    ----------
    result : TotalResult
    costs : mapping of str to (float, float)
        Key of a task -> seconds of a call with the default schedule and with the best program, measured
        interleaved. Tasks without a program have none.
    """
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title="Times of the tasks", title_justify="left")
    table.add_column("", overflow="fold")
    for name in ("times", "trials", "default ms", "best ms", "speedup"):
        table.add_column(name, justify="right", no_wrap=True)
    totals, times = [0.0, 0.0], 0.0
    last = len(result.results) - 1
    for number, (one, weight) in enumerate(zip(result.results, result.weights, strict=True)):
        row = [one.task.call, f"{weight:g}", str(len(one.records))]
        if one.task.key in costs:
            default, best = costs[one.task.key]
            times += weight
            totals = [totals[0] + weight * default, totals[1] + weight * best]
            row += [f"{default * 1e3:.4g}", f"{best * 1e3:.4g}", f"{default / best:.2f}"]
        else:
            row += ["-", "-", "-"]
        table.add_row(*row, end_section=number == last)
    if costs:
        name = "total" if len(costs) == len(result.results) else f"total of {len(costs)} tasks"
        default, best = totals
        table.add_row(
            f"[bold]{name}",
            f"{times:g}",
            str(result.trials),
            f"{default * 1e3:.4g}",
            f"{best * 1e3:.4g}",
            f"{default / best:.2f}",
        )
    return table
