"""The text of the loop IR, which parses back to an equal function.

The syntax is Python's, the meaning is not: the text is parsed with `ast` and never executed. For example::

    def main(n: size(1, 64), A: float32[n, 64], B: float32[n]):
        for i in parallel(n):
            acc = allocate(float32[1], "local")
            acc[0] = 0.0
            for j in range(64, pragmas={"unroll": 4}):
                acc[0] = acc[0] + A[i, j]
            least = max(acc[0], 0.0)
            if i < 32:
                B[i] = least
            else:
                B[i] = acc[0]

Loops are ``range`` (serial), ``parallel``, ``vectorize``, ``unroll`` and ``vthread``; a loop bound to threads
is ``bind(extent, "threadIdx.x")``. The variable of a loop has the type of the extent, unless another is
given: ``range(8, dtype="int64")``. The last argument of a loop or an allocation may be ``pragmas={"key":
value}``.

The text of a literal determines its type: ``3`` is int32, ``0.5`` is float32, ``True`` is bool, and a literal
of any other type is a call of that type: ``int64(3)``, ``float64(0.5)``, ``float32("inf")``. The conversion
of a value is ``cast(value, "float32")``.

The scope of ``name = allocate(type[shape], scope)`` and of ``name = expression`` (a `Let`) is the rest of the
block. Where statements follow that are not in the scope, the forms are
``with allocate(type[shape], scope) as name:`` and ``with let(expression) as name:``. A parameter that is not
in main memory is ``name: (type[shape], scope)``. The shape and the index of a buffer without axes are ``()``.
A parameter ``name: size(low, high)`` is a dynamic extent.

The other statements are calls::

    prefetch(A[i, j])
    barrier("shared")
    copy(region(B, i * 64, (18,), (1,)), region(A, 0, (16,), (2,)), before=(1,), after=(1,), fill=0.0)
    gemm(region(A, 0, (16,), (1,)), region(B, 0, (16,), (1,)))
    push("load", "compute")
    pop("load", "compute")

where the arguments of ``region`` are the buffer, the row-major position of the first element, the extents and
the strides. The description of an intrinsic such as ``gemm`` precedes the function that invokes it, as a
function with the decorator ``@intrinsic``. A node that has no syntax prints as a call of its fields.

Names are those of the variables and buffers, changed where they are not identifiers, are reserved, or are in
use in the same scope. Nested sequences print as the flat sequence, which is equal (see `structural_equal`).
"""

from compiler.ir.text.parser import ParseError, parse_function
from compiler.ir.text.printer import RESERVED, Names, print_expr, print_function, print_stmt

__all__ = [
    "RESERVED",
    "Names",
    "ParseError",
    "parse_function",
    "print_expr",
    "print_function",
    "print_stmt",
]
