"""`DMatrix`: the feature values, labels and weights of a table; its quantile cuts and bins."""

from __future__ import annotations

from typing import Any


def __getattr__(name: str) -> Any:
    if name == "DMatrix":  # pickles of version 0.1 name it here
        from boost.data.dmatrix import DMatrix

        return DMatrix
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
