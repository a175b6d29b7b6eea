"""`Bindable`: a compiled function some of whose arguments stay the same; `Bound`: one that has got them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from compiler.ir.expr import Buffer, most
from compiler.runtime.module import Module
from compiler.runtime.timing import Timing


class Bindable:
    """A compiled function that computes what depends on its constants alone once, in `bind`.

    Parameters
    ----------
    params : sequence of Buffer
        The arguments in the order of the schedule's.
    constants : sequence of Buffer
        Those of them that are constant.
    prepare : Module
        Fills buffers from constants.
    main : Module
        Takes the other arguments, perhaps constants, and the filled buffers.
    """

    def __init__(
        self, params: Sequence[Buffer], constants: Sequence[Buffer], prepare: Module, main: Module
    ) -> None:
        self.params, self.constants = tuple(params), tuple(constants)
        self.prepare, self.main = prepare, main

    def bind(self, *arrays: np.ndarray) -> Bound:
        """The function for these constants, which are read now and may change afterwards.

        Parameters
        ----------
        *arrays : ndarray
            One for each of `constants`, in their order.

        Raises
        ------
        ValueError
            If the arrays are not as many, or one does not fit; names it.
        """
        if len(arrays) != len(self.constants):
            names = ", ".join(map(str, self.constants))
            raise ValueError(
                f"{self.main.name} has {len(self.constants)} constant(s) ({names}), not {len(arrays)}"
            )
        given = dict(zip(self.constants, arrays, strict=True))
        filled = {
            b: np.empty([most(extent) for extent in b.shape], b.dtype)
            for b in self.prepare.params
            if b not in given
        }
        self.prepare(*({**given, **filled}[b] for b in self.prepare.params))
        kept = {b: np.array(given[b]) for b in self.main.params if b in given}
        return Bound(self, {**kept, **filled})

    def source(self, kind: str = "llvm") -> str:
        """A stage of the compilation of what each call runs; see `Module.source`."""
        return self.main.source(kind)


class Bound:
    """A compiled function with its constants: call it with the other arguments, in their order."""

    def __init__(self, function: Bindable, arrays: dict[Buffer, np.ndarray]) -> None:
        self.function = function
        self.params = tuple(b for b in function.params if b not in function.constants)
        self._places = [arrays[b] if b in arrays else self.params.index(b) for b in function.main.params]

    def _arguments(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        if len(arrays) != len(self.params):
            names = ", ".join(map(str, self.params))
            raise ValueError(
                f"{self.function.main.name} takes {len(self.params)} array(s) ({names}), not {len(arrays)}"
            )
        return [arrays[place] if isinstance(place, int) else place for place in self._places]

    def __call__(self, *arrays: np.ndarray) -> None:
        """Run the function; see `Module.__call__`."""
        self.function.main(*self._arguments(arrays))

    def time_evaluator(
        self, number: int = 1, repeat: int = 3, min_repeat_ms: float = 0
    ) -> Callable[..., Timing]:
        """As `Module.time_evaluator`, for the arguments that are not constant."""
        evaluate = self.function.main.time_evaluator(number, repeat, min_repeat_ms)
        return lambda *arrays: evaluate(*self._arguments(arrays))

    def source(self, kind: str = "llvm") -> str:
        """A stage of the compilation; see `Module.source`."""
        return self.function.source(kind)
