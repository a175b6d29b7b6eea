"""Code generation: what a program is compiled for, and how."""

from compiler.target.build import build
from compiler.target.target import Target

__all__ = ["Target", "build"]
