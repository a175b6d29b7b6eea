"""Whether the buffers of a program fit the memories of a target."""

from __future__ import annotations

from compiler.backend.protocol import Hardware, TargetError
from compiler.ir.stmt import Allocate, Stmt
from compiler.ir.visit import walk


def check_memories(body: Stmt, hardware: Hardware, target: str) -> None:
    """Refuse buffers in a memory that the target does not have, or that do not fit it together.

    The lifetimes of all buffers of a scope are assumed to overlap. Call it for each part of a program that
    has a memory for itself, such as the body of a device function, and after storage was planned.

    Parameters
    ----------
    body : Stmt
    hardware : Hardware
        Its `memories` are the limits.
    target : str
        For messages.

    Raises
    ------
    TargetError
        Naming the buffer, its scope and the bytes.
    """
    used: dict[str, int] = {}
    for node in walk(body):
        if type(node) is not Allocate:
            continue
        buffer, scope = node.buffer, node.buffer.scope
        if scope not in hardware.memories:
            raise TargetError(
                f"{buffer} is in {scope!r} memory, which {target} does not have "
                f"(it has: {', '.join(hardware.memories)})"
            )
        limit = hardware.memories[scope]
        used[scope] = used.get(scope, 0) + buffer.nbytes
        if limit is not None and used[scope] > limit:
            raise TargetError(
                f"{buffer} takes {buffer.nbytes} bytes of {scope!r} memory, {used[scope]} with the buffers "
                f"before it; {target} has {limit}"
            )
