"""Measurement: candidates are built, checked and timed in a worker process."""

from __future__ import annotations

from importlib import import_module
from typing import Any

# names that pickles of earlier versions look up here
_MOVED = {
    "Comparison": "costmodel.measure.comparison",
    "MeasureResult": "costmodel.result",
    "Reason": "costmodel.result",
}


def __getattr__(name: str) -> Any:
    if name in _MOVED:
        return getattr(import_module(_MOVED[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
