"""Recursion of any depth: where a traversal has used up its stack, it continues on the stack of a new thread.

Python bounds the depth of the calls of a thread, and the length of a chain of stages, of a sum or of nested
conditions is unbounded. So a traversal with a state counts its levels (`Recursive`, `counted`): at `LEVELS`
it continues, with the same state and in the same order, on another stack, while the thread that it leaves
waits. A function without a state needs no count (`recursive`): it starts again where no call is left.
"""

from __future__ import annotations

from _thread import allocate_lock, start_new_thread
from collections.abc import Callable
from contextvars import ContextVar, copy_context
from functools import wraps
from typing import Any, TypeVar, cast

LEVELS = 60
"""Levels of a traversal on one stack. A level takes several calls, and a traversal may start another one."""

STACKS = 4096
"""Stacks that wait for one another; beyond it, the recursion has no end."""

Function = TypeVar("Function", bound=Callable[..., Any])

_waiting: ContextVar[int] = ContextVar("waiting", default=0)


def on_new_stack(function: Callable[..., Any], *args: Any) -> Any:
    """``function(*args)``, executed by a new thread while this one waits; an exception is raised here.

    Raises
    ------
    RecursionError
        If `STACKS` stacks are waiting.
    """
    done, context = allocate_lock(), copy_context()
    outcome: list[tuple[Any, BaseException | None]] = []
    waiting = context.get(_waiting, 0)
    if waiting == STACKS:
        raise RecursionError(f"a traversal has more than {STACKS * LEVELS} levels")

    def run() -> None:
        try:
            context.run(_waiting.set, waiting + 1)
            outcome.append((context.run(function, *args), None))
        except BaseException as error:
            outcome.append((None, error))
        finally:
            done.release()

    done.acquire()
    start_new_thread(run, ())
    done.acquire()
    result, error = outcome.pop()
    if error is not None:
        raise error
    return result


class Recursive:
    """Base of traversals with a recursive method and a state; `level` counts its calls in progress."""

    level = 0

    def deeper(self, method: Callable[..., Any], *args: Any) -> Any:
        """``method(*args)`` on a new stack."""
        self.level = 0
        try:
            return on_new_stack(method, *args)
        finally:
            self.level = LEVELS


def counted(method: Function) -> Function:
    """Decorate a recursive method of a `Recursive`."""

    @wraps(method)
    def at_any_depth(self: Recursive, *args: Any) -> Any:
        level = self.level
        if level == LEVELS:
            return self.deeper(at_any_depth, self, *args)
        self.level = level + 1
        try:
            return method(self, *args)
        finally:
            self.level = level

    return cast(Function, at_any_depth)


def recursive(function: Function) -> Function:
    """Decorate a recursive function whose result depends on its arguments alone."""

    @wraps(function)
    def at_any_depth(*args: Any) -> Any:
        try:
            return function(*args)
        except RecursionError:
            return on_new_stack(at_any_depth, *args)

    return cast(Function, at_any_depth)
