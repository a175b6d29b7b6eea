"""Simplification for inference: normalization by stored moments, and dropout, as what remains of them."""

from __future__ import annotations

from typing import Any

from compiler.relay.infer.infer import infer_type
from compiler.relay.infer.relations import normalized_axis, rank, tensor
from compiler.relay.language.expr import Call, Expr, Tuple, TupleGetItem, constant
from compiler.relay.language.module import IRModule
from compiler.relay.language.op import is_call_of, op
from compiler.relay.language.visit import map_functions, rewrite


def simplify_inference(module: IRModule) -> IRModule:
    """Replace operators that differ between training and inference by what they do in inference."""
    infer_type(module)
    return map_functions(module, lambda f: rewrite(f, _simplified))


def _simplified(node: Any, old: Any) -> Any:
    if type(node) is TupleGetItem and type(node.tuple_value) is Tuple:
        return node.tuple_value.fields[node.index]
    if is_call_of(node, "nn.batch_norm") and not node.attrs.get("training"):
        return _batch_norm(node, old)
    if is_call_of(node, "nn.dropout"):
        mask = old.checked_type.fields[1]
        return Tuple((node.args[0], op("ones")(shape=mask.dims, dtype=mask.dtype)))
    return node


def _batch_norm(node: Call, old: Call) -> Expr:
    """``(data * scale + shift, mean, variance)``, with what the constants determine computed apart."""
    data, gamma, beta, mean, variance = node.args
    type_ = tensor(old.args[0].checked_type)
    axis = normalized_axis(node.attrs.axis, rank(type_))
    following = rank(type_) - axis - 1
    epsilon = constant(node.attrs.epsilon, str(type_.dtype))
    scale = op("divide")(gamma, op("sqrt")(op("add")(variance, epsilon)))
    shift = op("subtract")(beta, op("multiply")(mean, scale))

    def along(vector: Expr) -> Expr:
        return op("expand_dims")(vector, axis=1, num_newaxis=following) if following else vector

    result = op("add")(op("multiply")(data, along(scale)), along(shift))
    return Tuple((result, mean, variance))
