"""XGBoost's module ``core``: tables, models and errors under the names that scripts import from there."""

from __future__ import annotations

import platform
from typing import Any

from boost.booster import Booster
from boost.data.batches.data_iter import DataIter
from boost.data.dmatrix import DataSplitMode, DMatrix
from boost.data.quantile_dmatrix import ExtMemQuantileDMatrix, QuantileDMatrix

__all__ = [
    "Booster",
    "DMatrix",
    "DataIter",
    "DataSplitMode",
    "ExtMemQuantileDMatrix",
    "QuantileDMatrix",
    "XGBoostError",
    "build_info",
]

# XGBoost's error is a ValueError, and so are all errors here about what was given.
XGBoostError = ValueError


def build_info() -> dict[str, Any]:
    """Return the versions of what compiles and runs the kernels, and that there is no GPU version."""
    import llvmlite
    import numba

    return {
        "USE_CUDA": False,
        "USE_NCCL": False,
        "USE_FEDERATED": False,
        "USE_OPENMP": False,
        "numba": numba.__version__,
        "llvmlite": llvmlite.__version__,
        "machine": platform.machine(),
    }
