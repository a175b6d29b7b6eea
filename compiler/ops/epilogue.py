"""`Epilogue`: bias, residual and activation, applied to each element of a result before it is stored.

Fused into the last stage of an operator it needs no further pass over memory (TVM, arXiv 1802.04799,
section 3).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from compiler import te
from compiler.ir.dtype import is_float
from compiler.ir.expr import Expr
from compiler.ops.parameter import Parameter
from compiler.te.tensor import Tensor

Array = np.ndarray


def _np_erf(x: Array) -> Array:
    from scipy.special import erf

    return erf(x).astype(x.dtype)


# name -> (of an expression, with NumPy)
ACTIVATIONS: dict[str, tuple[Callable[[Expr], Expr], Callable[[Array], Array]]] = {
    "relu": (lambda x: te.maximum(x, 0), lambda x: np.maximum(x, 0)),
    "relu6": (lambda x: te.minimum(te.maximum(x, 0), 6), lambda x: np.clip(x, 0, 6)),
    "sigmoid": (lambda x: 1.0 / (1.0 + te.exp(0.0 - x)), lambda x: 1.0 / (1.0 + np.exp(-x))),
    "tanh": (te.tanh, np.tanh),
    "gelu": (
        lambda x: x * 0.5 * (1.0 + te.erf(x * math.sqrt(0.5))),
        lambda x: x * x.dtype.type(0.5) * (1.0 + _np_erf(x * x.dtype.type(math.sqrt(0.5)))),
    ),
}

EXACT_ACTIVATIONS = ("relu", "relu6")
"""Activations that take integers too."""

WORDS = ("none",) + tuple(
    "+".join(part for part in parts if part)
    for parts in product(("", "bias"), ("", "residual"), ("", *ACTIVATIONS))
    if any(parts)
)
"""Every epilogue, spelled as its steps in order: ``"bias+residual+relu"``."""

EPILOGUE = Parameter("epilogue", "word", "none", WORDS)


@dataclass(frozen=True, slots=True)
class Epilogue:
    """The steps between a sum and the stored element.

    Parameters
    ----------
    bias : bool
        A number for each output channel is added.
    residual : bool
        A tensor of the output's shape is added.
    activation : str
        One of `ACTIVATIONS`, or the empty string.
    """

    bias: bool
    residual: bool
    activation: str

    @classmethod
    def parse(cls, word: str) -> Epilogue:
        """Return the epilogue that one of `WORDS` spells."""
        steps = word.split("+")
        return cls("bias" in steps, "residual" in steps, steps[-1] if steps[-1] in ACTIVATIONS else "")

    def check(self, operator: str, dtype: str) -> None:
        """Raise ValueError if the steps do not apply to a result of this type."""
        if self.activation and not is_float(dtype) and self.activation not in EXACT_ACTIVATIONS:
            raise ValueError(
                f"{operator}: the epilogue {self.activation!r} needs a floating-point result, not {dtype}; "
                f"integers take {' or '.join(EXACT_ACTIVATIONS)}"
            )

    def placeholders(
        self, bias_shape: Sequence[int], output_shape: Sequence[int], dtype: str = "float32"
    ) -> list[Tensor]:
        """Return the inputs that the steps need, in order: bias, residual."""
        inputs = [te.placeholder(bias_shape, "bias", dtype)] if self.bias else []
        return inputs + ([te.placeholder(output_shape, "residual", dtype)] if self.residual else [])

    def apply(
        self, value: Expr, inputs: Sequence[Tensor], channel: Sequence[Expr], indices: Sequence[Expr]
    ) -> Expr:
        """Return `value` after the steps, at `indices` of the output; `channel` indexes the bias."""
        rest = list(inputs)
        if self.bias:
            value = value + rest.pop(0)[tuple(channel)]
        if self.residual:
            value = value + rest.pop(0)[tuple(indices)]
        return ACTIVATIONS[self.activation][0](value) if self.activation else value

    def reference(self, result: Array, inputs: Sequence[Array], bias_shape: Sequence[int]) -> Array:
        """Apply the steps with NumPy; `bias_shape` makes the bias broadcast along the output."""
        rest = list(inputs)
        if self.bias:
            result = result + rest.pop(0).reshape(tuple(bias_shape))
        if self.residual:
            result = result + rest.pop(0)
        return ACTIVATIONS[self.activation][1](result) if self.activation else result
