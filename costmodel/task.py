"""A tuning task: an operator, the shape it works on, and the target it is compiled for."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np

from compiler.suggest import unknown
from costmodel.space import Config, ConfigSpace, Replay

if TYPE_CHECKING:
    from compiler.ops.operator import Shape


@runtime_checkable
class Operator(Protocol):
    """What a task needs of an operator; `compiler.ops` has the built-in ones."""

    @property
    def name(self) -> str:
        """Unique among the operators."""

    @property
    def constants(self) -> tuple[str, ...]:
        """Names of the inputs that are the same in every call, such as weights."""

    def shape(self, *values: Any, **named: Any) -> Shape:
        """One value for each parameter, checked, defaults filled in."""

    def spell(self, shape: Shape) -> str:
        """The operator and its values in words, e.g. ``"matmul(512, 512, 512)"``."""

    def schedule(self, knobs: Any, *shape: Any) -> tuple[Any, Sequence[Any]]:
        """The template: a schedule and its argument tensors, the output last."""

    def inputs(self, rng: np.random.Generator, *shape: Any) -> list[np.ndarray]:
        """Random input arrays."""

    def output(self, *shape: Any) -> np.ndarray:
        """An array for the output, not filled."""

    def reference(self, *arguments: Any) -> np.ndarray:
        """The right answer, from ``(*inputs, *shape)``."""

    def flops(self, *shape: Any) -> int:
        """Floating-point operations of one call."""


@dataclass(frozen=True)
class TemplateOperator:
    """An operator made from a user's template by `register`."""

    name: str
    parameters: tuple[str, ...]
    template: Callable[..., tuple[Any, Sequence[Any]]]
    right_answer: Callable[..., np.ndarray]
    count: Callable[..., int]
    constants: tuple[str, ...] = ()

    def shape(self, *values: Any, **named: Any) -> Shape:
        given = [*values, *(named[p] for p in self.parameters[len(values) :] if p in named)]
        if len(given) != len(self.parameters) or len(given) != len(values) + len(named):
            raise ValueError(
                f"{self.name} takes {len(self.parameters)} shape values ({', '.join(self.parameters)}), "
                f"not {len(values) + len(named)}: {[*values, *named.values()]}"
            )
        for parameter, value in zip(self.parameters, given, strict=True):
            if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
                raise ValueError(f"{self.name}: {parameter} must be a whole number, not {value!r}")
            if value < 0:
                raise ValueError(f"{self.name}: {parameter} must not be negative, not {value}")
        return tuple(int(v) for v in given)

    def spell(self, shape: Shape) -> str:
        return f"{self.name}({', '.join(map(str, shape))})"

    def schedule(self, knobs: Any, *shape: int) -> tuple[Any, Sequence[Any]]:
        return self.template(knobs, *shape)

    def _tensors(self, shape: tuple[int, ...]) -> Sequence[Any]:
        from compiler.ops.knobs import Defaults

        return self.template(Defaults(), *shape)[1]

    def inputs(self, rng: np.random.Generator, *shape: int) -> list[np.ndarray]:
        arrays = []
        for tensor in self._tensors(shape)[:-1]:
            if str(tensor.dtype).startswith("float"):
                arrays.append(rng.standard_normal(tensor.shape).astype(tensor.dtype))
            else:
                arrays.append(rng.integers(0, 8, tensor.shape).astype(tensor.dtype))
        return arrays

    def output(self, *shape: int) -> np.ndarray:
        tensor = self._tensors(shape)[-1]
        return np.empty(tensor.shape, tensor.dtype)

    def reference(self, *arguments: Any) -> np.ndarray:
        return self.right_answer(*arguments)

    def flops(self, *shape: int) -> int:
        return int(self.count(*shape))


_registered: dict[str, TemplateOperator] = {}


def register(
    *,
    reference: Callable[..., np.ndarray],
    flops: Callable[..., int],
    name: str | None = None,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Make an operator of a template, a plain function ``(knobs, *shape) -> (schedule, [tensors])``.

    Inputs are drawn for the tensors that the template returns, the last being the output.

    Parameters
    ----------
    reference : callable
        ``(*inputs, *shape) -> array``: the right answer, in NumPy. Every tuned program is compared with it.
    flops : callable
        ``(*shape) -> int``: floating-point operations of one call.
    name : str, optional
        The operator's name; the function's unless told.

    Returns
    -------
    callable
        A decorator, which leaves the function as it is.

    Raises
    ------
    ValueError
        If the name belongs to a built-in operator or to another function's.

    Examples
    --------
    >>> @register(reference=lambda a, n: 2 * a, flops=lambda n: n)
    ... def twice(knobs, n):
    ...     A = te.placeholder((n,), "A")
    ...     B = te.compute((n,), lambda i: A[i] * 2.0, "B")
    ...     s = te.create_schedule(B.op)
    ...     outer, inner = s[B].split(B.op.axis[0], knobs.split("i", n, 2)[-1])
    ...     return s, [A, B]
    """

    def decorate(template: Callable[..., Any]) -> Callable[..., Any]:
        from compiler import ops

        called = name or template.__name__
        if called in {o.name for o in ops.OPERATORS}:
            raise ValueError(f"{called!r} is a built-in operator: register the template under another name")
        known = _registered.get(called)
        if known is not None and known.template.__qualname__ != template.__qualname__:
            raise ValueError(f"{called!r} is already registered, by {known.template.__qualname__}")
        parameters = tuple(inspect.signature(template).parameters)[1:]
        _registered[called] = TemplateOperator(called, parameters, template, reference, flops)
        return template

    return decorate


def operator(name: str) -> Operator:
    """The registered or built-in operator of that name.

    Raises
    ------
    ValueError
        For an unknown name, with the nearest known one.
    """
    from compiler import ops

    if name in _registered:
        return _registered[name]
    known = [o.name for o in ops.OPERATORS]
    if name in known:
        return ops.operator(name)
    raise ValueError(unknown("operator", name, [*known, *_registered]))


class Task:
    """What is tuned.

    Parameters
    ----------
    operator : str or Operator
        A registered or built-in operator, or its name.
    shape : sequence or mapping
        The values of the operator's parameters, in order or by name; what is left out is the parameter's
        default.
    target : str
        As `compiler.Target.parse` takes it.

    Raises
    ------
    ValueError
        For an unknown operator or target, or a shape that does not fit the operator.
    """

    def __init__(
        self, operator: str | Operator, shape: Sequence[Any] | Mapping[str, Any], target: str = "llvm"
    ) -> None:
        self.operator: Operator = _find(operator)
        self.shape: Shape = (
            self.operator.shape(**shape) if isinstance(shape, Mapping) else self.operator.shape(*shape)
        )
        self.target = _checked_target(target)

    def __repr__(self) -> str:
        return f"Task({self.key})"

    @cached_property
    def dtype(self) -> str:
        """Type of the output's elements."""
        return str(self.operator.output(*self.shape).dtype)

    @cached_property
    def key(self) -> str:
        """The task in words, e.g. ``"matmul(512, 512, 512, batch=8) float32 llvm"``."""
        return f"{self.call} {self.dtype} {self.target}"

    @property
    def call(self) -> str:
        """The operator and its values, e.g. ``"matmul(512, 512, 512, batch=8)"``."""
        return self.operator.spell(self.shape)

    @cached_property
    def flops(self) -> int:
        """Floating-point operations of one call."""
        return self.operator.flops(*self.shape)

    @cached_property
    def space(self) -> ConfigSpace:
        """The template's choices on this shape."""
        return ConfigSpace.record(lambda knobs: self.operator.schedule(knobs, *self.shape))

    def config(self, config: Config | Mapping[str, Any] | int | None = None) -> Config:
        """A configuration of this task's space, from an index, a mapping, or nothing (the default)."""
        if config is None:
            return self.space.default
        if isinstance(config, (int, np.integer)):
            return self.space.at(int(config))
        return config if isinstance(config, Config) else self.space.config(config)

    def instantiate(
        self, config: Config | Mapping[str, Any] | int | None = None
    ) -> tuple[Any, Sequence[Any]]:
        """The schedule and its argument tensors under a configuration.

        Parameters
        ----------
        config : Config, mapping or int, optional
            The default configuration unless told.

        Raises
        ------
        ValueError
            If the configuration does not belong to the space, or the template asks for other knobs
            than it did when the space was recorded.
        """
        replay = Replay(self.config(config))
        schedule, args = self.operator.schedule(replay, *self.shape)
        replay.finish()
        return schedule, args

    def gflops(self, seconds: float) -> float:
        """Speed of a call of that many seconds, in 1e9 floating-point operations a second."""
        return self.flops / seconds / 1e9


def _find(given: str | Operator) -> Operator:
    return operator(given) if isinstance(given, str) else given


def _checked_target(target: str) -> str:
    from compiler import Target

    Target.parse(target)
    return target
