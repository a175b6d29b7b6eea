"""Tensor intrinsics are replaced by the implementation of the target, or by their description."""

from __future__ import annotations

from compiler.ir.address import in_type, widened
from compiler.ir.expr import Buffer, Const, Expr, Load, Ramp, binary, upper_bound
from compiler.ir.function import Invoke, PrimFunc
from compiler.ir.stmt import Region, Stmt, Store
from compiler.ir.visit import Rewriter, walk


def inline_intrinsics(func: PrimFunc, kind: str = "") -> PrimFunc:
    """Replace each application of a tensor intrinsic.

    ::

        @intrinsic
        def add4(a: float32[4], b: float32[4]):
            for i in range(4):                       for j in range(16):
                b[i] = b[i] + a[i]              ->       for i in range(4):
                                                             B[j * 4 + i] = B[j * 4 + i] + A[j * 4 + i]
        for j in range(16):
            add4(region(A, j * 4, (4,), (1,)), region(B, j * 4, (4,), (1,)))

    It is replaced by the implementation for targets of `kind` if there is one, and otherwise by its
    description, applied to the elements of the regions.
    """
    return (
        func.with_body(_Inline(kind)(func.body)) if any(type(n) is Invoke for n in walk(func.body)) else func
    )


class _Inline(Rewriter):
    def __init__(self, kind: str) -> None:
        self.kind = kind

    def _invoke(self, node: Invoke) -> Stmt:
        implementation = node.intrinsic.implementations.get(self.kind)
        if implementation is not None:
            return implementation(*node.operands)
        description = node.intrinsic.description
        return _Described(dict(zip(description.params, node.operands, strict=True)))(description.body)

    rules = {Invoke: _invoke}


class _Described(Rewriter):
    """The body of a description, with its parameters replaced by regions."""

    def __init__(self, regions: dict[Buffer, Region]) -> None:
        self.regions = regions

    def element(self, param: Buffer, indices: tuple[Expr, ...]) -> tuple[Buffer, tuple[Expr]]:
        region, shape = self.regions[param], [upper_bound(extent) for extent in param.shape]
        indices = tuple(map(widened, indices))
        if len(indices) != len(shape):  # a row-major position
            (rest,) = indices
            split = []
            for extent in reversed(shape):
                split.append(binary("%", rest, extent))
                rest = binary("//", rest, extent)
            indices = tuple(reversed(split))
        ramp = indices[-1] if indices else None
        if isinstance(ramp, Ramp):
            indices = (*indices[:-1], ramp.base)
        place = region.offset
        for index, stride in zip(indices, region.strides, strict=True):
            place = binary("+", place, index if stride == Const(1) else binary("*", index, stride))
        if isinstance(ramp, Ramp):
            step = binary("*", in_type(ramp.stride, place.dtype), in_type(region.strides[-1], place.dtype))
            place = Ramp(place, step, ramp.lanes)
        return region.buffer, (place,)

    def _load(self, node: Load) -> Expr:
        inner = self.descend(node)
        return Load(*self.element(node.buffer, inner.indices)) if node.buffer in self.regions else inner

    def _store(self, node: Store) -> Stmt:
        inner = self.descend(node)
        if node.buffer not in self.regions:
            return inner
        return Store(*self.element(node.buffer, inner.indices), inner.value)

    def _region(self, node: Region) -> Region:
        inner = self.descend(node)
        outer = self.regions.get(node.buffer)
        if outer is None:
            return inner
        if not inner.extents:
            buffer, (offset,) = self.element(node.buffer, (inner.offset,))
            return Region(buffer, offset, (), ())
        if len(outer.strides) != 1:
            raise ValueError(
                f"the description of an intrinsic uses a part of its parameter {node.buffer!r} as a region; "
                "write loops over its elements"
            )
        (stride,) = outer.strides
        return Region(
            outer.buffer,
            binary("+", outer.offset, binary("*", widened(inner.offset), widened(stride))),
            inner.extents,
            tuple(binary("*", step, stride) for step in inner.strides),
        )

    rules = {Load: _load, Store: _store, Region: _region}
