"""Operators and their values as the command line spells them."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from compiler.ops.operator import Operator
    from costmodel.task import Task


def find_operator(text: str) -> Operator:
    """Return the operator of a name, or of ``FILE.py:NAME``, a file that registers it.

    The name may be left out where the file registers one operator alone.

    Raises
    ------
    ValueError
        For an unknown operator, or a file that fails or does not register it.
    FileNotFoundError
        If there is no such file.
    """
    from compiler.suggest import unknown
    from costmodel.registry import operator

    file, name = split_file(text)
    if not file:
        return operator(name)
    names = load_operators(file)
    if name in names:
        return operator(name)
    if name:
        raise ValueError(f"{file}: {unknown('operator', name, names)}")
    if len(names) > 1:
        raise ValueError(f"{file} registers {', '.join(names)}: name one of them, as in {file}:{names[0]}")
    return operator(names[0])


def load_operators(file: str) -> list[str]:
    """Run a file that registers operators, once, and return their names; errors as of `find_operator`."""
    path = Path(file)
    return _load(path.resolve(), path.stat().st_mtime_ns if path.is_file() else 0)


@lru_cache(maxsize=256)
def _load(path: Path, changed: int) -> list[str]:
    from costmodel.registry import load_file

    return load_file(path)


def split_file(text: str) -> tuple[str, str]:
    """Return the file and the name of ``FILE.py:NAME``; a text without a file is a name."""
    if text.endswith(".py"):
        return text, ""
    file, colon, name = text.rpartition(":")
    return (file, name) if colon and file.endswith(".py") else ("", text)


def parse_shape(operator: Operator, text: str) -> tuple[Any, ...]:
    """Return the parameters of an operator from their text, such as ``1,64,56,56,64,3,pad=1x2``.

    Raises
    ------
    ValueError
        For a value without a name after one with a name; and for values that `Operator.shape` refuses.
    """
    if "," not in text and "=" not in text:
        text = text.replace("x", ",")
    values: list[Any] = []
    named: dict[str, Any] = {}
    for part in text.split(","):
        name, equals, value = part.rpartition("=")
        digits = value.split("x")
        plain: Any = value.strip()
        if all(d.strip().isdigit() for d in digits):
            plain = int(value) if len(digits) == 1 else tuple(int(d) for d in digits)
        if equals:
            named[name.strip()] = plain
        elif named:
            raise ValueError(f"--shape: {part!r} follows a value with a name, so it needs a name, too")
        else:
            values.append(plain)
    return operator.shape(*values, **named)


def make_task(operator: str, shape: str, target: str) -> Task:
    """Return the task that the options of a command describe, its space recorded.

    Raises
    ------
    ValueError
        For what `find_operator`, `parse_shape` and `Task` refuse, and a template that raises any error.
    """
    from costmodel.task import Task

    found = find_operator(operator)
    task = Task(found, parse_shape(found, shape), target)
    try:
        _ = task.space
    except (ValueError, OSError):
        raise
    except Exception as error:  # of a user's template: one line, as of any wrong input
        raise ValueError(
            f"the template of {found.name} raised {type(error).__name__}{_where(error)}: {error}"
        ) from error
    return task


def read_tasks(path: Path, target: str) -> tuple[list[Task], list[float]]:
    """Read a file of tasks, ``OPERATOR SHAPE`` or ``OPERATOR SHAPE xWEIGHT`` in each line, and their weights.

    Empty lines, and what follows a ``#``, do not count. The files of operators are relative to that file.

    Raises
    ------
    ValueError
        For a line that is no task; names the line.
    """
    tasks: list[Task] = []
    weights: list[float] = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        try:
            if len(words) not in (2, 3) or (len(words) == 3 and not words[2].startswith("x")):
                raise ValueError(
                    f"a line is OPERATOR SHAPE, or OPERATOR SHAPE xWEIGHT, not {' '.join(words)!r}"
                )
            file, name = split_file(words[0])
            operator = f"{path.parent / file}:{name}".rstrip(":") if file else name
            tasks.append(make_task(operator, words[1], target))
            weights.append(float(words[2][1:]) if len(words) == 3 else 1.0)
        except (ValueError, OSError) as error:
            raise ValueError(f"{path.name}, line {number}: {error}") from error
    if not tasks:
        raise ValueError(f"{path}: there is no task in it")
    return tasks, weights


def _where(error: BaseException) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f" ({trace.tb_frame.f_code.co_filename}, line {trace.tb_lineno})" if trace else ""
