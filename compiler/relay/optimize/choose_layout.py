"""Layout choice: chains of convolutions keep blocks of channels contiguous, converted once at each end."""

from __future__ import annotations

from typing import Any

import numpy as np

from compiler.ir.node import CHILDREN, REBUILD
from compiler.relay.infer.infer import infer_type
from compiler.relay.language.attributes import Attrs
from compiler.relay.language.expr import (
    Call,
    Constant,
    Expr,
    Function,
    Tuple,
    TupleGetItem,
    Var,
    copy_notes,
)
from compiler.relay.language.layout import Layout
from compiler.relay.language.module import IRModule
from compiler.relay.language.op import Fuse, Op, is_call_of, op
from compiler.relay.language.types import TensorType
from compiler.relay.language.visit import map_functions, post_order

PLAIN = "NCHW"
BLOCK = 16
BLOCKED = f"NCHW{BLOCK}c"

POOLS = ("nn.max_pool2d", "nn.avg_pool2d")


def choose_layout(module: IRModule) -> IRModule:
    """Give two-dimensional convolutions, and what lies between them, a layout of blocks of channels.

    A convolution whose channels are whole blocks is computed on blocks: its lanes are then channels, which
    need no transposition when a result is stored. Elementwise operators, pools and concatenations of channels
    follow their operands. Everything else has the usual layout; a tensor is converted once, however many
    operators read it, and constants when the program is compiled.

    It is no part of `optimize`: the schedules of convolutions in the usual layout transpose tiles in
    registers, and whether blocks gain depends on the model.
    """
    infer_type(module)
    return map_functions(module, lambda f: _Chooser().function(f))


class _Chooser:
    """Rewrites a data-flow graph; a function with other expressions is left as it is.

    A node has up to two forms, of which the other one is made when it is needed.
    """

    def __init__(self) -> None:
        self._plain: dict[int, Expr] = {}
        self._blocked: dict[int, Expr] = {}
        self._computed: set[int] = set()  # in blocks

    def function(self, function: Function) -> Function:
        nodes = post_order(function.body)
        if not all(type(n) in (Var, Constant, Tuple, TupleGetItem, Op) or is_call_of(n) for n in nodes):
            return function
        if sum(map(_has_blocks, nodes)) < 2:
            return function  # the conversions at both ends cost more than one convolution gains
        for node in nodes:
            blocked = self._on_blocks(node) if type(node) is Call else None
            if blocked is not None:
                self._blocked[id(node)] = copy_notes(node, blocked)
                self._computed.add(id(node))
            elif type(node) not in (Op, Tuple):  # a concatenation may read the fields in blocks
                self._plain[id(node)] = self._rebuilt(node)
        body = self._in_plain(function.body)
        return Function(function.params, body, function.result, function.type_params, function.attrs)

    def _rebuilt(self, node: Any) -> Any:
        below = CHILDREN[type(node)](node)
        new = tuple(c if type(c) is Op else self._in_plain(c) for c in below)
        if all(a is b for a, b in zip(new, below, strict=True)):
            return node
        return copy_notes(node, REBUILD[type(node)](node, new))

    def _in_plain(self, node: Expr) -> Expr:
        if type(node) is Tuple and id(node) not in self._plain:
            self._plain[id(node)] = self._rebuilt(node)
        elif id(node) not in self._plain:
            blocked = self._blocked[id(node)]
            self._plain[id(node)] = op("layout_transform")(blocked, src_layout=BLOCKED, dst_layout=PLAIN)
        return self._plain[id(node)]

    def _in_blocks(self, node: Expr) -> Expr:
        if id(node) not in self._blocked:
            plain = self._in_plain(node)
            self._blocked[id(node)] = op("layout_transform")(plain, src_layout=PLAIN, dst_layout=BLOCKED)
        return self._blocked[id(node)]

    def _on_blocks(self, node: Call) -> Expr | None:
        """The call on blocks, or None if it stays in the usual layout."""
        row = node.function
        assert isinstance(row, Op)
        if _has_blocks(node):
            return self._call(row, (self._in_blocks(node.args[0]), *node.args[1:]), node.attrs, "data_layout")
        if row.name in POOLS and self._is_blocked(node.args[0]) and node.attrs.layout == PLAIN:
            return self._call(row, (self._in_blocks(node.args[0]),), node.attrs, "layout")
        if row.name == "concatenate" and type(node.args[0]) is Tuple and node.attrs.axis in (1, -3):
            fields = node.args[0].fields
            if all(map(self._is_blocked, fields)):
                return Call(row, (Tuple(tuple(map(self._in_blocks, fields))),), node.attrs.replace(axis=1))
        if row.fuse <= Fuse.BROADCAST and "axis" not in node.attrs and any(map(self._is_blocked, node.args)):
            operands = [self._operand(a, node) for a in node.args]
            if all(o is not None for o in operands):
                return Call(row, tuple(operands), node.attrs)  # type: ignore[arg-type]
        return None

    @staticmethod
    def _call(row: Op, args: tuple[Expr, ...], attrs: Attrs, layout: str) -> Expr:
        return Call(row, args, attrs.replace(**{layout: BLOCKED}))

    def _is_blocked(self, node: Expr) -> bool:
        return id(node) in self._computed

    def _operand(self, node: Expr, result: Call) -> Expr | None:
        """An operand of an elementwise operator as it is broadcast to a result in blocks."""
        if not _is_image(result):
            return None
        type_ = node.checked_type
        if not isinstance(type_, TensorType) or not type_.concrete or len(type_.dims) > 4:
            return None
        dims = (1,) * (4 - len(type_.dims)) + type_.dims
        if dims[1] % BLOCK and dims[1] != 1:
            return None
        if type(node) is Constant:
            data = node.data.reshape(dims)
            if dims[1] == 1:
                return Constant(data[..., np.newaxis], node.dtype)
            return Constant(Layout.parse(BLOCKED).packed(data, PLAIN), node.dtype)
        if len(type_.dims) == 4 and dims[1] != 1:
            return self._in_blocks(node)
        if dims[1] == 1:
            return op("reshape")(self._in_plain(node), newshape=(*dims, 1))
        return None


def _is_image(node: Expr) -> bool:
    """Whether an expression is images with whole blocks of channels."""
    type_ = node.checked_type
    if not isinstance(type_, TensorType) or not type_.concrete or len(type_.dims) != 4:
        return False
    return type_.dims[1] % BLOCK == 0


def _has_blocks(node: Any) -> bool:
    """Whether a call is a convolution of whole blocks of channels to whole blocks."""
    if not is_call_of(node, "nn.conv2d") or node.attrs.data_layout != PLAIN or node.attrs.out_layout:
        return False
    if not _is_image(node) or not _is_image(node.args[0]) or type(node.args[1]) is not Constant:
        return False
    groups, channels = node.attrs.groups, node.args[0].checked_type.dims[1]
    return groups == 1 or groups == channels == node.checked_type.dims[1]
