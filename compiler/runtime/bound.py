"""`Bindable`: a compiled function with constant arguments; `Bound`: the function with their values."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from compiler.ir.expr import Buffer, upper_bound
from compiler.runtime.array import empty
from compiler.runtime.module import Module
from compiler.runtime.timing import Timing


class Bindable:
    """A compiled function with constant arguments; `bind` computes once what depends on them alone.

    Parameters
    ----------
    params : sequence of Buffer
        The arguments in the order of the schedule's.
    constants : sequence of Buffer
        Those of them that are constant.
    prepare : Module
        Fills buffers from constants.
    main : Module
        Takes the other arguments, constants that it reads, and the filled buffers.
    """

    def __init__(
        self, params: Sequence[Buffer], constants: Sequence[Buffer], prepare: Module, main: Module
    ) -> None:
        self.params, self.constants = tuple(params), tuple(constants)
        self.prepare, self.main = prepare, main

    def bind(self, *arrays: np.ndarray) -> Bound:
        """Compute what depends on the constants alone; the arrays are copied, so they may change afterwards.

        Parameters
        ----------
        *arrays : ndarray
            One for each of `constants`, in their order.

        Raises
        ------
        ValueError
            If the number of arrays is wrong, or one has a wrong dtype or shape; names it.
        """
        if len(arrays) != len(self.constants):
            names = ", ".join(map(str, self.constants))
            raise ValueError(
                f"{self.main.name} has {len(self.constants)} constant(s) ({names}), not {len(arrays)}"
            )
        given = dict(zip(self.constants, arrays, strict=True))
        filled = {
            b: empty(tuple(upper_bound(extent) for extent in b.shape), b.dtype)
            for b in self.prepare.params
            if b not in given
        }
        self.prepare(*({**given, **filled}[b] for b in self.prepare.params))
        kept = {b: np.array(given[b]) for b in self.main.params if b in given}
        return Bound(self, {**kept, **filled})

    def source(self, kind: str | None = None) -> str:
        """The text of a stage of the compilation of the main function; `kind` is as in `Module.source`."""
        return self.main.source(kind)


class Bound:
    """A compiled function with the values of its constants: call it with the other arguments, in order."""

    def __init__(self, function: Bindable, arrays: dict[Buffer, np.ndarray]) -> None:
        self.function = function
        self.params = tuple(b for b in function.params if b not in function.constants)
        self._operands = [arrays[b] if b in arrays else self.params.index(b) for b in function.main.params]

    def _arguments(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        if len(arrays) != len(self.params):
            names = ", ".join(map(str, self.params))
            raise ValueError(
                f"{self.function.main.name} takes {len(self.params)} array(s) ({names}), not {len(arrays)}"
            )
        return [arrays[operand] if isinstance(operand, int) else operand for operand in self._operands]

    def __call__(self, *arrays: np.ndarray) -> None:
        """Run the function on one array for each parameter that is not constant.

        Parameters and errors are those of `Module.__call__`.
        """
        self.function.main(*self._arguments(arrays))

    def time_evaluator(
        self, number: int = 1, repeat: int = 3, min_repeat_ms: float = 0
    ) -> Callable[..., Timing]:
        """A function that takes the arguments that are not constant, and measures calls with them.

        Parameters, result and errors are those of `Module.time_evaluator`.
        """
        evaluate = self.function.main.time_evaluator(number, repeat, min_repeat_ms)
        return lambda *arrays: evaluate(*self._arguments(arrays))

    def source(self, kind: str | None = None) -> str:
        """The text of a stage of the compilation of the main function; `kind` is as in `Module.source`."""
        return self.function.source(kind)
