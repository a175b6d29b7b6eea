"""Scopes: the names of the memories that a buffer can be in."""

from __future__ import annotations

import re

SCOPES = ("global", "shared", "warp", "local")
"""The memories common to all targets. A dotted name, as ``vta.acc``, is a memory of an accelerator."""

_ACCELERATOR_SCOPE = re.compile(r"[a-z]\w*\.[a-z]\w*")


def is_scope(name: str) -> bool:
    """Whether `name` can be a scope: one of `SCOPES`, or the dotted name of an accelerator's memory."""
    return name in SCOPES or _ACCELERATOR_SCOPE.fullmatch(name) is not None
