"""`extract_tasks`: what a search can tune in a model, and how often each of it occurs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from compiler import Target
from costmodel.task import Task

if TYPE_CHECKING:
    from compiler.relay import IRModule


def extract_tasks(module: IRModule, target: str = "llvm", level: int = 3) -> dict[Task, float]:
    """The tasks of a model: the operators with templates that compute its fused groups.

    Parameters
    ----------
    module : compiler.relay.IRModule
        Of static shapes, as `compiler.relay.from_onnx` gives it.
    target : str
        What it is compiled for.
    level : int
        How far it is optimised before, as for `compiler.relay.build`; the tasks are those of that level.

    Returns
    -------
    dict of Task to float
        Each task once, with the number of its calls: what `tune_all` takes. `apply_history_best` with its
        records around `compiler.relay.build` uses what it finds.

    Raises
    ------
    ValueError
        If the module is ill-typed, or the target or level is unknown.

    Examples
    --------
    >>> module = relay.from_onnx("model.onnx", {"x": (1, 3, 224, 224)})
    >>> costmodel.tune_all(costmodel.extract_tasks(module), seconds=600, records="model.jsonl")
    >>> with costmodel.apply_history_best("model.jsonl"):
    ...     program = relay.build(module)
    """
    from compiler.relay import infer_type
    from compiler.relay.execute.planning.lower import anchors
    from compiler.relay.execute.settings import Settings, grouped

    found: dict[str, tuple[Task, float]] = {}
    for (operator, values), count in anchors(
        grouped(infer_type(module), Settings(Target.parse(target), level))
    ).items():
        task = Task(operator, values, target)
        _, before = found.get(task.key, (task, 0.0))
        found[task.key] = task, before + count
    return dict(found.values())
