"""The ONNX front end: from a model file to a module of the language."""

from __future__ import annotations

from compiler.relay.importer.errors import NeedsValues, OnnxError
from compiler.relay.importer.onnx import from_onnx

__all__ = ["NeedsValues", "OnnxError", "from_onnx"]
