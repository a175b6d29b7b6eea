"""Type inference: unification, type relations and their solver."""

from compiler.relay.infer.infer import infer_type
from compiler.relay.infer.solver import TypeInferenceError

__all__ = ["TypeInferenceError", "infer_type"]
