"""Conversions of recurrent layers."""

from __future__ import annotations

from typing import Any

import numpy as np

from compiler.relay.importer.converter.table import NodeView, converts, dtype_of, shape_of
from compiler.relay.importer.errors import OnnxError
from compiler.relay.language.expr import Expr

_GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
_ACTIVATIONS = {"LSTM": 3, "GRU": 2, "RNN": 1}


@converts("LSTM", "GRU", "RNN")
def _recurrent(node: NodeView, x: Expr, w: Expr, r: Expr, *optional: Expr | None) -> Any:
    bias, lengths, hidden, cell, peepholes = [*optional, *[None] * 5][:5]
    kind, direction = node.proto.op_type, node.attr("direction")
    directions = 2 if direction == "bidirectional" else 1
    layout = node.attr("layout", 0)
    width = node.static(r, "the recurrence weight")[-1]
    declared = node.attr("hidden_size")
    if declared is not None and declared != width:
        raise OnnxError(f"hidden_size is {declared}; the recurrence weight has {width} columns")
    batch = shape_of(x)[0 if layout else 1]
    if type(batch) is not int:
        batch = node.static(x)[0 if layout else 1]
    if bias is None:
        bias = node.constant(np.zeros((directions, 2 * _GATES[kind] * width), dtype_of(x)))
    state = (batch, directions, width) if layout else (directions, batch, width)
    zeros = node.constant(np.zeros(state, dtype_of(x)))
    more = [v for v in (lengths, peepholes if kind == "LSTM" else None) if v is not None]
    names = (node.attr("activations") or [])[
        : directions * _ACTIVATIONS[kind]
    ]  # RNN's default is for two directions
    options: dict[str, Any] = {
        "direction": direction,
        "activations": tuple(n.lower() for n in names) if names else None,
        "alphas": tuple(node.attr("activation_alpha") or ()),
        "betas": tuple(node.attr("activation_beta") or ()),
        "clip": float(node.attr("clip") or 0.0),
        "layout": layout,
        "lens": lengths is not None,
    }
    initial = [zeros if hidden is None else hidden]
    if kind == "LSTM":
        initial.append(zeros if cell is None else cell)
        options["input_forget"] = bool(node.attr("input_forget", 0))
        options["peepholes"] = peepholes is not None
    elif kind == "GRU":
        options["linear_before_reset"] = bool(node.attr("linear_before_reset", 0))
    result = node.call(f"nn.{kind.lower()}", x, w, r, bias, *initial, *more, **options)
    return [node.field(result, i) for i in range(3 if kind == "LSTM" else 2)]
