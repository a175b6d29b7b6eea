"""The table of operators: each row of these families has cases, each gradient is compared with differences."""

import pytest

from compiler.relay.language.op import OPS
from compiler.relay.operator import (
    arithmetic,
    conversion,
    creation,
    elementwise,
    indexing,
    order,
    rearrange,
    reduction,
    shape,
    slicing,
)
from tests.compiler.relay.operator import (
    test_arithmetic,
    test_creation,
    test_elementwise,
    test_indexing,
    test_order,
    test_rearrange,
    test_reduction,
    test_shape,
    test_slicing,
)

FAMILIES = (
    arithmetic,
    conversion,
    creation,
    elementwise,
    indexing,
    order,
    rearrange,
    reduction,
    shape,
    slicing,
)
TESTS = (
    test_arithmetic,
    test_creation,
    test_elementwise,
    test_indexing,
    test_order,
    test_rearrange,
    test_reduction,
    test_shape,
    test_slicing,
)
CASES = [case for tests in TESTS for case in tests.CASES]
FLAT = [
    "floor_divide",
    "floor",
    "ceil",
    "round",
    "trunc",
    "sign",
    "isnan",
    "isfinite",
    "isinf",
    "logical_not",
    "bitwise_not",
    "zeros_like",
    "ones_like",
    "reinterpret",
    "logical_and",
    "logical_or",
    "logical_xor",
    "bitwise_and",
    "bitwise_or",
    "bitwise_xor",
    "left_shift",
    "right_shift",
    "equal",
    "not_equal",
    "less",
    "less_equal",
    "greater",
    "greater_equal",
    "all",
    "any",
    "argmax",
    "argmin",
    "argsort",
    "unique",
    "nonzero",
    "zeros",
    "ones",
    "arange",
    "eye",
    "shape_of",
    "ndarray_size",
]
"""Operators whose derivative is zero where it exists."""


@pytest.mark.parametrize("row", [row for family in FAMILIES for row in family.ROWS], ids=lambda row: row.name)
def test_each_row_has_cases_and_a_checked_gradient(row):
    cases = [case for case in CASES if case.name == row.name]
    assert cases
    assert OPS[row.name] is row
    assert row.doc.endswith(".")
    assert any(case.gradient for case in cases) == (row.name not in FLAT)
