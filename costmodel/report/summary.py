"""Runs and final comparisons as plain values, for JSON files."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from typing import Any

from costmodel.measure.finals import Finals
from costmodel.tuning.result import TuneResult


def summary(result: TuneResult) -> dict[str, Any]:
    """Return a run as plain values for JSON."""
    best = result.best
    return {
        "task": result.task.key,
        "source": result.source,
        "trials": len(result.records),
        "resumed": result.resumed,
        "interrupted": result.interrupted,
        "seconds": round(result.seconds, 3),
        "best_gflops": round(result.best_gflops, 3),
        "best_config": best.config if best else None,
        "failures": result.failures,
        "rank_correlations": [round(c, 4) if math.isfinite(c) else None for c in result.correlations],
        "curve_gflops": [round(float(v), 3) for v in result.curve()],
    }


def finals_summary(finals: Finals) -> dict[str, Any]:
    """Return a final comparison as plain values for JSON."""
    rows = [
        {
            "program": c.name,
            "gflops": round(c.gflops, 3),
            "quartiles": [round(q, 3) for q in c.quartiles],
            "costs": list(c.costs),
            "checked": True,
            "config": finals.configs[c.name].plain() if c.name in finals.configs else None,
        }
        for c in finals.comparisons
    ]
    return {"task": finals.task.key, "programs": rows}


def write_json(path: str | os.PathLike[str], value: Mapping[str, Any] | Sequence[Any]) -> None:
    """Write JSON to a file, which appears complete or not at all."""
    from boost.atomic import write_text

    write_text(path, json.dumps(value, indent=1, allow_nan=False) + "\n")
