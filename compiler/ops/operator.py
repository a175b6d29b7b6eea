"""An operator: a computation with its reference and its schedule template."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from compiler.ops.knobs import Knobs
from compiler.schedule.schedule import Schedule
from compiler.tensor import Tensor

Array = np.ndarray


@dataclass(frozen=True, slots=True)
class Operator:
    """A computation over shapes, with everything that tuning and checking it needs.

    Parameters
    ----------
    name : str
    parameters : tuple of str
        Names of the whole numbers that give the shape.
    template : callable
        ``template(knobs, *shape) -> (Schedule, [Tensor, ...])``: inputs first, then the output.
    make_inputs : callable
        ``make_inputs(rng, *shape) -> [ndarray, ...]``.
    compute_reference : callable
        ``compute_reference(inputs, *shape) -> ndarray`` with NumPy.
    count_flops : callable
        ``count_flops(*shape) -> int``: additions and multiplications.
    check : callable
        ``check(*shape)`` raises ValueError naming the parameter that cannot be.
    output_shape : callable
        ``output_shape(*shape) -> tuple of int``.
    reduction : callable
        ``reduction(*shape) -> int``: terms summed into one element of the output, which
        bounds the rounding error.
    """

    name: str
    parameters: tuple[str, ...]
    template: Callable[..., tuple[Schedule, list[Tensor]]]
    make_inputs: Callable[..., list[Array]]
    compute_reference: Callable[..., Array]
    count_flops: Callable[..., int]
    check: Callable[..., None]
    output_shape: Callable[..., tuple[int, ...]]
    reduction: Callable[..., int]

    def _checked(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        if len(shape) != len(self.parameters):
            raise ValueError(
                f"{self.name} takes {len(self.parameters)} numbers ({', '.join(self.parameters)}), "
                f"not {len(shape)}"
            )
        self.check(*shape)
        return shape

    def schedule(self, knobs: Knobs, *shape: int) -> tuple[Schedule, list[Tensor]]:
        """The program that `knobs` describes: a schedule, and its inputs and output.

        Raises
        ------
        ValueError
            If the shape cannot be; names the parameter.
        """
        return self.template(knobs, *self._checked(shape))

    def inputs(self, rng: np.random.Generator, *shape: int) -> list[Array]:
        """Random inputs of the shape."""
        return self.make_inputs(rng, *self._checked(shape))

    def output(self, *shape: int) -> Array:
        """An array for the output, not filled."""
        return np.empty(self.output_shape(*self._checked(shape)), np.float32)

    def reference(self, *inputs_and_shape: Array | int) -> Array:
        """The result by NumPy: ``reference(*inputs, *shape)``."""
        count = len(inputs_and_shape) - len(self.parameters)
        inputs = list(inputs_and_shape[:count])
        shape = tuple(int(n) for n in inputs_and_shape[count:])
        return self.compute_reference(inputs, *self._checked(shape))

    def flops(self, *shape: int) -> int:
        """Floating-point operations of one call."""
        return self.count_flops(*self._checked(shape))

    def tolerance(self, *shape: int) -> float:
        """How far an element may be from the reference, relative to the sum of the terms' sizes.

        Summing K float32 terms in any order errs by at most about ``K * 2**-24`` times the sum of
        their magnitudes (Higham, Accuracy and Stability of Numerical Algorithms, section 4.2);
        rounding errors of random sign grow as the square root of K, so a factor of the root with a
        margin of eight finds a wrong program long before the bound does.
        """
        return 8 * max(self.reduction(*self._checked(shape)), 1) ** 0.5 * 2.0**-24


def positive(operator: str, **sizes: int) -> None:
    """Raise unless every size is a whole number of at least one."""
    for name, size in sizes.items():
        if not isinstance(size, (int, np.integer)) or size < 1:
            raise ValueError(f"{operator}: {name} is {size!r}; a positive whole number is needed")
