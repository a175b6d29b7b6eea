"""The table of final comparisons."""

from __future__ import annotations

import io

from rich.console import Console

from costmodel.report import finals_table


def test_table_shows_speed_spread_and_the_check(finals):
    output = io.StringIO()
    Console(file=output, width=100).print(finals_table([finals]))
    (row,) = (line for line in output.getvalue().splitlines() if "default schedule" in line)
    assert row.split() == ["default", "schedule", "1.0", "1.0", "-", "1.0", "0.002", "yes"]
    assert "compared with a NumPy reference" in output.getvalue()
