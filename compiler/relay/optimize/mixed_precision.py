"""Mixed precision: products and convolutions in a narrower float type, what needs the range in float32."""

from __future__ import annotations

from typing import Any

from compiler.ir.node import CHILDREN
from compiler.relay.infer.infer import infer_type
from compiler.relay.language.expr import Call, Constant, Expr, Function, Tuple, TupleGetItem, Var, constant
from compiler.relay.language.module import IRModule
from compiler.relay.language.op import Fuse, Op, op
from compiler.relay.language.types import TensorType, Type
from compiler.relay.language.visit import map_functions, post_order

NARROW = ("float16", "bfloat16")

NEVER = frozenset(
    ("exp", "log", "log1p", "expm1", "power", "square")
    + ("sum", "mean", "prod", "variance", "std", "logsumexp", "l1", "l2", "sum_square", "cumsum", "cumprod")
    + ("nn.softmax", "nn.log_softmax", "nn.layer_norm", "nn.group_norm", "nn.instance_norm", "nn.rms_norm")
    + ("nn.lrn", "nn.l2_normalize", "nn.batch_norm", "nn.cross_entropy", "nn.nll_loss")
    + ("image.resize", "image.grid_sample", "image.affine_grid")
    + ("vision.non_max_suppression", "vision.roi_align", "vision.roi_pool")
    + ("qnn.quantize", "qnn.dynamic_quantize")
)
"""Operators that keep float32: sums that are stored, and functions that leave the range of a narrow type."""


def mixed_precision(module: IRModule, dtype: str = "float16") -> IRModule:
    """Compute in a narrower type where that is safe.

    Convolutions and products (operators that sum in float32 inside) get narrow operands and results.
    Elementwise and injective operators follow their operands. All others, and the results of the module, are
    float32 as before; a tensor is converted once, however many read it.

    Parameters
    ----------
    module : IRModule
    dtype : str
        ``"float16"`` or ``"bfloat16"``.

    Raises
    ------
    ValueError
        For another type.
    """
    if dtype not in NARROW:
        raise ValueError(f"dtype is {dtype!r}; {' or '.join(NARROW)} is needed")
    infer_type(module)
    return map_functions(module, lambda f: _Converter(dtype).function(f))


class _Converter:
    """Rewrites a data-flow graph; a function with other expressions is left as it is.

    Each tensor has up to two forms, float32 and narrow, which are made from one another when they are needed.
    """

    def __init__(self, dtype: str) -> None:
        self.dtype = dtype
        self._forms: dict[tuple[int, str], Expr] = {}
        self._own: dict[int, str] = {}  # the form in which a node is computed

    def function(self, function: Function) -> Function:
        nodes = post_order(function.body)
        if not all(type(n) in (Var, Constant, Call, Tuple, TupleGetItem, Op) for n in nodes):
            return function
        if any(type(n) is Call and type(n.function) is not Op for n in nodes):
            return function
        for node in nodes:
            if type(node) is not Op:
                self._convert(node)
        body = self._form(function.body, "float32")
        if body is function.body:
            return function
        return Function(function.params, body, function.result, function.type_params, function.attrs)

    def _convert(self, node: Any) -> None:
        form = "float32"
        if type(node) is Call:
            form = self._choose(node)
            made: Expr = Call(node.function, tuple(self._form(a, form) for a in node.args), node.attrs)
        elif type(node) is Tuple:
            made = node
            for form_of in ("float32", self.dtype):
                self._forms[id(node), form_of] = Tuple(tuple(self._form(f, form_of) for f in node.fields))
            self._own[id(node)] = self.dtype if self._all_narrow(node.fields) else "float32"
            return
        elif type(node) is TupleGetItem:
            form = self._own[id(node.tuple_value)]
            made = TupleGetItem(self._form(node.tuple_value, form), node.index)
        else:
            made = node
        same = all(
            a is b for a, b in zip(CHILDREN[type(made)](made), CHILDREN[type(node)](node), strict=True)
        )
        self._forms[id(node), form] = node if same else made
        self._own[id(node)] = form

    def _choose(self, call: Call) -> str:
        row = call.function
        assert isinstance(row, Op)
        if row.name in NEVER or row.name == "cast" or row.effect or not _is_float32(call.checked_type):
            return "float32"
        if row.fuse == Fuse.OUT_ELEMWISE_FUSABLE and call.attrs.get("out_dtype") in (None, ""):
            return self.dtype
        if row.fuse <= Fuse.INJECTIVE and self._all_narrow(call.args):
            return self.dtype
        return "float32"

    def _all_narrow(self, args: Any) -> bool:
        """Whether every operand of floats that is no constant is computed in the narrow type."""
        varying = [a for a in args if type(a) is not Constant and _has_float32(a.checked_type)]
        return bool(varying) and all(self._own[id(a)] == self.dtype for a in varying)

    def _form(self, node: Expr, form: str) -> Expr:
        """A node in one of the two forms; what is no float32 has one form."""
        key = id(node), form
        if key not in self._forms:
            source = self._forms.get((id(node), self._own[id(node)]), node)
            self._forms[key] = self._cast(node, source, form)
        return self._forms[key]

    def _cast(self, node: Expr, source: Expr, form: str) -> Expr:
        if not _is_float32(node.checked_type) or self._own[id(node)] == form:
            return source
        if type(source) is Constant:
            return constant(source.data, form)
        return op("cast")(source, dtype=form)


def _is_float32(type_: Type) -> bool:
    return isinstance(type_, TensorType) and type_.dtype == "float32"


def _has_float32(type_: Type) -> bool:
    return any(map(_is_float32, getattr(type_, "fields", (type_,))))
