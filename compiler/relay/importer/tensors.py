"""Element types and tensors of model files, as NumPy has them."""

from __future__ import annotations

import math
import mmap
import os
import sys
from typing import Any

import numpy as np

from compiler.relay.importer.errors import OnnxError, Unsupported
from compiler.relay.importer.weights import HERE, LEAST_BYTES, Origin

ELEMENT_TYPES: dict[int, str] = {
    1: "float32",
    2: "uint8",
    3: "int8",
    4: "uint16",
    5: "int16",
    6: "int32",
    7: "int64",
    9: "bool",
    10: "float16",
    11: "float64",
    12: "uint32",
    13: "uint64",
}
"""Number of an element type in a file -> name."""

TYPE_NAMES: dict[str, str] = {name: f"tensor({name})" for name in ELEMENT_TYPES.values()}
TYPE_NAMES |= {"float32": "tensor(float)", "float64": "tensor(double)"}
"""Element type -> the name that onnxruntime gives to tensors of it."""

# The field of a TensorProto that holds the elements of a type, where they are not raw bytes.
_FIELDS = {1: "float_data", 11: "double_data", 7: "int64_data", 12: "uint64_data", 13: "uint64_data"}


def element_type(number: int, what: str) -> str:
    """The name of an element type.

    Raises
    ------
    Unsupported
        If NumPy has no such type, or there is none of this number.
    """
    name = ELEMENT_TYPES.get(number)
    if name is None:
        raise Unsupported(f"{what} has the element type {type_text(number)}")
    return name


def type_text(number: int) -> str:
    """An element type as messages show it."""
    from onnx import TensorProto

    try:
        return TensorProto.DataType.Name(number)
    except ValueError:
        return f"number {number}, which does not exist"


def memory_limit() -> int:
    """Bytes of the machine's memory: no tensor of a model can be larger."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return 1 << 36


def check_size(shape: Any, dtype: str, what: str) -> None:
    """Raise OnnxError where a tensor is larger than the memory of the machine."""
    dims = [dim for dim in shape if type(dim) is int]
    size = math.prod(dims) * (2 if dtype == "bfloat16" else np.dtype(dtype).itemsize)
    if size > memory_limit():
        text = ", ".join(map(str, shape))
        raise OnnxError(
            f"{what} has the shape ({text}) and would take {size / 2**30:.3g} GiB: more memory "
            "than this machine has"
        )


def array_of(tensor: Any, origin: Origin | None = None) -> np.ndarray:
    """The array of a TensorProto; external data are read from the model's folder, or are in its file.

    Raises
    ------
    OnnxError
        If the data do not fit the shape, or the file of external data is missing or too short.
    Unsupported
        For an element type that NumPy lacks.
    """
    what = f"the tensor {tensor.name!r}"
    dtype = np.dtype(element_type(tensor.data_type, what))
    shape = tuple(tensor.dims)
    if any(dim < 0 for dim in shape):
        raise OnnxError(f"{what} has the shape {shape}, with a negative dimension")
    check_size(shape, dtype.name, what)
    count = math.prod(shape)
    if tensor.HasField("segment"):
        raise Unsupported(f"{what} is a segment of a tensor")
    if tensor.data_location == 1:
        raw: Any = _external(tensor, origin or Origin(), count * dtype.itemsize)
    else:
        raw = tensor.raw_data if tensor.HasField("raw_data") else None
    if raw is not None:
        if len(raw) != count * dtype.itemsize:
            raise OnnxError(
                f"{what} has {len(raw)} bytes; {dtype.name} of the shape {shape} has {count * dtype.itemsize}"
            )
        array = np.frombuffer(raw, dtype)  # files are little-endian
        return (array if sys.byteorder == "little" else array.byteswap()).reshape(shape)
    values = getattr(tensor, _FIELDS.get(tensor.data_type, "int32_data"))
    if len(values) != count:
        raise OnnxError(f"{what} has {len(values)} elements; the shape {shape} has {count}")
    if dtype == np.float16:
        return np.asarray(values, "uint16").view("float16").reshape(shape)
    wide = np.asarray(values)
    array = wide.astype(dtype)
    if dtype.kind in "iu" and not np.array_equal(array, wide):
        raise OnnxError(f"{what} has an element that {dtype.name} does not have")
    return array.reshape(shape)


def _external(tensor: Any, origin: Origin, size: int) -> Any:
    """The bytes of a tensor in a file of the model's folder, or elsewhere in its own file."""
    entries = {entry.key: entry.value for entry in tensor.external_data}
    name, location, folder = f"the tensor {tensor.name!r}", entries.get("location", ""), origin.folder
    if not location:
        raise OnnxError(f"{name} is in another file, which is not named")
    if location == HERE and origin.data is not None:
        offset, length = int(entries["offset"]), int(entries["length"])
        return origin.data[offset : offset + length]
    if not folder:
        raise OnnxError(f"{name} is in the file {location!r}: give the path of the model, not its bytes")
    root = os.path.realpath(folder)
    path = os.path.realpath(os.path.join(root, location))
    if os.path.commonpath([root, path]) != root:
        raise OnnxError(f"{name} is in {location!r}, outside of the model's folder {folder}")
    try:
        offset, length = int(entries.get("offset", 0)), int(entries.get("length", size))
    except ValueError:
        raise OnnxError(f"{name}: offset and length in {location!r} are not numbers: {entries}") from None
    if length != size or offset < 0:
        raise OnnxError(f"{name} declares {length} bytes from {offset} on in {location!r}; {size} are needed")
    try:
        with open(path, "rb") as file:
            missing = offset + size - os.fstat(file.fileno()).st_size
            if origin.mapped and missing <= 0 and size >= LEAST_BYTES:
                start = offset - offset % mmap.ALLOCATIONGRANULARITY
                mapped = mmap.mmap(
                    file.fileno(), offset - start + size, access=mmap.ACCESS_READ, offset=start
                )
                return memoryview(mapped)[offset - start :]
            file.seek(offset)
            data = file.read(size)
    except (OSError, OverflowError, ValueError) as error:
        raise OnnxError(f"the file {path} with the data of {name} cannot be read: {error}") from error
    if len(data) != size:
        raise OnnxError(f"the file {path} ends {size - len(data)} bytes before the data of {name} do")
    return data
