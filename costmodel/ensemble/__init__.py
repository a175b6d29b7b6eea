"""Ensembles of trees, compiled to machine code that scores tables and single rows."""

from costmodel.ensemble.compiled import CompiledEnsemble, compile_ensemble, is_compiled_ensemble

__all__ = ["CompiledEnsemble", "compile_ensemble", "is_compiled_ensemble"]
