"""Records as CSV, a column for each field, for spreadsheets and data frames."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Iterable
from typing import Any

from costmodel.records.record import SCHEMA_VERSION, Record

# fields whose cells are plain text; the others hold JSON
TEXT = ("task", "operator", "target", "cpu", "source", "reason", "message")


def to_csv(records: Iterable[Record]) -> str:
    """Return records as CSV: a column for each field, and ``cost``, the median seconds per call.

    Shapes, configurations, costs and hardware are JSON in their cells.
    """
    columns = ["version", *Record.__dataclass_fields__, "cost"]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for record in records:
        fields = record.fields()
        cells = [fields[c] if c in TEXT else json.dumps(fields[c], allow_nan=False) for c in columns[:-1]]
        writer.writerow([*cells, repr(record.cost) if record.ok else ""])
    return text.getvalue()


def from_csv(text: str) -> tuple[list[Record], Counter[str]]:
    """Read records from what `to_csv` returns; lines that are no records are counted by their reason.

    Raises
    ------
    ValueError
        If the columns are not those of records.
    """
    rows = csv.DictReader(io.StringIO(text))
    missing = [c for c in ("task", "config", "costs") if c not in (rows.fieldnames or ())]
    if missing:
        raise ValueError(f"the columns {', '.join(missing)} of records are missing")
    records: list[Record] = []
    aside: Counter[str] = Counter()
    for row in rows:
        try:
            fields: dict[str, Any] = {
                name: cell if name in TEXT else json.loads(cell)
                for name, cell in row.items()
                if name not in (None, "cost")
            }
            records.append(Record.of_fields({"version": SCHEMA_VERSION, **fields}))
        except (ValueError, TypeError):
            aside["broken lines"] += 1
    return records, aside
