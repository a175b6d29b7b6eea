"""`ControlExecutable`: a compiled program with control flow, closures, references and data types."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from compiler.backend import Target
from compiler.backend.registry import backend
from compiler.relay.execute.closures import Inline, TooDeep, compile_functions, contiguous
from compiler.relay.execute.executable import checked_leaves, named_arguments
from compiler.relay.execute.planning.code import Kernel, nbytes
from compiler.relay.execute.planning.compile import Kernels, Progress
from compiler.relay.execute.planning.evaluate import evaluator, recipe
from compiler.relay.execute.planning.lower import has_code, structure, title
from compiler.relay.execute.planning.nested import flat, is_static, nested, tensor_types
from compiler.relay.execute.planning.program import Step, alone
from compiler.relay.execute.profile import Profile
from compiler.relay.execute.storage import Parts, Record, kernel_record, write
from compiler.relay.interpret.evaluate import Machine
from compiler.relay.language.expr import Call, Constant, Expr, Function, span_of
from compiler.relay.language.module import IRModule
from compiler.relay.language.op import Op
from compiler.relay.language.types import TensorType, Type
from compiler.relay.language.visit import rewrite
from compiler.relay.notation.printer import as_text
from compiler.relay.optimize.dominators import is_primitive
from compiler.relay.optimize.fuse import is_view
from compiler.runtime.array import as_aligned, numpy_dtype


class ControlExecutable:
    """A program whose functions are functions of Python that call compiled kernels.

    Parameters
    ----------
    module : IRModule
        Operators are grouped, and types are inferred.
    target : Target
    progress : callable, optional
    kernels : sequence of Kernel, optional
        The kernels, if they are compiled already.
    """

    def __init__(
        self,
        module: IRModule,
        target: Target,
        progress: Progress | None = None,
        kernels: Sequence[Kernel] | None = None,
    ) -> None:
        self.target = str(target)
        self._source = module
        self._main = module.main
        self.parameters = tuple((p.name, p.checked_type) for p in module.main.params)
        self.result_type: Type = module.main.body.checked_type
        sites = _Sites(Kernels(target, progress, kernels))
        changed = {name: sites.rewritten(f) for name, f in module.functions.items()}
        sites.finish()
        self._module = IRModule(changed, module.types)
        self._sites = sites
        try:
            self._function: Callable[..., Any] | None = compile_functions(
                self._module, self._module.main, sites.operator
            )
        except TooDeep:
            self._function = None

    def __call__(self, *arguments: Any) -> Any:
        """Run the program; each call has its own memory, so several threads may call at once.

        Parameters
        ----------
        *arguments : ndarray, tuple, callable, RefValue or ConstructorValue
            One for each parameter of ``main``.

        Returns
        -------
        ndarray, tuple, callable, RefValue or ConstructorValue

        Raises
        ------
        ValueError
            If an argument is missing, or is not of the type of its parameter; or no case of a match covers a
            value.
        """
        given = self._given(arguments)
        if self._function is not None:
            try:
                return self._function(*given)
            except RecursionError:  # deeper than Python's stack: again, by a machine with a stack of its own
                pass
        return self._by_machine(self._sites.callable, given)

    def _by_machine(self, operator: Callable[[Call], Callable[..., Any]], given: Sequence[Any]) -> Any:
        machine = Machine(self._module, self._module, operator)
        return machine.start(machine.closure(self._module.main), given)

    def _given(self, arguments: Sequence[Any]) -> list[Any]:
        if len(arguments) != len(self.parameters):
            names = ", ".join(f"{name}: {type_}" for name, type_ in self.parameters)
            raise ValueError(
                f"the program takes {len(self.parameters)} argument(s) ({names}), not {len(arguments)}"
            )
        return [
            _argument(name, type_, value)
            for (name, type_), value in zip(self.parameters, arguments, strict=True)
        ]

    def profile(self, *arguments: Any, repeat: int = 10) -> Profile:
        """Measure the time of each call of a kernel.

        The machine of deep programs makes the calls, since it can be observed; their times are the same.

        Parameters
        ----------
        *arguments
            As for a call.
        repeat : int
            Runs; the median of each call's times is reported. One run before them is not timed.

        Raises
        ------
        ValueError
            As for a call; if `repeat` is not positive.
        """
        if repeat < 1:
            raise ValueError(f"repeat is {repeat}; at least 1 is needed")
        given = self._given(arguments)
        events: list[tuple[_Site, int, int]] = []

        def timed(call: Call) -> Callable[..., Any]:
            site = self._sites.found[id(call.function)]

            def run(*values: Any) -> Any:
                begin = time.monotonic_ns()
                result = site.call(*values)
                events.append((site, begin, time.monotonic_ns()))
                return result

            return run

        runs = []
        for _ in range(repeat + 1):
            events.clear()
            self._by_machine(timed, given)
            runs.append([(begin, end) for _, begin, end in events])
        calls = [(s.name, s.origin, self._sites.kernels.flops(s.function), s.nbytes) for s, _, _ in events]
        return Profile.of(calls, runs[1:])

    def run(self, inputs: Mapping[str, Any]) -> Any:
        """Run the program with arguments by the names of its parameters.

        Raises
        ------
        ValueError
            For a name that is unknown or missing; as for a call.
        """
        return self(*named_arguments([name for name, _ in self.parameters], inputs))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the program to one file that `compiler.relay.execute.load.load` reads without compiling.

        Raises
        ------
        OSError
            If it cannot be written.
        """
        parts = Parts()
        write(path, self.record(parts), parts)

    def record(self, parts: Parts) -> Record:
        """The program as plain data, see `compiler.relay.execute.storage`."""
        return {
            "form": "control",
            "text": parts.add(as_text(self._source).encode()),
            "target": self.target,
            "kernels": [kernel_record(kernel, parts) for kernel in self._sites.compiled],
        }


def _argument(name: str, type_: Type, value: Any) -> Any:
    if not is_static(type_):
        plain = isinstance(type_, TensorType) and not isinstance(value, np.ndarray)
        return contiguous(value) if plain or isinstance(value, np.ndarray) else value
    return nested(type_, iter(checked_leaves(name, type_, value)))


class _Sites:
    """The calls of operators of a program, each an operator of its own while functions are compiled."""

    def __init__(self, kernels: Kernels) -> None:
        self.kernels = kernels
        self.compiled: tuple[Kernel, ...] = ()
        self.found: dict[int, _Site] = {}
        self.kept: list[Op] = []

    def rewritten(self, function: Function) -> Function:
        """A function in which every call of an operator or a primitive function is one of a site."""
        return rewrite(function, self._change, lambda node: not is_primitive(node))

    def _change(self, node: Any, old: Any) -> Any:
        if type(node) is not Call or not (type(node.function) is Op or is_primitive(node.function)):
            return node
        site = _Site(old, self.kernels)
        args = tuple(arg for at, arg in enumerate(node.args) if at not in site.bound)
        row = Op(site.name, tuple(f"x{i}" for i in range(len(args))), relation=lambda *_: True)
        self.kept.append(row)
        self.found[id(row)] = site
        return Call(row, args)

    def finish(self) -> None:
        """Wait for the kernels, and bind them."""
        kernels = self.compiled = self.kernels.finish()
        modules = [backend(kernel.main.kind).load(kernel.main) for kernel in kernels]
        for site in self.found.values():
            if site.kernel >= 0:
                site.bind(kernels[site.kernel], modules[site.kernel])

    def operator(self, call: Call) -> Any:
        """What computes a call, for compiled functions."""
        site = self.found[id(call.function)]
        return site.inline or site.call

    def callable(self, call: Call) -> Callable[..., Any]:
        """What computes a call, as a function of its arguments."""
        return self.found[id(call.function)].call


class _Site:
    """The call of an operator or of a primitive function at one place of a program.

    Attributes
    ----------
    bound : frozenset of int
        Arguments that are constants, which are not passed.
    call : callable
        From values to the value.
    inline : Inline, optional
        The same as statements.
    """

    def __init__(self, call: Call, kernels: Kernels) -> None:
        self.type: Type = call.checked_type
        self.types: list[Type] = [arg.checked_type for arg in call.args]
        self.function: Function = call.function if is_primitive(call.function) else alone(call)  # type: ignore[assignment]
        self.name, span = title(self.function), span_of(call)
        self.origin = "" if span is None else str(span)
        static = [t for type_ in (*self.types, self.type) if is_static(type_) for t in tensor_types(type_)]
        self.nbytes = sum(nbytes(t.dims, str(t.dtype)) for t in static)
        self.inline: Inline | None = None
        self.kernel = -1
        self.bound: frozenset[int] = frozenset()
        self.constants: dict[int, np.ndarray] = {}
        if is_view(call) and is_static(call.checked_type):
            self._view(call)
        elif has_code(self.function):
            self._code(call.args, kernels)
        else:
            self._evaluated()

    def _view(self, call: Call) -> None:
        shape = call.checked_type.dims  # type: ignore[attr-defined]
        self.call: Callable[..., Any] = lambda x, *_: x.reshape(shape)
        self.inline = Inline(lambda result, args, name: [f"{result} = {args[0]}.reshape({shape!r})"])

    def _evaluated(self) -> None:
        evaluate = evaluator(recipe(self.function))
        type_ = self.type

        def call(*values: Any) -> Any:
            leaves = evaluate(list(flat(values)))
            return contiguous(nested(type_, iter(leaves)))

        self.call = call

    def _code(self, args: Sequence[Expr], kernels: Kernels) -> None:
        self.bound = frozenset(at for at, arg in enumerate(args) if type(arg) is Constant)
        position = 0
        for arg, type_ in zip(args, self.types, strict=True):
            if type(arg) is Constant:
                self.constants[position] = arg.data
            position += len(list(tensor_types(type_)))
        step = Step(self.function, tuple(range(position)), (), True)
        self.kernel = kernels.number(step, structure(self.function), frozenset(self.constants), None)

    def bind(self, kernel: Kernel, module: Any) -> None:
        """Make the call from the compiled kernel."""
        prepared = kernel.prepared_arrays(self.constants)
        inputs = [(t.dims, str(t.dtype)) for type_ in self.types for t in tensor_types(type_)]
        outputs = [(t.dims, str(t.dtype)) for t in tensor_types(self.type)]
        given = [i for i in range(len(inputs)) if i not in self.constants]
        forms = [t for at, t in enumerate(self.types) if at not in self.bound]
        simple = all(isinstance(t, TensorType) for t in forms)

        def lines(result: str, arguments: Sequence[str], name: Callable[[Any], str]) -> list[str]:
            names = list(arguments)
            if not simple:
                names = [p for type_, a in zip(forms, arguments, strict=True) for p in _paths(type_, a)]
            variable = dict(zip(given, names, strict=True))
            found, passed = [], []
            for operand, buffer in zip(kernel.operands, module.params, strict=True):
                shape = tuple(buffer.shape)
                at = operand.index
                if operand.kind == "prepared":
                    passed.append(name(prepared[at]))
                elif at in self.constants:
                    fixed = as_aligned(self.constants[at].reshape(shape))
                    # the native call compares types by identity, and "<f4" is another object than "float32"
                    passed.append(name(fixed.view(numpy_dtype(buffer.dtype))))
                elif at < len(inputs):
                    text = variable[at]
                    if inputs[at][1] == "bfloat16":
                        text += f".view({name(numpy_dtype('bfloat16'))})"
                    passed.append(text if inputs[at][0] == shape else f"{text}.reshape({shape!r})")
                else:
                    out = f"{result}_{at - len(inputs)}"
                    dtype = outputs[at - len(inputs)][1]
                    found.append(f"{out} = {name(np.empty)}({shape!r}, {name(numpy_dtype(dtype))})")
                    passed.append(out)
            found.append(f"{name(module)}({', '.join(passed)})")
            stored = [o.index - len(inputs) for o in kernel.operands if o.kind == "value"]
            values = []
            for number, (shape, dtype) in enumerate(outputs):
                text = f"{result}_{number}"
                buffer = module.params[stored.index(number)] if number in stored else None
                if buffer is not None and tuple(buffer.shape) != shape:
                    text += f".reshape({shape!r})"
                values.append(text + (".view('uint16')" if dtype == "bfloat16" else ""))
            value = (
                next(iter(values)) if isinstance(self.type, TensorType) else _form(self.type, iter(values))
            )
            return [*found, f"{result} = {value}"]

        self.inline = Inline(lines)
        self.call = _function(lines, len(forms))


def _paths(type_: Type, text: str) -> list[str]:
    """The expressions of the tensors of a value of a type."""
    if isinstance(type_, TensorType):
        return [text]
    fields = type_.fields  # type: ignore[attr-defined]
    return [p for i, part in enumerate(fields) for p in _paths(part, f"{text}[{i}]")]


def _form(type_: Type, leaves: Any) -> str:
    if isinstance(type_, TensorType):
        return next(leaves)
    return "(" + "".join(_form(part, leaves) + ", " for part in type_.fields) + ")"  # type: ignore[attr-defined]


def _function(lines: Any, count: int) -> Callable[..., Any]:
    """Statements as a function of Python."""
    namespace: dict[str, Any] = {}

    def name(value: Any) -> str:
        key = f"v{len(namespace)}"
        namespace[key] = value
        return key

    arguments = [f"x{i}" for i in range(count)]
    body = [f"    {line}" for line in lines("result", arguments, name)]
    text = "\n".join([f"def call({', '.join(arguments)}):", *body, "    return result"])
    exec(compile(text, "<kernel>", "exec"), namespace)  # our own code
    return namespace["call"]
