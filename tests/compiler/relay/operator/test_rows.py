"""The table of operators: each row of these families has cases, its gradient is compared with differences."""

import numpy as np
import pytest

import compiler
from compiler.ops import Defaults
from compiler.relay.language.op import OPS
from compiler.relay.language.types import TensorType
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
from tests.compiler.relay.operator.cases import Case, array, call_of, close, type_of

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


TEMPLATES = [
    ("transpose", {"axes": (0, 3, 1, 2)}, (1, 5, 7, 33)),
    ("transpose", {"axes": (1, 0)}, (33, 18)),
    ("cumsum", {"axis": -1}, (3, 300)),
]


@pytest.mark.parametrize(("name", "attrs", "shape"), TEMPLATES)
def test_what_a_template_computes_is_the_definition(name, attrs, shape):
    x = array(*shape)
    call, _ = call_of(Case(name, [x], None, attrs), [x])
    found = call.function.template(call.attrs, [type_of(x)])
    values = found.operator.shape(**found.values)
    result = np.empty(call.checked_type.dims, "float32")
    compiler.build(*found.operator.schedule(Defaults(), *values))(x, result)
    close(result, call.function.evaluate(call.attrs, x), 1e-4)


def test_there_is_no_template_where_the_general_rules_do_as_well():
    for name, attrs, dims in [
        ("transpose", {"axes": (1, 0, 2)}, (3, 4, 5)),
        ("transpose", {"axes": (0, 2, 1)}, (3, 1, 5)),
        ("cumsum", {"axis": 0}, (3, 4)),
        ("cumsum", {"axis": 1, "reverse": True}, (3, 4)),
    ]:
        call, _ = call_of(Case(name, [array(*dims)], None, attrs), [array(*dims)])
        assert call.function.template(call.attrs, [TensorType(dims)]) is None
    for name, attrs, dims in TEMPLATES:  # nor for other element types
        call, _ = call_of(Case(name, [array(*dims)], None, attrs), [array(*dims)])
        assert call.function.template(call.attrs, [TensorType(dims, "bfloat16")]) is None
