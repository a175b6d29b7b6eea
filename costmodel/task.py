"""`Task`: an operator, the values of its parameters, and the target of its programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from compiler import Target
from compiler.ops.chosen import chosen
from compiler.ops.derive import with_schedule
from compiler.ops.operator import Operator, Shape
from costmodel.registry import operator as find
from costmodel.space import Config, ConfigSpace, Replay


class Task:
    """An operator with the values of its parameters and a target: the unit of tuning.

    Parameters
    ----------
    operator : str or Operator
        A registered or built-in operator, or its name.
    shape : sequence or mapping
        The values of the operator's parameters, in order or by name; those that are not given have their
        defaults.
    target : str
        As `compiler.Target.parse` takes it.

    Raises
    ------
    ValueError
        For an unknown operator or target, a shape that the operator does not allow, or a kind of target that
        it has no schedule for and none is derived for (see `compiler.ops.derive`).
    """

    def __init__(
        self, operator: str | Operator, shape: Sequence[Any] | Mapping[str, Any], target: str = "llvm"
    ) -> None:
        found = find(operator) if isinstance(operator, str) else operator
        self.operator: Operator = with_schedule(found, Target.parse(target).kind)
        self.shape: Shape = (
            self.operator.shape(**shape) if isinstance(shape, Mapping) else self.operator.shape(*shape)
        )
        self.operator.template(Target.parse(target).kind)
        self.target = target

    def __repr__(self) -> str:
        return f"Task({self.key})"

    @cached_property
    def dtype(self) -> str:
        """Element type of the output; of several outputs, their types joined by ``+``."""
        return "+".join(dict.fromkeys(self.operator.dtypes(*self.shape)))

    @cached_property
    def key(self) -> str:
        """The task as text, e.g. ``"matmul(512, 512, 512, batch=8) float32 llvm"``."""
        return f"{self.call} {self.dtype} {self.target}"

    @property
    def call(self) -> str:
        """The operator and its values, e.g. ``"matmul(512, 512, 512, batch=8)"``."""
        return self.operator.spell(self.shape)

    @cached_property
    def flops(self) -> int:
        """Number of operations of one call."""
        return self.operator.flops(*self.shape)

    @cached_property
    def space(self) -> ConfigSpace:
        """The template's choices for this shape."""
        return ConfigSpace.record(
            lambda knobs: self.operator.schedule(knobs, *self.shape, target=self.target)
        )

    def config(self, config: Config | Mapping[str, Any] | int | None = None) -> Config:
        """Return a configuration of this task's space, from an index, a mapping, or nothing (the default)."""
        if config is None:
            return self.space.default
        if isinstance(config, (int, np.integer)):
            return self.space.at(int(config))
        return config if isinstance(config, Config) else self.space.config(config)

    def instantiate(
        self, config: Config | Mapping[str, Any] | int | None = None
    ) -> tuple[Any, Sequence[Any]]:
        """Return the schedule and its argument tensors under a configuration.

        Parameters
        ----------
        config : Config, mapping or int, optional
            By default what `compiler.ops.chosen_by` states for the surrounding block, such as the best record
            inside of `costmodel.apply_history_best`, and otherwise the default configuration.

        Raises
        ------
        ValueError
            If the configuration does not belong to the space, or the template requests other knobs
            than it did when the space was recorded.
        """
        if config is None:
            better = chosen(self.operator, self.shape, Target.parse(self.target))
            if better is not None:
                return self.operator.schedule(better, *self.shape, target=self.target)
        replay = Replay(self.config(config))
        schedule, args = self.operator.schedule(replay, *self.shape, target=self.target)
        replay.finish()
        return schedule, args

    def gflops(self, seconds: float) -> float:
        """Return the speed of a call of that many seconds, in 1e9 operations per second."""
        return self.flops / seconds / 1e9
