"""Text of the loop IR: what a person reads, and what parses back to an equal function.

The text is Python's grammar with a meaning of its own; it is read with `ast` and never run. For example::

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

Loops are ``range`` (serial), ``parallel``, ``vectorize``, ``unroll`` and ``vthread``; those of threads are
``bind(extent, "threadIdx.x")``. The variable of a loop has the type of the extent, unless
``range(8, dtype="int64")`` says otherwise. ``pragmas={"key": value}`` may stand at the end of the arguments
of a loop or an allocation.

Literals carry their type: ``3`` is int32, ``0.5`` is float32, ``True`` is bool, and every other one is a
call of its type, as in ``int64(3)``, ``float64(0.5)``, ``float32("inf")``. A conversion of any other value
is ``cast(value, "float32")``, so the two are never confused.

``name = allocate(type[shape], scope)`` and ``name = expression`` (a `Let`) hold for the rest of their block.
Where statements follow that are not inside, they are ``with allocate(type[shape], scope) as name:`` and
``with let(expression) as name:``. A parameter outside of main memory is ``name: (type[shape], scope)``. A
buffer without axes has the shape and the index ``()``. ``name: size(low, high)`` among the parameters is an
extent that the call brings.

The other statements are calls::

    prefetch(A[i, j])
    barrier("shared")
    copy(region(B, i * 64, (18,), (1,)), region(A, 0, (16,), (2,)), before=(1,), after=(1,), fill=0.0)
    gemm(region(A, 0, (16,), (1,)), region(B, 0, (16,), (1,)))
    push("load", "compute")
    pop("load", "compute")

where ``region`` has the offset, the extents and the strides in elements of the row-major buffer. An intrinsic
such as ``gemm`` stands before the function that invokes it, as a function marked ``@intrinsic``.

Names are those of the variables and buffers, made legal, and distinct among all that are in scope at once.
Nested sequences print as the flat one, which means the same (see `structural_equal`).
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
