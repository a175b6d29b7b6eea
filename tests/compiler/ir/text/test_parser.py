"""What the parser reads, and what it refuses."""

from __future__ import annotations

import pytest

from compiler.ir.dtype import SCALAR_TYPES, is_float
from compiler.ir.expr import (
    Binary,
    Buffer,
    Cast,
    Const,
)
from compiler.ir.function import PrimFunc
from compiler.ir.semantics.verify import verify
from compiler.ir.stmt import Store
from compiler.ir.text import ParseError, parse_function


def test_parse_reads_comments_and_indented_text():
    func = parse_function(
        """
        # a comment
        def f(A: float32[4]):
            for i in vectorize(4):  # another
                A[i] = float32(2)
                pass
        """
    )
    assert str(func) == "def f(A: float32[4]):\n    for i in vectorize(4):\n        A[i] = 2.0"


def test_parse_makes_nodes_without_folding():
    func = parse_function("def f(A: int32[4]):\n    A[0] = 1 + 2 * 3")
    assert func.body.value == Binary("+", Const(1), Binary("*", Const(2), Const(3), "int32"), "int32")


def test_parsed_types():
    func = parse_function(
        "def f(A: float32[8], M: bool[8]):\n"
        "    for i in range(int64(2)):\n"
        "        M[ramp(i, int64(1), 4)] = A[ramp(i, int64(1), 4)] < broadcast(0.5, 4)\n"
        "        A[i] = if_then_else(M[i], max(A[i], 1.0), cast(i, 'float32'))"
    )
    loop = func.body
    assert loop.var.dtype == "int64"
    mask, value = loop.body.stmts
    assert mask.value.dtype == "boolx4"
    assert value.value.dtype == "float32"
    assert value.value.args[1].dtype == "float32"
    verify(func)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def f(:", r"line 1: .*"),
        ("def f():\n    x[\n", r"line 2: "),
        ("def f():\n    pass\x00", r"line 1: "),
        ("", r"line 1: expected one function, .*found 0 statement"),
        ("x = 1", r"line 1: expected one function"),
        ("def f():\n    pass\ndef g():\n    pass", r"line 1: expected one function, .*found 2 statement"),
        ("@g\ndef f():\n    pass", r"line 2: expected a function without decorators"),
        ("def f() -> int:\n    pass", r"line 1: expected a function without .*result type"),
        ("def f(*, A: float32[4]):\n    pass", r"line 1: expected a function without .*`\*`"),
        ("def f(*A):\n    pass", r"expected parameters of the form"),
        ("def f(A: float32[4] = 1):\n    pass", r"expected parameters of the form"),
        (
            "def f(A):\n    pass",
            r"line 1: expected a parameter with its type, `name: float32\[4\]`; found `A`",
        ),
        (
            "def f(A: float32):\n    pass",
            r"expected the type of a buffer, `float32\[64, 64\]`; found `float32`",
        ),
        ("def f(A: flaot32[4]):\n    pass", r"expected a type \(did you mean 'float32'\?\); found `flaot32`"),
        ("def f(A: float32[n]):\n    pass", r"expected a variable in scope; found `n`"),
        ("def f(A: float32[1.5]):\n    pass", r"expected an integer; found `1.5`"),
        (
            "def f(A: (float32[4], 'constant')):\n    pass",
            r"expected a scope \('global', 'shared', 'warp', 'local', or a dotted name .*`'constant'`",
        ),
        ("def f(min: float32[4]):\n    pass", r"expected a name; 'min' is reserved"),
        (
            "def f(A: int32[1]):\n    for A in range(3):\n        pass",
            r"line 2: expected a new name; 'A' is already",
        ),
        (
            "def f(A: int32[1]):\n    return",
            r"line 2: expected a statement \(for, if, pass, .*found `return`",
        ),
        ("def f(A: int32[1]):\n    A[0] += 1", r"line 2: expected a statement"),
        ("def f(A: int32[1]):\n    A[0] = A[0] = 1", r"line 2: expected a statement"),
        ("def f(A: int32[1]):\n    A.x = 1", r"line 2: expected a statement"),
        (
            "def f():\n    x = allocate(float32[3])",
            r"line 2: expected `allocate\(float32\[16\], \"local\"\)`",
        ),
        ("def f():\n    with allocate(int8[1], 'local'):\n        pass", r"line 2: expected `with allocate"),
        ("def f():\n    with g as x:\n        pass", r"line 2: expected `allocate\("),
        (
            "def f():\n    for i in loop(3):\n        pass",
            r"line 2: expected a loop over range, parallel, vectorize",
        ),
        ("def f():\n    for i in range(1, 3):\n        pass", r"line 2: expected `range\(extent\)` or"),
        ("def f():\n    for i in range(3, step=1):\n        pass", r"line 2: expected `range\(extent\)` or"),
        (
            "def f():\n    for i in range(3, dtype=int64):\n        pass",
            r"expected a type in quotes; found `int64`",
        ),
        (
            "def f():\n    for i in range(3, dtype='int6'):\n        pass",
            r"in quotes \(did you mean 'int64'\?\)",
        ),
        (
            "def f():\n    for i, j in range(3):\n        pass",
            r"line 2: expected `for name in range\(extent\):`",
        ),
        (
            "def f():\n    for i in range(3):\n        pass\n    else:\n        pass",
            r"line 2: expected .*without `else`",
        ),
        ("def f(A: int32[1]):\n    A[i] = 1", r"line 2: expected a variable in scope; found `i`"),
        (
            "def f(A: int32[1]):\n    for outer in range(1):\n        A[oter] = 1",
            r"line 3: expected a variable in scope \(did you mean 'outer'\?\); found `oter`",
        ),
        ("def f(A: int32[1]):\n    A[A] = 1", r"line 2: expected a variable; found `A`"),
        (
            "def f(A: int32[1]):\n    for i in range(1):\n        i[0] = 1",
            r"line 3: expected a buffer; found `i`",
        ),
        (
            "def f(A: int32[1]):\n    AA[0] = 1",
            r"expected a buffer in scope \(did you mean 'A'\?\); found `AA`",
        ),
        ("def f(A: int32[1]):\n    A[0][0] = 1", r"line 2: expected an element of a buffer"),
        ("def f(A: int32[1]):\n    A[0:1] = 1", r"line 2: expected an expression; found `0:1`"),
        ("def f(A: int32[1]):\n    A[0] = 1 if A[0] else 2", r"line 2: expected an expression"),
        ("def f(A: int32[1]):\n    A[0] = 2 ** A[0]", r"line 2: expected one of the operators \+, -, "),
        ("def f(A: int32[1]):\n    A[0] = -A[0]", r"line 2: expected `-` before a literal alone"),
        ("def f(A: int32[1]):\n    A[0] = ~1", r"line 2: expected `-` before a literal alone"),
        (
            "def f(A: int32[1]):\n    if 1 < A[0] < 2:\n        pass",
            r"line 2: expected one comparison .*not a chain",
        ),
        ("def f(A: int32[1]):\n    if A[0] in A[0]:\n        pass", r"line 2: expected one comparison"),
        ("def f(A: int32[1]):\n    A[0] = 'x'", r"line 2: expected a number for a literal of type int32"),
        ("def f(A: int32[1]):\n    A[0] = 1j", r"line 2: expected a number for a literal"),
        ("def f(A: int32[1]):\n    A[0] = -True", r"line 2: expected a number for a literal"),
        (
            "def f(A: int32[1]):\n    A[0] = 3000000000",
            r"literal of type int32: 3000000000 does not fit int32",
        ),
        ("def f(A: int8[1]):\n    A[0] = int8(-129)", r"literal of type int8: -129 does not fit int8"),
        ("def f(A: int8[1]):\n    A[0] = int8(1.5)", r"literal of type int8: 1.5 is not an integer"),
        ("def f(A: bool[1]):\n    A[0] = bool(1)", r"expected a number for a literal of type bool"),
        ("def f(A: int32[1]):\n    A[0] = float32('1')", r"expected a number for a literal of type float32"),
        ("def f(A: int32[1]):\n    A[0] = float32(A[0])", r"expected a number for a literal of type float32"),
        ("def f(A: int32[1]):\n    A[0] = int32('inf')", r"expected a number for a literal of type int32"),
        ("def f(A: int32[1]):\n    A[0] = convolve(1.0)", r"expected a known function; found"),
        (
            "def f(A: int32[1]):\n    A[0] = sqrtt(1.0)",
            r"expected a known function \(did you mean 'sqrt'\?\)",
        ),
        ("def f(A: int32[1]):\n    A[0] = A[0].min(1)", r"expected a known function"),
        ("def f(A: int32[1]):\n    A[0] = min(1, 2, 3)", r"expected 2 argument\(s\); found `min\(1, 2, 3\)`"),
        ("def f(A: int32[1]):\n    A[0] = exp(x=1.0)", r"expected 1 argument\(s\)"),
        ("def f(A: int32[1]):\n    A[0] = cast(1, float32)", r"expected a type in quotes; found `float32`"),
        ("def f(A: int32[1]):\n    A[0] = cast(1, 'float32x0')", r"expected a type in quotes"),
        ("def f(A: int32[1]):\n    A[0] = broadcast(1, A[0])", r"expected an integer; found `A\[0\]`"),
    ],
)
def test_parse_refuses(text, message):
    with pytest.raises(ParseError, match=message):
        parse_function(text)


def test_a_parse_error_is_a_value_error():
    assert issubclass(ParseError, ValueError)


def test_a_name_can_be_reused_after_its_scope():
    parse_function("def f():\n    for i in range(3):\n        pass\n    for i in range(3):\n        pass")
    text = (
        "def f(C: int8[1]):\n"
        "    if True:\n"
        '        x = allocate(int8[1], "local")\n'
        "    else:\n"
        '        x = allocate(int8[1], "local")\n'
        "    C[0] = x[0]"
    )
    with pytest.raises(ParseError, match=r"line 6: expected a buffer in scope; found `x`"):
        parse_function(text)


@pytest.mark.parametrize("dtype", SCALAR_TYPES)
def test_casts_of_literals_are_not_literals(dtype):
    out = Buffer("out", (), dtype)
    func = PrimFunc("f", (out,), Store(out, (), Cast(Const(1), dtype)))
    assert isinstance(parse_function(str(func)).body.value, Cast)
    assert is_float(dtype) == is_float(out.dtype)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def f(n: size(1)):\n    pass", r"line 1: expected `size\(low, high\)` or `size\(low, high, dtype"),
        ("def f(n: size(1, m)):\n    pass", r"line 1: expected an integer; found `m`"),
        (
            "def f(n: size(1, 2)):\n    pass",
            r"line 1: expected a dynamic extent of a parameter; found `n",
        ),
        ("def f(n: size(1, 2), A: int8[m]):\n    pass", r"expected a variable in scope; found `m`"),
        ("def f(A: int8[A]):\n    pass", r"expected a variable in scope; found `A`"),
        (
            "def f():\n    for i in bind(4):\n        pass",
            r"line 2: expected `bind\(extent, \"threadIdx.x\"\)`",
        ),
        ("def f():\n    for i in bind(4, 3):\n        pass", r"expected a tag \(blockIdx.x, .*\) in quotes"),
        (
            "def f():\n    for i in range(4, pragmas=3):\n        pass",
            r"expected pragmas, `\{\"key\": value\}`",
        ),
        ("def f():\n    for i in range(4, pragmas={**x}):\n        pass", r"expected pragmas"),
        (
            "def f():\n    for i in range(4, pragmas={1: 2}):\n        pass",
            r"expected the key of a pragma in",
        ),
        (
            "def f():\n    for i in range(4, pragmas={'a': 1.5}):\n        pass",
            r"expected the value of a pragma: an integer, a text in quotes, True or False; found `1.5`",
        ),
        ("def f():\n    for i in range(4, pragmas={'a': x}):\n        pass", r"the value of a pragma.*`x`"),
        ("def f():\n    with let(1, 2) as x:\n        pass", r"line 2: expected 1 argument\(s\)"),
        ("def f():\n    with 3 as x:\n        pass", r"line 2: expected `allocate\(.*\)` or `let\(value\)`"),
        ("def f():\n    x = y", r"line 2: expected a variable in scope; found `y`"),
        ("def f():\n    x = 1\n    x = 2", r"line 3: expected a new name; 'x' is already defined"),
        ("def f():\n    3", r"line 2: expected a statement"),
        ("def f():\n    bariier('shared')", r"expected a known statement \(did you mean 'barrier'\?\)"),
        ("def f():\n    barrier(shared)", r"line 2: expected a scope in quotes; found `shared`"),
        ("def f():\n    barrier()", r"line 2: expected 1 argument\(s\)"),
        ("def f(A: int8[1]):\n    prefetch(A)", r"expected an element of a buffer, `prefetch\(A\[i, j\]\)`"),
        ("def f():\n    push('a')", r"line 2: expected 2 argument\(s\)"),
        ("def f():\n    pop('a', b)", r"line 2: expected a stage in quotes; found `b`"),
        ("def f(A: int8[1]):\n    copy(A, A)", r"line 2: expected `copy\(region\(...\), region"),
        (
            "def f(A: int8[1]):\n    copy(A, A, before=(0,), after=(0,), fill=0)",
            r"line 2: expected `region\(buffer, offset, \(4, 16\), \(64, 1\)\)`; found `A`",
        ),
        (
            "def f(A: int8[1]):\n    copy(region(A, 0, 1, 1), A, before=(), after=(), fill=0)",
            r"line 2: expected a tuple with a value for each axis, `\(4, 16\)` or `\(4,\)`; found `1`",
        ),
        ("def f(A: int8[1]):\n    g(A)", r"line 2: expected a known statement"),
        (
            "@intrinsic\ndef gemm():\n    pass\ndef f():\n    gem()",
            r"line 5: expected a known statement \(did you mean 'gemm'\?\); found `gem\(\)`",
        ),
        ("@intrinsic\ndef g():\n    pass", r"line 1: expected one function, .*found 0 statement"),
        (
            "def f():\n    pass\n@intrinsic\ndef g():\n    pass",
            r"line 1: expected a function without decorators, ",
        ),
        ("@intrinsic\ndef copy():\n    pass", r"line 2: expected a name; 'copy' is reserved"),
        (
            "@intrinsic\ndef g():\n    pass\n@intrinsic\ndef g():\n    pass\ndef f():\n    pass",
            r"line 5: expected a new name; 'g' is already defined",
        ),
        (
            "@intrinsic\ndef g():\n    pass\ndef f(g: int8[1]):\n    pass",
            r"expected a new name; 'g' is already",
        ),
    ],
)
def test_parse_refuses_statements(text, message):
    with pytest.raises(ParseError, match=message):
        parse_function(text)
