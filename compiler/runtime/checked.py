"""`CheckedModule`: a compiled function with checks that each access is inside of its array."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import numpy as np

from compiler.runtime.module import Module
from compiler.runtime.timing import Timing


class CheckedModule(Module):
    """A module whose last parameter takes the violations of bounds; a call passes it and reports them.

    Parameters
    ----------
    module : Module
        Its last parameter has two elements for each check: the index that was outside, and the extent, -1
        where no index was.
    checks : sequence of str
        What each check is about.
    """

    def __init__(self, module: Module, checks: Sequence[str]) -> None:
        super().__init__(module._artifact, module._executable, module.missing, module._sources)
        self.params = self.params[:-1]
        self.checks = tuple(checks)

    def __call__(self, *arrays: Any) -> None:
        """Run the function, then raise an error if it accessed an element outside of an array.

        An element outside is read as zero, and not written.

        Raises
        ------
        IndexError
            For the first check that failed; names the tensor, the index, its value and the extent.
        ValueError
            If an argument is wrong, as `Module` does.
        """
        violations = self._violations(arrays)
        self._call(*arrays, violations)
        for check, (value, extent) in zip(self.checks, violations.reshape(-1, 2).tolist(), strict=True):
            if extent >= 0:
                raise IndexError(
                    f"{self.name} {check} is {value}, but the extent is {extent} "
                    f"(valid are 0 .. {extent - 1})"
                )

    def time_evaluator(
        self, number: int = 1, repeat: int = 3, min_repeat_ms: float = 0
    ) -> Callable[..., Timing]:
        """As `Module.time_evaluator`; violations of bounds are not reported."""
        inner = super().time_evaluator(number, repeat, min_repeat_ms)
        return lambda *arrays: inner(*arrays, self._violations(arrays))

    def save(self, path: str | os.PathLike[str]) -> NoReturn:
        """Always refused: a file holds a function without what its checks are about.

        Raises
        ------
        ValueError
        """
        raise ValueError(f"{self.name} checks bounds, which a saved module cannot: build it without them")

    def _violations(self, arrays: tuple[Any, ...]) -> np.ndarray:
        if len(arrays) != len(self.params):
            expected = ", ".join(map(str, self.params))
            raise ValueError(f"{self.name} takes {len(self.params)} array(s) ({expected}), not {len(arrays)}")
        return np.full(2 * len(self.checks), -1, np.int64)
