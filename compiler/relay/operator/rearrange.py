"""Operators defined by letters and blocks: layouts, blocks of space as channels, sums over named axes."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from string import ascii_letters
from typing import Any

import numpy as np

from compiler import te
from compiler.ir.expr import Expr as Element
from compiler.relay.infer.relations import forward, rank, shape_text, tensor
from compiler.relay.language.attributes import Attribute, Attrs
from compiler.relay.language.expr import Call, Expr, Tuple, TupleGetItem
from compiler.relay.language.layout import Layout
from compiler.relay.language.op import Fuse, Op, op
from compiler.relay.language.types import AnyDim, TensorType, Type
from compiler.relay.operator.elementwise import check_dtype, dims, dtype_of, row, te_cast, wide_dtype
from compiler.relay.operator.shape import fields_of, tuple_fields
from compiler.te.tensor import Tensor

# --- layouts --------------------------------------------------------------------------------------


def _layouts(attrs: Attrs) -> tuple[Layout, Layout]:
    source, target = Layout.parse(attrs.src_layout), Layout.parse(attrs.dst_layout)
    if sorted(source.names) != sorted(target.names):
        raise ValueError(f"the layouts {source.text} and {target.text} have different axes")
    return source, target


def _layout_rule(attrs: Attrs, x: Any) -> Type:
    source, target = _layouts(attrs)
    return TensorType(target.shape(source.dims(dims(x))), x.dtype)


def _layout_transform(attrs: Attrs, x: np.ndarray) -> np.ndarray:
    source, target = _layouts(attrs)
    return target.packed(source.unpacked(x, source.names), source.names)


def _te_layout(attrs: Attrs, args: Sequence[Any], at: Any, shape: Any) -> Element:
    source, target = _layouts(attrs)
    return args[0][source.index(target.at(at))]


# --- blocks of space ------------------------------------------------------------------------------

_BLOCKS = (Attribute("block_size", "int"), Attribute("mode", "str", "DCR", ("DCR", "CRD")))


def _blocked(attrs: Attrs, x: Any, more: bool) -> Type:
    """The type of one of the operators: `more` is whether channels become space."""
    size = attrs.block_size
    if rank(tensor(x)) != 4 or size < 1:
        raise ValueError(
            f"the shape is {shape_text(x.shape)} and block_size {size}; "
            "(N, C, H, W) and a size >= 1 are needed"
        )
    n, c, h, w = x.shape
    for extent, factor in ((c, size * size),) if more else ((h, size), (w, size)):
        if type(extent) is int and extent % factor:
            raise ValueError(f"an extent of the shape {shape_text(x.shape)} is no multiple of {factor}")

    def scaled(extent: Any, factor: int, up: bool) -> Any:
        if isinstance(extent, AnyDim):
            return extent
        return extent * factor if up else extent // factor

    dims = (n, scaled(c, size * size, not more), scaled(h, size, more), scaled(w, size, more))
    return TensorType(dims, x.dtype)


def _depth_to_space(attrs: Attrs, x: np.ndarray) -> np.ndarray:
    n, c, h, w = x.shape
    b, rest = attrs.block_size, c // attrs.block_size**2
    if attrs.mode == "DCR":
        moved = x.reshape(n, b, b, rest, h, w).transpose(0, 3, 4, 1, 5, 2)
    else:
        moved = x.reshape(n, rest, b, b, h, w).transpose(0, 1, 4, 2, 5, 3)
    return moved.reshape(n, rest, h * b, w * b)


def _space_to_depth(attrs: Attrs, x: np.ndarray) -> np.ndarray:
    n, c, h, w = x.shape
    b = attrs.block_size
    parts = x.reshape(n, c, h // b, b, w // b, b)
    order = (0, 3, 5, 1, 2, 4) if attrs.mode == "DCR" else (0, 1, 3, 5, 2, 4)
    return parts.transpose(order).reshape(n, c * b * b, h // b, w // b)


def _te_depth_to_space(attrs: Attrs, args: Sequence[Any], at: Any, shape: Any) -> Element:
    n, c, h, w = at
    b = attrs.block_size
    inner = (h % b) * b + w % b
    channel = inner * shape[1] + c if attrs.mode == "DCR" else c * (b * b) + inner
    return args[0][n, channel, h // b, w // b]


def _te_space_to_depth(attrs: Attrs, args: Sequence[Any], at: Any, shape: Any) -> Element:
    n, k, h, w = at
    b, channels = attrs.block_size, args[0].shape[1]
    inner, c = (k // channels, k % channels) if attrs.mode == "DCR" else (k % (b * b), k // (b * b))
    return args[0][n, c, h * b + inner // b, w * b + inner % b]


# --- sums over named axes -------------------------------------------------------------------------


def parsed(equation: str, ranks: Sequence[int]) -> tuple[list[str], str]:
    """The letters of the axes of each operand, and of the result.

    An ellipsis stands for letters that occur nowhere else; the last axes of all ellipses are the same.

    Raises
    ------
    ValueError
        If the equation does not fit operands of these ranks.
    """
    left, arrow, right = equation.replace(" ", "").partition("->")
    terms = left.split(",")
    if len(terms) != len(ranks):
        raise ValueError(
            f"the equation {equation!r} has {len(terms)} operands, the tuple {len(ranks)} fields"
        )
    spare = [letter for letter in ascii_letters if letter not in equation]
    most = max([0, *(n - len(t.replace("...", "")) for t, n in zip(terms, ranks, strict=True) if "..." in t)])
    if most > len(spare):
        raise ValueError(f"the equation {equation!r} has too many letters")
    hidden = "".join(spare[:most])
    operands = []
    for term, count in zip(terms, ranks, strict=True):
        more = count - len(term.replace("...", ""))
        if "..." in term and more >= 0:
            term = term.replace("...", hidden[most - more :])
        if len(term) != count or not all(letter in ascii_letters for letter in term):
            raise ValueError(f"{term!r} of the equation {equation!r} does not name the axes of rank {count}")
        operands.append(term)
    every = "".join(operands)
    if not arrow:
        once = sorted(c for c in set(every) if every.count(c) == 1 and c not in hidden)
        return operands, hidden + "".join(once)
    result = right.replace("...", hidden)
    if len(set(result)) != len(result) or not set(result) <= set(every):
        raise ValueError(f"the result of the equation {equation!r} needs different letters of its operands")
    return operands, result


def _named_extents(equation: str, shapes: Sequence[Sequence[Any]]) -> tuple[list[str], str, dict[str, Any]]:
    operands, result = parsed(equation, [len(shape) for shape in shapes])
    extents: dict[str, Any] = {}
    for term, shape in zip(operands, shapes, strict=True):
        for letter, n in zip(term, shape, strict=True):
            known = extents.setdefault(letter, n)
            if known == 1 or isinstance(known, AnyDim):
                extents[letter] = n if n != 1 or known == 1 else known
            elif n not in (1, known) and not isinstance(n, AnyDim):
                raise ValueError(
                    f"the axis {letter} of the equation {equation!r} has the extents {known} and {n}"
                )
    return operands, result, extents


def _einsum_rule(attrs: Attrs, fields: Any) -> Type:
    fields = tuple_fields(fields)
    check_dtype(fields[0], "a number")
    _, result, extents = _named_extents(attrs.equation, [field.shape for field in fields])
    return TensorType(tuple(extents[letter] for letter in result), fields[0].dtype)


def _einsum(attrs: Attrs, fields: Sequence[np.ndarray]) -> np.ndarray:
    operands, result = parsed(attrs.equation, [x.ndim for x in fields])
    wide = [x.astype(wide_dtype(x.dtype.name)) for x in fields]
    return np.einsum(f"{','.join(operands)}->{result}", *wide).astype(fields[0].dtype)


def _te_einsum(attrs: Attrs, args: Sequence[Any], type_: Any) -> Tensor:
    operands, result, extents = _named_extents(attrs.equation, [x.shape for x in args])
    wide = wide_dtype(args[0].dtype)
    summed = [te.reduce_axis((0, n), letter) for letter, n in extents.items() if letter not in result]

    def element(*at: Element) -> Any:
        index: dict[str, Any] = dict(zip(result, at, strict=True)) | {r.name: r.var for r in summed}
        value: Any = None
        for x, term in zip(args, operands, strict=True):
            place = tuple(0 if n == 1 else index[letter] for letter, n in zip(term, x.shape, strict=True))
            factor = te_cast(x[place], wide)
            value = factor if value is None else value * factor
        return te.sum(value, axis=summed) if summed else value

    total = te.compute(type_.dims, element, "einsum")
    if wide == type_.dtype:
        return total
    return te.compute(type_.dims, lambda *at: te_cast(total[at], type_.dtype), "narrowed")


def _einsum_gradient(call: Call, grad: Expr) -> Sequence[Expr]:
    fields = fields_of(call.args[0])
    operands, result, extents = _named_extents(call.attrs.equation, [field.dims for field in fields])
    parts: list[Expr] = []
    for k, (term, field) in enumerate(zip(operands, fields, strict=True)):
        if len(set(term)) != len(term):
            raise ValueError(f"einsum {call.attrs.equation!r} has no gradient: {term!r} names an axis twice")
        others = [(o, TupleGetItem(call.args[0], n)) for n, o in enumerate(operands) if n != k]
        # an axis that only this operand has was summed
        alone = "".join(c for c in term if c not in result and not any(c in o for o, _ in others))
        ones = op("ones")(shape=[extents[c] for c in alone], dtype=dtype_of(call))
        terms = [(result, grad), *others, *([(alone, ones)] if alone else [])]
        equation = f"{','.join(o for o, _ in terms)}->{term}"
        part = op("einsum")(Tuple(tuple(e for _, e in terms)), equation=equation)
        if prod(field.dims) != prod(extents[c] for c in term):
            part = op("collapse_sum")(part, shape=field.dims)
        parts.append(part)
    return [Tuple(tuple(parts))]


ROWS = (
    row(
        "layout_transform",
        _layout_rule,
        _layout_transform,
        _te_layout,
        lambda call, grad: [
            op("layout_transform")(grad, src_layout=call.attrs.dst_layout, dst_layout=call.attrs.src_layout)
        ],
        attributes=(Attribute("src_layout", "str"), Attribute("dst_layout", "str")),
        doc="The elements in the order of another layout, as NCHW to NCHW8c.",
    ),
    row(
        "depth_to_space",
        lambda attrs, x: _blocked(attrs, x, True),
        _depth_to_space,
        _te_depth_to_space,
        lambda call, grad: [op("space_to_depth")(grad, **call.attrs)],
        attributes=_BLOCKS,
        doc="Blocks of channels as blocks of rows and columns, of (N, C, H, W).",
    ),
    row(
        "space_to_depth",
        lambda attrs, x: _blocked(attrs, x, False),
        _space_to_depth,
        _te_space_to_depth,
        lambda call, grad: [op("depth_to_space")(grad, **call.attrs)],
        attributes=_BLOCKS,
        doc="Blocks of rows and columns as channels: the inverse of depth_to_space.",
    ),
    Op(
        "einsum",
        ("fields",),
        forward(_einsum_rule),
        _einsum,
        _te_einsum,
        Fuse.COMM_REDUCE,
        (Attribute("equation", "str"),),
        _einsum_gradient,
        doc="The sum of products over named axes of the tensors of a tuple, as `numpy.einsum`.",
    ),
)
