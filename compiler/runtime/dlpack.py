"""Arrays of other libraries, taken by the DLPack protocol without a copy.

The structures are those of the header ``dlpack.h``, versions 0.8 and 1.0. NumPy's own `from_dlpack` is not
used because it may mark an array of an older exporter as read-only, which then could not be an output.
"""

from __future__ import annotations

import ctypes
from math import prod
from typing import Any, NamedTuple

# kinds of devices whose memory the CPU can access; then all kinds
_OF_CPU = {1: "cpu", 3: "cuda_host", 11: "rocm_host", 13: "cuda_managed"}
_DEVICES = _OF_CPU | {2: "cuda", 4: "opencl", 7: "vulkan", 8: "metal", 9: "vpi", 10: "rocm", 14: "oneapi"}
_DEVICES |= {15: "webgpu", 16: "hexagon", 17: "maia"}
_TYPES = {0: "int", 1: "uint", 2: "float", 4: "bfloat", 5: "complex", 6: "bool"}
_READ_ONLY = 1


class _Tensor(ctypes.Structure):
    _fields_ = (
        ("data", ctypes.c_void_p),
        ("device_type", ctypes.c_int32),
        ("device_id", ctypes.c_int32),
        ("ndim", ctypes.c_int32),
        ("code", ctypes.c_uint8),
        ("bits", ctypes.c_uint8),
        ("lanes", ctypes.c_uint16),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("byte_offset", ctypes.c_uint64),
    )


class _Versioned(ctypes.Structure):
    _fields_ = (
        ("major", ctypes.c_uint32),
        ("minor", ctypes.c_uint32),
        ("context", ctypes.c_void_p),
        ("deleter", ctypes.c_void_p),
        ("flags", ctypes.c_uint64),
        ("tensor", _Tensor),
    )


class View(NamedTuple):
    """The memory of an argument, as the checks of a call read it.

    Attributes
    ----------
    pointer : int
        Address of the first element.
    dtype : str
        As NumPy spells it.
    shape : tuple of int
    contiguous, aligned, writable : bool
        Whether it is row-major without gaps, begins at a multiple of its element's size, may be written to.
    owner : object
        The object that keeps the memory alive.
    strides : tuple of int
        In bytes.
    """

    pointer: int
    dtype: str
    shape: tuple[int, ...]
    contiguous: bool
    aligned: bool
    writable: bool
    owner: Any
    strides: tuple[int, ...] = ()


def view(array: Any) -> View:
    """The memory of an object that has ``__dlpack__``.

    Raises
    ------
    ValueError
        If it is not on the CPU, or its exporter refuses; the message continues the name of an argument.
    """
    kind, number = (int(part) for part in array.__dlpack_device__())
    if kind not in _OF_CPU:
        device = _DEVICES.get(kind, f"device of kind {kind}")
        raise ValueError(f"is on {device}:{number}; this module runs on the CPU, so move it there first")
    try:
        try:
            capsule = array.__dlpack__(max_version=(1, 0))
        except TypeError:  # an exporter from before version 1
            capsule = array.__dlpack__()
        return _read(capsule)
    except (BufferError, RuntimeError, TypeError) as error:
        raise ValueError(f"cannot be taken by DLPack: {error}") from error


def _read(capsule: Any) -> View:
    api = ctypes.pythonapi
    api.PyCapsule_IsValid.argtypes = api.PyCapsule_GetPointer.argtypes = (ctypes.py_object, ctypes.c_char_p)
    api.PyCapsule_GetPointer.restype = ctypes.c_void_p
    writable = True
    # the capsule keeps its name, so that its destructor releases the memory after the call
    if api.PyCapsule_IsValid(capsule, b"dltensor_versioned"):
        versioned = _Versioned.from_address(api.PyCapsule_GetPointer(capsule, b"dltensor_versioned"))
        if versioned.major != 1:
            raise BufferError(f"it uses version {versioned.major} of the protocol")
        tensor, writable = versioned.tensor, not versioned.flags & _READ_ONLY
    elif api.PyCapsule_IsValid(capsule, b"dltensor"):
        tensor = _Tensor.from_address(api.PyCapsule_GetPointer(capsule, b"dltensor"))
    else:
        raise BufferError("its capsule holds no tensor")
    shape = tuple(tensor.shape[: tensor.ndim])
    name = _TYPES.get(tensor.code, f"type{tensor.code}_")
    dtype = "bool" if name == "bool" else f"{name}{tensor.bits}"
    dtype = dtype if tensor.lanes == 1 else f"{dtype}x{tensor.lanes}"
    pointer = (tensor.data or 0) + tensor.byte_offset
    contiguous = not tensor.strides or _is_row_major(shape, tensor.strides[: tensor.ndim])
    itemsize = max(1, tensor.bits * tensor.lanes // 8)
    steps = tensor.strides[: tensor.ndim] if tensor.strides else row_major(shape)
    strides = tuple(step * itemsize for step in steps)
    return View(pointer, dtype, shape, contiguous, pointer % itemsize == 0, writable, capsule, strides)


def row_major(shape: tuple[int, ...]) -> list[int]:
    """The strides of a dense array, in elements."""
    return [prod(shape[axis + 1 :]) for axis in range(len(shape))]


def _is_row_major(shape: tuple[int, ...], strides: list[int]) -> bool:
    if prod(shape) == 0:
        return True
    step = 1
    for extent, stride in zip(reversed(shape), reversed(strides), strict=True):
        if extent != 1:
            if stride != step:
                return False
            step *= extent
    return True
