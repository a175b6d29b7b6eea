"""Code generation: what a program is compiled for, and how."""

from compiler.target.build import build, load_module
from compiler.target.target import Target, TargetError

__all__ = ["Target", "TargetError", "build", "load_module"]
