"""An operator: what it computes, its reference, and its schedule template."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast

import numpy as np

from compiler.ops.knobs import Knobs
from compiler.ops.parameter import Parameter
from compiler.schedule.schedule import Schedule
from compiler.suggest import unknown
from compiler.te.tensor import Tensor

Array = np.ndarray
Shape = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Operator:
    """A family of computations, one for each choice of its parameters, with all that tuning and checking
    need.

    The functions take one value for each parameter, in their order.

    Parameters
    ----------
    name : str
    parameters : tuple of Parameter
        Those without a default first.
    compute : callable
        ``compute(*values) -> [Tensor, ...]``: what is computed, inputs first, then the output.
    template : callable
        ``template(knobs, *values) -> (Schedule, [Tensor, ...])``: how it is computed, with the same
        arguments.
    compute_reference : callable
        ``compute_reference(inputs, *values) -> ndarray`` with NumPy.
    count_flops : callable
        ``count_flops(*values) -> int``: additions and multiplications.
    reduction : callable
        ``reduction(*values) -> int``: terms summed into one element of the output, which bounds the
        rounding error.
    check : callable, optional
        ``check(*values)`` raises ValueError naming the parameter that does not go with the others.
    constants : tuple of str
        Names of the inputs that stay the same from call to call, as weights do: what depends on them alone is
        computed once, before the calls (see `compiler.build`).
    """

    name: str
    parameters: tuple[Parameter, ...]
    compute: Callable[..., list[Tensor]]
    template: Callable[..., tuple[Schedule, list[Tensor]]]
    compute_reference: Callable[..., Array]
    count_flops: Callable[..., int]
    reduction: Callable[..., int]
    check: Callable[..., None] | None = None
    constants: tuple[str, ...] = ()

    @property
    def required(self) -> int:
        """How many parameters, the first ones, have no default."""
        return sum(p.default is None for p in self.parameters)

    def shape(self, *values: Any, **named: Any) -> Shape:
        """One value for each parameter, checked, the defaults filled in.

        Raises
        ------
        ValueError
            For a missing, unknown or repeated parameter, or a value that cannot be; names the parameter.
        """
        parameters = self.parameters
        if len(values) > len(parameters):
            names = ", ".join(p.name for p in parameters)
            raise ValueError(f"{self.name} takes {len(parameters)} values ({names}), not {len(values)}")
        given: dict[str, Any] = dict(zip((p.name for p in parameters), values, strict=False))
        for name, value in named.items():
            if name not in {p.name for p in parameters}:
                raise ValueError(unknown(f"parameter of {self.name}", name, [p.name for p in parameters]))
            if name in given:
                raise ValueError(f"{self.name}: {name} is given twice")
            given[name] = value
        missing = [p.name for p in parameters if p.default is None and p.name not in given]
        if missing:
            needed = ", ".join(p.name for p in parameters[: self.required])
            raise ValueError(f"{self.name} needs {needed}; {', '.join(missing)} is missing")
        shape = tuple(p.check(self.name, given.get(p.name, p.default)) for p in parameters)
        if self.check is not None:
            self.check(*shape)
        return shape

    def spell(self, shape: Shape) -> str:
        """The operator and its values in words: ``"matmul(512, 512, 512, batch=8)"``, without the
        defaults.
        """
        words = []
        for parameter, value in zip(self.parameters, shape, strict=True):
            text = "x".join(map(str, value)) if isinstance(value, tuple) else str(value)
            if parameter.default is None:
                words.append(text)
            elif value != parameter.default:
                words.append(f"{parameter.name}={text}")
        return f"{self.name}({', '.join(words)})"

    def schedule(self, knobs: Knobs, *values: Any) -> tuple[Schedule, list[Tensor]]:
        """The program that `knobs` describes: a schedule, and its inputs and output.

        Raises
        ------
        ValueError
            If the shape cannot be; names the parameter.
        """
        return self.template(knobs, *self.shape(*values))

    def tensors(self, *values: Any) -> list[Tensor]:
        """What is computed: the inputs, then the output."""
        return list(_tensors(self, self.shape(*values)))

    def inputs(self, rng: np.random.Generator, *values: Any) -> list[Array]:
        """Random inputs of the shape."""
        tensors = self.tensors(*values)[:-1]
        return [rng.standard_normal(_extents(t), dtype=np.float32).astype(t.dtype) for t in tensors]

    def output(self, *values: Any) -> Array:
        """An array for the output, not filled."""
        tensor = self.tensors(*values)[-1]
        return np.empty(_extents(tensor), tensor.dtype)

    def reference(self, *inputs_and_values: Any) -> Array:
        """The result by NumPy: ``reference(*inputs, *values)``."""
        count = next((i for i, a in enumerate(inputs_and_values) if not isinstance(a, np.ndarray)), None)
        inputs, values = list(inputs_and_values[:count]), inputs_and_values[len(inputs_and_values[:count]) :]
        return self.compute_reference(inputs, *self.shape(*values))

    def flops(self, *values: Any) -> int:
        """Floating-point operations of one call."""
        return self.count_flops(*self.shape(*values))

    def tolerance(self, *values: Any) -> float:
        """How far an element may be from the reference, relative to the sum of the terms' sizes.

        Summing K float32 terms in any order errs by at most about ``K * 2**-24`` times the sum of
        their magnitudes (Higham, Accuracy and Stability of Numerical Algorithms, section 4.2);
        rounding errors of random sign grow as the square root of K, so a factor of the root with a
        margin of eight finds a wrong program long before the bound does.
        """
        return 8 * max(self.reduction(*self.shape(*values)), 1) ** 0.5 * 2.0**-24


def _extents(tensor: Tensor) -> tuple[int, ...]:
    """The shape of a tensor; no operator has sizes that only a call brings."""
    return cast("tuple[int, ...]", tensor.shape)


@lru_cache(maxsize=256)
def _tensors(operator: Operator, shape: Shape) -> tuple[Tensor, ...]:
    return tuple(operator.compute(*shape))
