"""The ONNX front end: from a model file to a module of the language."""

from typing import TYPE_CHECKING

from compiler.deferred import defer

if TYPE_CHECKING:
    from compiler.relay.importer.errors import NeedsValues, OnnxError
    from compiler.relay.importer.onnx import from_onnx

defer(
    __name__,
    {
        "compiler.relay.importer.errors": "NeedsValues OnnxError",
        "compiler.relay.importer.onnx": "from_onnx",
    },
)

__all__ = ["NeedsValues", "OnnxError", "from_onnx"]
