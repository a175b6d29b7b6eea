"""Code generation: what a program is compiled for, and how."""

from compiler.backend.build import build, load_module
from compiler.backend.target import Target, TargetError

__all__ = ["Target", "TargetError", "build", "load_module"]
