"""Operators by name: the built-in ones, and those made by `register` from a computation or a template."""

from __future__ import annotations

import importlib.util
import inspect
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from compiler import ops
from compiler.ops.derive import derived
from compiler.ops.operator import Operator
from compiler.ops.parameter import Parameter
from compiler.ops.rounding import Rounding
from compiler.suggest import unknown

_registered: dict[str, Operator] = {}


def register(
    *,
    reference: Callable[..., Any],
    flops: Callable[..., int],
    name: str | None = None,
    kind: str = "llvm",
    dtypes: Sequence[str] = (),
    inputs: Callable[..., Sequence[np.ndarray]] | tuple[int, int] | None = (0, 7),
    rounding: Callable[..., Rounding] | None = None,
    constants: Sequence[str] = (),
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Make an operator from a computation or from a template of schedules.

    A computation is a function ``(*shape) -> [tensors]``, a template is a function ``(knobs, *shape) ->
    (schedule, [tensors])``.

    The tensors are the inputs, then the outputs. A function whose first parameter is called `knobs` is a
    template. Any other states what is computed, and its schedules are derived (`compiler.ops.derive`). The
    other parameters become those of the operator: whole numbers of at least zero, and ``dtype`` if `dtypes`
    is given.
    A template with a keyword-only parameter ``target`` is passed the `compiler.Target`.

    Parameters
    ----------
    reference : callable
        ``(*inputs, *shape) -> array``: the exact result, in NumPy; a tuple of arrays for several outputs.
        Every program is compared with it before it is timed.
    flops : callable
        ``(*shape) -> int``: operations of one call.
    name : str, optional
        The operator's name; by default the function's.
    kind : str
        Kind of target that the template is for. A second template under the same name, for another kind, is
        added to the same operator.
    dtypes : sequence of str
        Values of the parameter ``dtype``, which is then the function's last one; the first is the default.
    inputs : callable, or tuple of int, optional
        ``(rng, *shape) -> [array, ...]``: random inputs from a `numpy.random.Generator`. Or the least and
        the greatest value of integer inputs, which are then drawn by type, as `compiler.ops.inputs.draw`
        does: floats are standard normal. None is the largest range for which a sum of products cannot
        overflow.
    rounding : callable, optional
        ``(*shape) -> compiler.ops.Rounding``: the error model that sets the tolerance of the result check; by
        default that of a sum of as many products as `flops` allows for each element.
    constants : sequence of str
        Names of the inputs that are the same in every call, such as weights.

    Returns
    -------
    callable
        A decorator, which returns the function unchanged.

    Raises
    ------
    ValueError
        If the name belongs to a built-in operator or to another function's, or `dtypes` is given for a
        function whose last parameter is not ``dtype``.

    Examples
    --------
    >>> @register(reference=lambda a, n: 2 * a, flops=lambda n: n)
    ... def twice(knobs, n):
    ...     A = te.placeholder((n,), "A")
    ...     B = te.compute((n,), lambda i: A[i] * 2.0, "B")
    ...     s = te.create_schedule(B.op)
    ...     outer, inner = s[B].split(B.op.axis[0], knobs.split("i", n, 2)[-1])
    ...     return s, [A, B]

    >>> @register(reference=lambda a, n: a + 1, flops=lambda n: n)
    ... def successor(n):
    ...     A = te.placeholder((n,), "A")
    ...     return [A, te.compute((n,), lambda i: A[i] + 1.0, "B")]
    """

    def decorate(template: Callable[..., Any]) -> Callable[..., Any]:
        called = name or template.__name__
        if called in {o.name for o in ops.OPERATORS}:
            raise ValueError(f"{called!r} is a built-in operator: register the template under another name")
        computes = not _is_template(template)
        schedule = derived(template) if computes else template
        made = Operator(
            name=called,
            parameters=_parameters(called, template, dtypes, skipped=0 if computes else 1),
            schedules={kind: schedule},
            compute=template if computes else None,
            compute_reference=lambda arrays, *shape: reference(*arrays, *shape),
            count_flops=flops,
            rounding=rounding,
            constants=tuple(constants),
            generate_inputs=inputs if callable(inputs) else None,
            integers=None if callable(inputs) else inputs,
        )
        known = _registered.get(called)
        if known is not None:
            other = known.schedules.get(kind)
            if other is not None and _qualified(other) != _qualified(template):
                raise ValueError(f"{called!r} is already registered, by {_qualified(other)}")
            if other is None:
                made = replace(known, schedules={**known.schedules, kind: schedule})
        _registered[called] = made
        return template

    return decorate


def _is_template(function: Callable[..., Any]) -> bool:
    """Whether a function chooses a schedule by knobs."""
    return next(iter(inspect.signature(function).parameters), "") == "knobs"


def _qualified(template: Callable[..., Any]) -> str:
    return str(getattr(template, "__qualname__", template))


def _parameters(
    name: str, function: Callable[..., Any], dtypes: Sequence[str], skipped: int
) -> tuple[Parameter, ...]:
    signature = list(inspect.signature(function).parameters.values())[skipped:]
    names = [p.name for p in signature if p.kind is not inspect.Parameter.KEYWORD_ONLY]
    if not dtypes:
        return tuple(Parameter(n, "count") for n in names)
    if not names or names[-1] != "dtype":
        raise ValueError(
            f"dtypes are given for {name!r}, so the last parameter of the function must be called 'dtype', "
            f"not {names[-1] if names else None!r}"
        )
    last = Parameter("dtype", "dtype", dtypes[0], tuple(dtypes))
    return (*(Parameter(n, "count") for n in names[:-1]), last)


def operator(name: str) -> Operator:
    """Return the registered or built-in operator of a name.

    Raises
    ------
    ValueError
        For an unknown name; suggests the most similar one.
    """
    if name in _registered:
        return _registered[name]
    known = [o.name for o in ops.OPERATORS]
    if name in known:
        return ops.operator(name)
    raise ValueError(unknown("operator", name, [*known, *_registered]))


def registered() -> list[str]:
    """Return the names of the operators that `register` has made, in the order of their registration."""
    return list(_registered)


def load_file(path: str | os.PathLike[str]) -> list[str]:
    """Run a Python file that registers operators, as a module of the name of the file, and return their
    names.

    The folder of the file is searched for the modules that it imports. A file that is loaded again runs
    again.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it raises an error, which is named with its line, or registers no operator.
    """
    file = Path(path).resolve()
    if not file.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    spec = importlib.util.spec_from_file_location(file.stem, file)
    if spec is None or spec.loader is None:
        raise ValueError(f"{path} is not a Python file")
    if str(file.parent) not in sys.path:
        sys.path.append(str(file.parent))
    module = importlib.util.module_from_spec(spec)
    # a module of that name that others have imported stays what it is
    if file.stem not in sys.modules:
        sys.modules[file.stem] = module
    before = dict(_registered)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        if sys.modules.get(file.stem) is module:
            del sys.modules[file.stem]
        raise ValueError(f"{path}{_line(error, str(file))}: {type(error).__name__}: {error}") from error
    names = [name for name, made in _registered.items() if before.get(name) is not made]
    if not names:
        raise ValueError(f"{path} registers no operator: decorate a template with costmodel.register")
    return names


def _line(error: BaseException, file: str) -> str:
    if isinstance(error, SyntaxError):
        return f", line {error.lineno}"
    trace, line = error.__traceback__, ""
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == file:
            line = f", line {trace.tb_lineno}"
        trace = trace.tb_next
    return line
