"""Every training parameter, in one table; checks, estimator signatures and documentation are made from it."""

from __future__ import annotations

from boost.errors import ParameterError
from boost.params.param import Param
from boost.params.record import Params, as_dict, largest_step, resolve, seed_of
from boost.params.reference import describe
from boost.params.table import BY_NAME, LOGISTIC, MULTI, OBJECTIVES, RANK, TABLE

__all__ = [
    "BY_NAME",
    "LOGISTIC",
    "MULTI",
    "OBJECTIVES",
    "RANK",
    "TABLE",
    "Param",
    "ParameterError",
    "Params",
    "as_dict",
    "describe",
    "largest_step",
    "resolve",
    "seed_of",
]
