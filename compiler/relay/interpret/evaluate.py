"""`evaluate`: the interpreter, which defines what programs mean.

One loop executes the steps of blocks (`compiler.relay.interpret.blocks`). Calls, branches and cases push what
continues after them on a list, and those in tail position push nothing: neither the depth of a graph nor that
of a recursion is limited by Python's stack, and a loop by tail recursion needs constant space.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from compiler.relay.infer.infer import infer_type
from compiler.relay.infer.solver import place
from compiler.relay.interpret.blocks import Code, Step, compiled
from compiler.relay.interpret.values import Closure, ConstructorValue, RefValue
from compiler.relay.language.attributes import checked_attrs
from compiler.relay.language.expr import Call, Constructor, Expr, Function, GlobalVar, Var
from compiler.relay.language.module import IRModule
from compiler.relay.language.op import Op, evaluated
from compiler.relay.language.types import TensorType, TupleType
from compiler.relay.language.visit import post_order


def evaluate(program: IRModule | Expr, *args: Any, module: IRModule | None = None) -> Any:
    """The value of a program, by its definition.

    Parameters
    ----------
    program : IRModule or Expr
        Of a module ``main`` is called, a function is called, and of any other expression the value is found,
        and called if there are arguments.
    *args : array_like, tuple, Closure, RefValue or ConstructorValue
        Numbers and arrays become arrays of the type that the parameter is annotated with; an array of another
        type or shape is refused.
    module : IRModule, optional
        The functions that an expression names.

    Returns
    -------
    ndarray, tuple, Closure, RefValue or ConstructorValue
        A tensor of bfloat16 is an array of uint16, its bits.

    Raises
    ------
    ValueError
        If an argument does not fit, a variable or function does not exist, or no case of a match covers a
        value.
    """
    machine = Machine(program if isinstance(program, IRModule) else module or IRModule(), program)
    if isinstance(program, IRModule):
        return machine.start(machine.closure(program.main), args)
    if isinstance(program, Function):
        return machine.start(machine.closure(program), args)
    value = machine.start(machine.closure(Function((), program)), ())
    return machine.apply(value, args) if args else value


class Machine:
    """Executes blocks; a stack of its own takes the place of Python's.

    Parameters
    ----------
    module : IRModule
    program : IRModule or Expr
    operator : callable, optional
        ``operator(call)``: what computes a call of an operator; by default its definition.
    """

    def __init__(
        self, module: IRModule, program: Any, operator: Callable[[Call], Callable[..., Any]] | None = None
    ) -> None:
        self.module = module
        self.compute = operator
        self.globals: dict[GlobalVar, Closure] = {}
        roots = [program] if isinstance(program, Expr) else []
        self.bfloat16 = operator is None and any(
            map(_mentions_bfloat16, [*roots, *module.functions.values()])
        )
        if self.bfloat16:  # the arrays do not say that they are: types do
            infer_type(program, module) if roots else infer_type(module)

    # functions

    def closure(self, function: Function) -> Closure:
        """The value of a function without free variables."""
        return Closure(function, None, [], self.start)

    def global_value(self, name: GlobalVar) -> Closure:
        """The value of a function of the module."""
        if name not in self.globals:
            self.globals[name] = self.closure(self.module[name])
        return self.globals[name]

    def code(self, closure: Closure) -> Code:
        """The code of a closure, compiled when it is first called."""
        if closure.code is None:
            closure.code = compiled(closure.function, self.global_value, self.operator)
        return closure.code

    def operator(self, call: Call) -> Callable[..., Any]:
        """What computes a call of an operator."""
        if self.compute is not None:
            return self.compute(call)
        row: Any = call.function
        attrs = call.attrs

        def compute(*args: Any) -> Any:
            try:
                return evaluated(row, attrs, args)
            except (ValueError, TypeError, IndexError) as error:
                raise ValueError(f"{place(call)}: {error}") from error

        if not self.bfloat16:
            return compute
        wide = [_converter(a.checked_type, _widened) for a in call.args]
        narrow = _converter(call.checked_type, _rounded)

        def converted(*args: Any) -> Any:
            return narrow(compute(*[c(a) for c, a in zip(wide, args, strict=True)]))

        return converted

    def start(self, closure: Closure, args: Sequence[Any]) -> Any:
        """Call a function with values from outside."""
        params = closure.function.params
        if len(params) != len(args):
            names = ", ".join(f"%{p.name}" for p in params)
            raise ValueError(f"{len(args)} arguments are given to a function of {len(params)} ({names})")
        return self.run(closure, [_argument(p, a) for p, a in zip(params, args, strict=True)])

    def apply(self, function: Any, args: Sequence[Any]) -> Any:
        """Call a value."""
        if type(function) is Closure:
            return self.start(function, args)
        return _applied(function, list(args))

    # steps

    def run(self, closure: Closure, args: Sequence[Any]) -> Any:
        """Evaluate a call, to the end."""
        frame, block = self.activation(closure, args)
        steps, at = block.steps, 0
        waiting: list[tuple[Any, int, list[Any], int]] = []
        while True:
            if at == len(steps):
                value = frame[block.result]
                if not waiting:
                    return value
                block, at, frame, slot = waiting.pop()
                steps = block.steps
                frame[slot] = value
                continue
            step = steps[at]
            at += 1
            kind, slot = step[0], step[1]
            if kind == _OPERATOR:
                frame[slot] = step[2](*[frame[s] for s in step[3]])
                continue
            if kind <= _LAST_PLAIN:
                frame[slot] = _plain(kind, step, frame)
                continue
            if kind == _CLOSURE:
                code = step[2]
                captured = [frame[s] for s in code.outer]
                made = frame[slot] = Closure(code.function, code, captured, self.start)
                for place_, outer in enumerate(code.outer):
                    if outer == slot:  # it names itself
                        captured[place_] = made
                continue
            inner: list[Any] = frame
            if kind == _CALL:
                callee, values = frame[step[2]], [frame[s] for s in step[3]]
                if type(callee) is not Closure:
                    frame[slot] = _applied(callee, values)
                    continue
                inner, entered = self.activation(callee, values)
            elif kind == _IF:
                entered = step[3] if frame[step[2]] else step[4]
            else:
                entered = _case(step, frame)
            if at < len(steps) or block.result != slot:
                waiting.append((block, at, frame, slot))
            block, frame, at = entered, inner, 0
            steps = block.steps

    def activation(self, closure: Closure, args: Sequence[Any]) -> tuple[list[Any], Any]:
        """The slots of a new activation, and the block to execute."""
        code = closure.code or self.code(closure)
        if len(args) != len(code.params):
            raise ValueError(f"{len(args)} arguments are given to a function of {len(code.params)}")
        frame = code.template.copy()
        for slot, value in zip(code.params, args, strict=True):
            frame[slot] = value
        for slot, value in zip(code.captured, closure.captured, strict=True):
            frame[slot] = value
        return frame, code.body


_OPERATOR, _CALL, _CLOSURE, _IF = int(Step.OPERATOR), int(Step.CALL), int(Step.CLOSURE), int(Step.IF)
_LAST_PLAIN = int(Step.WRITE)


def _plain(kind: int, step: tuple[Any, ...], frame: list[Any]) -> Any:
    """The value of a step that enters no block."""
    if kind == Step.TUPLE:
        return tuple([frame[s] for s in step[2]])
    if kind == Step.FIELD:
        return frame[step[2]][step[3]]
    if kind == Step.CONSTRUCT:
        return ConstructorValue(step[2], tuple([frame[s] for s in step[3]]))
    if kind == Step.NEW:
        return RefValue(frame[step[2]])
    if kind == Step.READ:
        return frame[step[2]].value
    frame[step[2]].value = frame[step[3]]
    return ()


def _case(step: tuple[Any, ...], frame: list[Any]) -> Any:
    """The block of the first case that matches; binds the variables of its pattern."""
    value = frame[step[2]]
    for pattern, block in step[3]:
        pending = [(pattern, value)]
        while pending:
            pattern, part = pending.pop()
            if pattern is None:
                continue
            if type(pattern) is int:
                frame[pattern] = part
                continue
            tag, inner = pattern
            if tag < 0:
                pending += zip(inner, part, strict=True)
            elif part.constructor.tag == tag:
                pending += zip(inner, part.fields, strict=True)
            else:
                break
        else:
            return block
    raise ValueError(f"{place(step[4])} has no case for {value!r}")


def _applied(function: Any, args: list[Any]) -> Any:
    """The result of an operator or a constructor that is a value."""
    if isinstance(function, Op):
        return evaluated(function, checked_attrs(function.name, function.attributes, {}), args)
    if isinstance(function, Constructor):
        return ConstructorValue(function, tuple(args))
    raise ValueError(f"{function!r} is called; a function is needed")


def _argument(param: Var, value: Any) -> Any:
    """An argument from outside, as a value of the type of the parameter."""
    return _fitted(value, param.annotation, f"%{param.name}")


def _fitted(value: Any, type_: Any, what: str) -> Any:
    if isinstance(value, (Closure, RefValue, ConstructorValue, Expr)):
        return value
    if isinstance(type_, TupleType):
        if not isinstance(value, (tuple, list)) or len(value) != len(type_.fields):
            raise ValueError(f"{what} is {value!r}; a tuple of {len(type_.fields)} is needed")
        parts = zip(value, type_.fields, strict=True)
        return tuple(_fitted(v, t, f"{what}.{i}") for i, (v, t) in enumerate(parts))
    if not isinstance(type_, TensorType):
        if isinstance(value, tuple):
            return tuple(_fitted(v, None, what) for v in value)
        return np.float32(value) if isinstance(value, float) else np.asarray(value)
    stored = "uint16" if type_.dtype == "bfloat16" else type_.dtype
    array = np.asarray(value)
    if isinstance(stored, str) and array.dtype.name != stored:
        if isinstance(value, (np.ndarray, np.generic)):
            raise ValueError(f"{what} is an array of {array.dtype.name}; {stored} is needed")
        array = array.astype(stored)
    if isinstance(type_.shape, tuple):
        fits = len(type_.shape) == array.ndim
        fits = fits and all(d == n for d, n in zip(type_.shape, array.shape, strict=True) if type(d) is int)
        if not fits:
            raise ValueError(f"{what} is of the shape {array.shape}; {type_} is needed")
    return array


# bfloat16: its values are held as bits, and computed with as float32


def _mentions_bfloat16(root: Expr) -> bool:
    for node in post_order(root):
        if getattr(node, "dtype", "") == "bfloat16":
            return True
        if isinstance(node, Call) and "bfloat16" in node.attrs.values():
            return True
        if isinstance(node, Function) and any("bfloat16" in repr(p.annotation) for p in node.params):
            return True
    return False


def _converter(type_: Any, convert: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """What applies `convert` to the tensors of bfloat16 in a value of a type."""
    if isinstance(type_, TensorType):
        return convert if type_.dtype == "bfloat16" else lambda value: value
    if isinstance(type_, TupleType):
        inner = [_converter(t, convert) for t in type_.fields]
        return lambda value: tuple([c(v) for c, v in zip(inner, value, strict=True)])
    return lambda value: value


def _widened(bits: np.ndarray) -> np.ndarray:
    return (np.asarray(bits).astype("uint32") << 16).view("float32")


def _rounded(values: np.ndarray) -> np.ndarray:
    """The nearest bfloat16 of each number, ties to even; a NaN stays one."""
    values = np.asarray(values)
    if values.dtype == np.uint16:
        return values
    bits = np.ascontiguousarray(values, "float32").view("uint32").astype("uint64").reshape(values.shape)
    rounded = ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype("uint16")
    return np.where(np.isnan(values), np.uint16(0x7FC0), rounded)
