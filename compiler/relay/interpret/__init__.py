"""The interpreter, which defines what a program means."""

from compiler.relay.interpret.evaluate import evaluate
from compiler.relay.interpret.values import Closure, ConstructorValue, RefValue

__all__ = ["Closure", "ConstructorValue", "RefValue", "evaluate"]
