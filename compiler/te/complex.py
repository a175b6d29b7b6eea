"""Complex numbers: pairs of floats in tensors whose last extent is 2, and `Complex`, a value made of them.

An array of complex64 has the memory of an array of float32 with one axis more, of extent 2, and is an
argument for a tensor of that shape::

    A = te.placeholder((n, 2), "A")
    B = te.placeholder((n, 2), "B")
    C = te.compute((n, 2), lambda i: te.pair(A, i) * te.conj(te.pair(B, i)), "C")
    module = compiler.build(te.create_schedule(C.op), [A, B, C])
    module(np.ones(n, "complex64"), np.ones(n, "complex64"), np.empty(n, "complex64"))

A function that returns a `Complex` has no index for the last axis. Unrolled, as by
``s[C].unroll(C.op.axis[-1])``, that axis costs nothing.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable
from dataclasses import dataclass
from typing import Union

from compiler.ir.calls import call
from compiler.ir.dtype import is_float
from compiler.ir.expr import Expr, ExprLike, Select, binary, equal, matched
from compiler.te.reducer import Reduce
from compiler.te.tensor import Tensor

Number = Union["Complex", ExprLike, builtins.complex]


@dataclass(frozen=True, slots=True, eq=False)
class Complex:
    """A complex number of two expressions of one float type, made by `complex` or `pair`.

    Python's ``+``, ``-``, ``*``, ``/`` and ``abs`` work on it, also with real numbers.

    Parameters
    ----------
    real, imag : Expr
    """

    real: Expr
    imag: Expr

    @property
    def dtype(self) -> str:
        """The type of the parts."""
        return self.real.dtype

    def __pos__(self) -> Complex:
        return self

    def __neg__(self) -> Complex:
        return Complex(-self.real, -self.imag)

    def __add__(self, other: Number) -> Complex:
        z = self._like(other)
        return Complex(self.real + z.real, self.imag + z.imag)

    def __sub__(self, other: Number) -> Complex:
        z = self._like(other)
        return Complex(self.real - z.real, self.imag - z.imag)

    def __mul__(self, other: Number) -> Complex:
        z = self._like(other)
        return Complex(
            self.real * z.real - self.imag * z.imag,
            self.real * z.imag + self.imag * z.real,
        )

    def __truediv__(self, other: Number) -> Complex:
        """By Smith's method: R. L. Smith, "Algorithm 116: Complex division" (1962), as NumPy."""
        z = self._like(other)
        (a, b), (c, d) = (self.real, self.imag), (z.real, z.imag)
        wide = binary(">=", call("abs", c), call("abs", d))
        ratio = Select(wide, d / c, c / d)
        scale = 1 / Select(wide, c + d * ratio, c * ratio + d)
        real = Select(wide, a + b * ratio, a * ratio + b)
        imag = Select(wide, b - a * ratio, b * ratio - a)
        return Complex(real * scale, imag * scale)

    def __radd__(self, other: Number) -> Complex:
        return self._like(other) + self

    def __rsub__(self, other: Number) -> Complex:
        return self._like(other) - self

    def __rmul__(self, other: Number) -> Complex:
        return self._like(other) * self

    def __rtruediv__(self, other: Number) -> Complex:
        return self._like(other) / self

    def __abs__(self) -> Expr:
        return call("hypot", self.real, self.imag)

    def __bool__(self) -> bool:
        raise TypeError("a complex number has no truth value while the program is being written")

    def conj(self) -> Complex:
        """The conjugate."""
        return Complex(self.real, -self.imag)

    def exp(self) -> Complex:
        """The exponential."""
        size, real = call("exp", self.real), equal(self.imag, 0)
        return Complex(
            Select(real, size, size * call("cos", self.imag)),
            Select(real, self.imag, size * call("sin", self.imag)),
        )

    def _like(self, value: Number) -> Complex:
        """A number as a complex one."""
        if isinstance(value, Complex):
            return value
        if isinstance(value, builtins.complex):
            return complex(as_like(self.real, value.real), as_like(self.real, value.imag))
        return complex(as_like(self.real, value), as_like(self.real, 0.0))

    def part(self, index: Expr) -> Expr:
        """The real part where `index` is 0, the imaginary part where it is 1.

        Raises
        ------
        ValueError
            If one part is a reduction and the other is not, or they reduce over different axes.
        """
        a, b = self.real, self.imag
        if not isinstance(a, Reduce) and not isinstance(b, Reduce):
            return Select(equal(index, 0), *matched(a, b))
        if not isinstance(a, Reduce) or not isinstance(b, Reduce) or not _together(a, b):
            raise ValueError("a complex reduction must be the whole element: te.sum of one complex number")
        return Reduce(a.reduction, (Select(equal(index, 0), a.sources[0], b.sources[0]),))


def as_like(expr: Expr, value: ExprLike) -> Expr:
    """`value`, where it is a number as a literal of the type of `expr`."""
    return matched(expr, value)[1]


def complex(real: ExprLike, imag: ExprLike = 0.0) -> Complex:
    """A complex number of two floats.

    Raises
    ------
    ValueError
        If a part is no float.
    """
    a, b = matched(real, imag)
    if not is_float(a.dtype):
        raise ValueError(f"a complex number has parts of a float type, not {a.dtype}: cast them first")
    return Complex(a, b)


def pair(tensor: Tensor, *indices: ExprLike) -> Complex:
    """The complex number whose parts are ``tensor[..., 0]`` and ``tensor[..., 1]``.

    Raises
    ------
    ValueError
        If the last extent of the tensor is not 2, its type is no float, or the number of indices is not one
        less than its dimensions.
    """
    if tensor.ndim == 0 or tensor.shape[-1] != 2:
        raise ValueError(f"{tensor!r} is no tensor of complex numbers: its last extent must be 2")
    return complex(tensor[(*indices, 0)], tensor[(*indices, 1)])


def conj(z: Complex) -> Complex:
    """The conjugate of a complex number."""
    return z.conj()


def of_parts(z: Complex, reduce: Callable[[Expr], Reduce]) -> Complex:
    """A reduction of both parts."""
    return Complex(reduce(z.real), reduce(z.imag))


def _together(a: Reduce, b: Reduce) -> bool:
    mine, other = a.reduction, b.reduction
    return mine.reducer is other.reducer and mine.axes == other.axes and mine.condition is other.condition
