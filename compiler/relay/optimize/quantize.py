"""Quantization: convolutions and dense layers on bytes, with scales that sample inputs determine.

Three steps, as in Relay (arXiv 1904.08368, section 4.5): the layers are annotated, calibrated by the ranges
that their data has on samples, and realized as operators on integers. The numbers are those of Jacob et al.
(arXiv 1712.05877, section 2): data in uint8 with a zero point, weights in int8 with a scale for each output
channel.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from compiler.relay.infer.infer import infer_type
from compiler.relay.interpret.evaluate import evaluate
from compiler.relay.language.expr import Call, Constant, Expr, Function, Tuple, constant
from compiler.relay.language.module import MAIN, IRModule
from compiler.relay.language.op import is_call_of, op
from compiler.relay.language.types import TensorType
from compiler.relay.language.visit import post_order, rewrite
from compiler.relay.optimize.integer_layers import Quantized, Weights, on_integers
from compiler.relay.optimize.pipeline import optimize

LAYERS = ("nn.conv1d", "nn.conv2d", "nn.dense")
"""Operators that are quantized, where their weights are constant."""

METHODS = ("range", "percentile")


@dataclass(frozen=True, slots=True)
class Scale:
    """How a tensor of floats is held in uint8: ``value = scale * (byte - zero_point)``."""

    scale: float
    zero_point: int

    @staticmethod
    def of_range(low: float, high: float) -> Scale:
        """The scale that covers a range, in which zero is exact: padding adds zeros."""
        low, high = min(low, 0.0), max(high, 0.0)
        scale = (high - low) / 255 or 1.0
        return Scale(scale, int(np.clip(round(-low / scale), 0, 255)))


def quantize(
    module: IRModule,
    samples: Iterable[Sequence[np.ndarray] | Mapping[str, np.ndarray]],
    *,
    method: str = "percentile",
    keep: Collection[str] = (),
) -> IRModule:
    """Return the module with its convolutions and dense layers on integers.

    Parameters
    ----------
    module : IRModule
        Of floats, a data-flow graph with static shapes. It is optimized first, so that normalizations are
        part of the weights.
    samples : iterable of sequence or mapping of ndarray
        Inputs of ``main``, by position or by name: some dozens of what the program will see.
    method : str
        How a range follows from the samples. ``"range"``: from the least to the greatest value.
        ``"percentile"``: without the 0.01 % of values at each end, which costs rare large values and gains
        resolution for all others.
    keep : collection of str
        Operators that stay as they are, such as ``"nn.dense"``.

    Returns
    -------
    IRModule
        Whose inputs and results are floats as before.

    Raises
    ------
    ValueError
        For an unknown method or operator to keep, without a sample, or if a sample does not fit ``main``.
    """
    if method not in METHODS:
        raise ValueError(f"method is {method!r}; {' or '.join(METHODS)} is needed")
    wrong = sorted(set(keep) - set(LAYERS))
    if wrong:
        raise ValueError(f"{wrong[0]} is not quantized in any case; {', '.join(LAYERS)} are")
    module = optimize(module)
    infer_type(module)
    layers = [node for node in post_order(module.main.body) if _is_layer(node, keep)]
    if not layers:
        return module
    scales = _calibrated(module, [layer.args[0] for layer in layers], samples, method)
    chosen = {id(layer): scales[id(layer.args[0])] for layer in layers}
    shared: dict[tuple[int, Scale], Expr] = {}

    def realize(node: Any, old: Any) -> Any:
        scale = chosen.get(id(old))
        return node if scale is None else _realized(node, scale, shared)

    return infer_type(module.with_functions({MAIN: rewrite(module.main, realize)}))


def _is_layer(node: Any, keep: Collection[str]) -> bool:
    """Whether a call has constant weights of floats, and data in the usual layout."""
    if not is_call_of(node, *LAYERS) or node.function.name in keep or type(node.args[1]) is not Constant:
        return False
    floats = isinstance(node.checked_type, TensorType) and node.checked_type.dtype == "float32"
    return floats and node.attrs.get("data_layout", "NC")[:2] == "NC"


def _calibrated(
    module: IRModule, tensors: Sequence[Expr], samples: Iterable[Any], method: str
) -> dict[int, Scale]:
    """``id`` of a tensor -> its scale, by the values that it has for the samples."""
    distinct = list({id(t): t for t in tensors}.values())
    main = module.main
    watched = module.with_functions({MAIN: Function(main.params, Tuple(tuple(distinct)))})
    infer_type(watched)
    names = [p.name for p in main.params]
    ranges: list[list[tuple[float, float]]] = [[] for _ in distinct]
    for sample in samples:
        if isinstance(sample, Mapping):
            missing = [name for name in names if name not in sample]
            if missing:
                raise ValueError(
                    f"a sample has no value for the input {missing[0]}; it has {', '.join(sample)}"
                )
            sample = [sample[name] for name in names]
        values = evaluate(watched, *sample)
        for found, value in zip(ranges, values, strict=True):
            found.append(_range(np.asarray(value), method))
    if not ranges[0]:
        raise ValueError("quantization needs at least one sample of the inputs")
    scales = {}
    for tensor, found in zip(distinct, ranges, strict=True):
        lows, highs = zip(*found, strict=True)
        scales[id(tensor)] = Scale.of_range(min(lows), max(highs))
    return scales


def _range(value: np.ndarray, method: str) -> tuple[float, float]:
    if method == "range":
        return float(value.min()), float(value.max())
    low, high = np.percentile(value, [0.01, 99.99])
    return float(low), float(high)


def _realized(node: Call, scale: Scale, shared: dict[tuple[int, Scale], Expr]) -> Expr:
    """A layer on bytes, whose sums are scaled back to floats."""
    weight = node.args[1].data  # type: ignore[attr-defined]
    largest = np.abs(weight).reshape(weight.shape[0], -1).max(1)
    steps = np.where(largest == 0, 1, largest / 127).astype("float32")
    along = steps.reshape(-1, *[1] * (weight.ndim - 1))
    integers = np.clip(np.rint(weight / along), -127, 127).astype("int8")
    key = id(node.args[0]), scale
    if key not in shared:  # one conversion for all layers that read a tensor
        zero = constant(scale.zero_point, "uint8")
        shared[key] = op("qnn.quantize")(node.args[0], constant(scale.scale), zero, out_dtype="uint8")
    quantized = Quantized(shared[key], "uint8", scale.scale, scale.zero_point)
    return on_integers(node.function.name, quantized, Weights(integers, steps), node.attrs)  # type: ignore[attr-defined]
