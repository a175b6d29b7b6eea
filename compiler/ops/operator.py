"""`Operator`: a family of computations, its reference and tolerance, and schedules by kind of target."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from math import prod
from typing import Any, cast

import numpy as np

from compiler.backend import Target
from compiler.ops.chosen import chosen
from compiler.ops.consumer import Consumer
from compiler.ops.inputs import draw, safe_integers
from compiler.ops.knobs import Defaults, Knobs
from compiler.ops.parameter import Parameter
from compiler.ops.rounding import Rounding
from compiler.runtime.array import memory_layout, numpy_dtype
from compiler.schedule.schedule import Schedule
from compiler.suggest import unknown
from compiler.te.tensor import Placeholder, Tensor

Array = np.ndarray
Shape = tuple[Any, ...]
Template = Callable[..., tuple[Schedule, Sequence[Tensor]]]
"""``template(knobs, *values) -> (Schedule, [Tensor, ...])``: inputs first, then outputs. A template with a
keyword parameter ``target`` is given the `Target`, one with ``consumer`` the `Consumer` of its result, whose
inputs follow those of the operator."""


@dataclass(frozen=True, slots=True, eq=False)
class Operator:
    """A family of computations, one for each choice of its parameters, with what tuning and checking need.

    Each function takes one value for each parameter, in their order. Two operators are equal only if
    identical.

    Parameters
    ----------
    name : str
        Unique among the operators.
    parameters : tuple of Parameter
        Those without a default first. The type of the operands is the parameter ``dtype``, where there is a
        choice.
    schedules : mapping of str to callable
        Kind of target to schedule template, see `Template`.
    compute_reference : callable
        ``compute_reference(inputs, *values)`` returns the exact result with NumPy: an array, or a sequence
        of one for each output.
    count_flops : callable
        ``count_flops(*values) -> int``: additions and multiplications.
    rounding : callable, optional
        ``rounding(*values) -> Rounding``: the error model, from which the tolerance of the result follows. By
        default that of a sum of as many products as `count_flops` allows for each element of the largest
        output.
    compute : callable, optional
        ``compute(*values) -> [Tensor, ...]``: what is computed, inputs first, then outputs. By default what
        the first schedule template returns.
    check : callable, optional
        ``check(*values)`` raises ValueError that names a parameter which does not fit the others.
    constants : tuple of str
        Names of the inputs that stay the same from call to call, as weights do: stages that depend on them
        alone are computed once, before the calls (see `compiler.build`).
    generate_inputs : callable, optional
        ``generate_inputs(rng, *values) -> [ndarray, ...]``: random inputs in the domain of the operator. By
        default they are drawn by type, see `compiler.ops.inputs.draw`.
    integers : tuple of int, optional
        Least and greatest value of integer inputs; by default a range for which no sum can overflow.
    """

    name: str
    parameters: tuple[Parameter, ...]
    schedules: Mapping[str, Template]
    compute_reference: Callable[..., Any]
    count_flops: Callable[..., int]
    rounding: Callable[..., Rounding] | None = None
    compute: Callable[..., Sequence[Tensor]] | None = None
    check: Callable[..., None] | None = None
    constants: tuple[str, ...] = ()
    generate_inputs: Callable[..., Sequence[Array]] | None = None
    integers: tuple[int, int] | None = None

    @property
    def required(self) -> int:
        """Number of parameters without a default; they are the first ones."""
        return sum(p.default is None for p in self.parameters)

    def shape(self, *values: Any, **named: Any) -> Shape:
        """Return one checked value for each parameter, the defaults filled in.

        Raises
        ------
        ValueError
            For a missing, unknown or repeated parameter, or a value that is not allowed; names the parameter.
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
        """Return the operator and its values as text, without defaults: ``"matmul(512, 512, 512,
        batch=8)"``.
        """
        words = []
        for parameter, value in zip(self.parameters, shape, strict=True):
            text = "x".join(map(str, value)) if isinstance(value, tuple) else str(value)
            if parameter.default is None:
                words.append(text)
            elif value != parameter.default:
                words.append(f"{parameter.name}={text}")
        return f"{self.name}({', '.join(words)})"

    def stored(self, shape: Shape) -> Shape:
        """Return the values as record files hold them: a ``dtype`` at the end only if it is not the default.

        Files written before operators had this parameter mean its default.
        """
        last = self.parameters[-1] if self.parameters else None
        if last is not None and last.kind == "dtype" and shape[-1] == last.default:
            return shape[:-1]
        return shape

    def with_schedule(self, kind: str, template: Template) -> Operator:
        """Return the same operator with a schedule template for one more kind of target."""
        return replace(self, schedules={**self.schedules, kind: template})

    def template(self, kind: str) -> Template:
        """Return the schedule template for a kind of target.

        Raises
        ------
        ValueError
            If there is none; names the kinds that have one.
        """
        if kind not in self.schedules:
            known = ", ".join(map(repr, self.schedules)) or "no kind of target"
            raise ValueError(f"{self.name} has no schedule for targets of kind {kind!r}, only for {known}")
        return self.schedules[kind]

    def schedule(
        self,
        knobs: Knobs,
        *values: Any,
        target: str | Target = "llvm",
        consumer: Consumer | None = None,
    ) -> tuple[Schedule, list[Tensor]]:
        """Return the program that `knobs` describe: a schedule, and its inputs and outputs.

        Parameters
        ----------
        knobs : Knobs
            The choices of the template. `Defaults` leaves them to what `compiler.ops.chosen_by` states for
            the surrounding block, and to the defaults of the template where it states nothing.
        *values
            Of the parameters.
        target : str or Target
            What the program is for; its kind selects the template.
        consumer : Consumer, optional
            What is computed from each element of the result and stored in its place; its inputs follow those
            of the operator. The knobs are those of the operator alone.

        Raises
        ------
        ValueError
            If a value is not allowed, the operator has no schedule for this kind of target, the template
            does not return a schedule and tensors, or has no place for a consumer (see `takes_consumer`).
        """
        shape, parsed = self.shape(*values), Target.parse(target)
        if type(knobs) is Defaults:
            better = chosen(self, shape, parsed)
            knobs = knobs if better is None else better
        return _run_template(self, parsed, knobs, shape, consumer)

    def takes_consumer(self, kind: str) -> bool:
        """Whether the template for a kind of target applies a `Consumer` to the result."""
        return "consumer" in _keywords(self.template(kind))

    def tensors(self, *values: Any) -> list[Tensor]:
        """Return what is computed: the inputs, then the outputs."""
        return list(_tensors(self, self.shape(*values)))

    def dtypes(self, *values: Any) -> tuple[str, ...]:
        """Return the element type of each output."""
        return tuple(tensor.dtype for tensor in _outputs(self, self.shape(*values)))

    def inputs(self, rng: np.random.Generator, *values: Any) -> list[Array]:
        """Draw random inputs.

        Parameters
        ----------
        rng : numpy.random.Generator
        *values
            Of the parameters.

        Raises
        ------
        ValueError
            If `generate_inputs` returns arrays of another number, shape or type than the operator has inputs.
        """
        shape = self.shape(*values)
        if self.generate_inputs is not None:
            arrays = list(self.generate_inputs(rng, *shape))
            _check_inputs(self, arrays, shape)
            return arrays
        integers = self.integers
        if integers is None:
            model = self.error_model(*shape)
            integers = safe_integers(model.accumulator or _outputs(self, shape)[0].dtype, model.terms)
        given = [t for t in _tensors(self, shape) if isinstance(t.op, Placeholder)]
        return [draw(rng, _extents(t), t.dtype, integers) for t in given]

    def outputs(self, *values: Any) -> list[Array]:
        """Allocate an array for each output; the elements are not set."""
        layouts = (memory_layout(_extents(t), t.dtype) for t in _outputs(self, self.shape(*values)))
        return [np.empty(extents, dtype) for extents, dtype in layouts]

    def output(self, *values: Any) -> Array:
        """Allocate the array of an operator with one output; the elements are not set.

        Raises
        ------
        ValueError
            If the operator has several outputs.
        """
        outputs = self.outputs(*values)
        if len(outputs) != 1:
            raise ValueError(f"{self.name} has {len(outputs)} outputs: allocate them with `outputs`")
        return outputs[0]

    def reference(self, *inputs_and_values: Any) -> Any:
        """Return the exact result by NumPy: ``reference(*inputs, *values)``, see `compute_reference`."""
        count = next((i for i, a in enumerate(inputs_and_values) if not isinstance(a, np.ndarray)), None)
        inputs, values = list(inputs_and_values[:count]), inputs_and_values[len(inputs_and_values[:count]) :]
        return self.compute_reference(inputs, *self.shape(*values))

    def references(self, inputs: Sequence[Array], *values: Any) -> list[Array]:
        """Return the exact result as one array for each output.

        Raises
        ------
        ValueError
            If `compute_reference` returns another number of arrays than the operator has outputs, or an array
            of another shape.
        """
        shape = self.shape(*values)
        result = self.compute_reference(list(inputs), *shape)
        arrays = [np.asarray(r) for r in (result if isinstance(result, (tuple, list)) else (result,))]
        expected = len(_outputs(self, shape))
        if len(arrays) != expected:
            raise ValueError(
                f"the reference of {self.name} returns {len(arrays)} arrays for {expected} outputs"
            )
        for array, tensor in zip(arrays, _outputs(self, shape), strict=True):
            extents, _ = memory_layout(_extents(tensor), tensor.dtype)
            if array.shape != extents:
                raise ValueError(
                    f"the reference of {self.name} returns an array of shape {array.shape} for the output "
                    f"{tensor.name!r}; {extents} is needed"
                )
        return arrays

    def flops(self, *values: Any) -> int:
        """Return the number of floating-point operations of one call (integer operations of integers)."""
        return int(self.count_flops(*self.shape(*values)))

    def error_model(self, *values: Any) -> Rounding:
        """Return what determines the rounding error of one output element."""
        shape = self.shape(*values)
        if self.rounding is not None:
            return self.rounding(*shape)
        size = max(prod(_extents(t)) for t in _outputs(self, shape))
        return Rounding(max(1.0, self.count_flops(*shape) / max(2 * size, 1)))

    def tolerance(self, reference: Array, *values: Any) -> float:
        """Return the largest absolute difference from a reference that rounding explains; zero for integers.

        See `Rounding.tolerance`: one rule for every operator and type.
        """
        return self.error_model(*values).tolerance(reference)


def _extents(tensor: Tensor) -> tuple[int, ...]:
    """Return the shape of a tensor; operators have no dynamic extents."""
    return cast("tuple[int, ...]", tensor.shape)


def _check_inputs(operator: Operator, arrays: Sequence[Any], shape: Shape) -> None:
    """Raise ValueError, if a user's `generate_inputs` returns other arrays than the operator takes."""
    needed = [t for t in _tensors(operator, shape) if isinstance(t.op, Placeholder)]
    what = f"the function that makes the inputs of {operator.name} returns"
    if len(arrays) != len(needed):
        names = ", ".join(t.name for t in needed)
        raise ValueError(f"{what} {len(arrays)} arrays; one for each of {names} is needed")
    for array, tensor in zip(arrays, needed, strict=True):
        extents, _ = memory_layout(_extents(tensor), tensor.dtype)
        dtype = numpy_dtype(tensor.dtype)
        if not isinstance(array, np.ndarray):
            raise ValueError(f"{what} {type(array).__name__} for {tensor.name!r}; a NumPy array is needed")
        if array.shape != extents or array.dtype != dtype:
            raise ValueError(
                f"{what} {array.dtype} of shape {array.shape} for {tensor.name!r}; {dtype} of shape "
                f"{extents} is needed"
            )


def _outputs(operator: Operator, shape: Shape) -> list[Tensor]:
    return [t for t in _tensors(operator, shape) if not isinstance(t.op, Placeholder)]


@lru_cache(maxsize=256)
def _tensors(operator: Operator, shape: Shape) -> tuple[Tensor, ...]:
    if operator.compute is not None:
        tensors = tuple(operator.compute(*shape))
    else:
        target = Target.parse(next(iter(operator.schedules)))
        tensors = tuple(_run_template(operator, target, Defaults(), shape)[1])
    given = [isinstance(t.op, Placeholder) for t in tensors]
    if all(given) or given != sorted(given, reverse=True):
        names = ", ".join(t.name for t in tensors)
        raise ValueError(
            f"{operator.name} must return its inputs, then at least one output, not the tensors {names}"
        )
    return tensors


def _run_template(
    operator: Operator, target: Target, knobs: Knobs, shape: Shape, consumer: Consumer | None = None
) -> tuple[Schedule, list[Tensor]]:
    template = operator.template(target.kind)
    keywords = _keywords(template)
    options: dict[str, Any] = {"target": target} if "target" in keywords else {}
    if consumer is not None:
        if "consumer" not in keywords:
            raise ValueError(
                f"the template of {operator.name} has no place for a consumer: it takes no such argument"
            )
        options["consumer"] = consumer
    result = template(knobs, *shape, **options)
    if not isinstance(result, tuple) or len(result) != 2:
        raise ValueError(
            f"the template of {operator.name} must return a schedule and a list of tensors, "
            f"not {type(result).__name__}"
        )
    return result[0], list(result[1])


@lru_cache(maxsize=1024)
def _keywords(template: Template) -> frozenset[str]:
    return frozenset(inspect.signature(template).parameters)
