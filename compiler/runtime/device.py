"""`Device` and `DeviceArray`: the memory of a device, separate from that of the process, and arrays in it."""

from __future__ import annotations

import weakref
from math import prod
from threading import RLock
from typing import Protocol

import numpy as np

from compiler.ir.dtype import bits_of
from compiler.runtime.array import memory_layout, numpy_dtype


class DeviceError(ValueError):
    """An allocation does not fit the memory of a device, or the arrays of a copy differ in shape or dtype."""


class Memory(Protocol):
    """The main memory of a device, an interface that back ends implement. Addresses are positive integers."""

    @property
    def nbytes(self) -> int:
        """Its size."""
        ...

    def allocate(self, nbytes: int) -> int:
        """Allocate `nbytes` bytes and return their address; `Device` has checked the total of free bytes.

        Raises
        ------
        DeviceError
            If there are not so many contiguous free bytes.
        """
        ...

    def free(self, address: int) -> None:
        """Free the memory at an address that `allocate` returned."""
        ...

    def write(self, address: int, data: np.ndarray) -> None:
        """Copy a C-contiguous array to the device."""
        ...

    def read(self, address: int, out: np.ndarray) -> None:
        """Copy from the device into a C-contiguous array."""
        ...


class Device:
    """A device and its main memory.

    Parameters
    ----------
    kind : str
        The kind of target whose programs it runs.
    index : int
        Which of the devices of that kind.
    memory : Memory

    Attributes
    ----------
    used : int
        Bytes of the memory that arrays take.
    """

    def __init__(self, kind: str, index: int, memory: Memory) -> None:
        self.kind, self.index, self.memory = kind, index, memory
        self.used = 0
        self._lock = RLock()  # an array may be collected, and so freed, inside of `allocate`

    def __repr__(self) -> str:
        return f"{self.kind}:{self.index}"

    def empty(self, shape: int | tuple[int, ...], dtype: str = "float32") -> DeviceArray:
        """An array on the device, its elements not set.

        Parameters
        ----------
        shape : int or tuple of int
            In elements, of a packed type too: see `compiler.runtime.empty`.
        dtype : str
            A type of the loop IR.

        Raises
        ------
        ValueError
            For an unknown type or a negative extent; `DeviceError` if it does not fit the memory.
        """
        extents = (shape,) if isinstance(shape, int) else tuple(int(extent) for extent in shape)
        if any(extent < 0 for extent in extents):
            raise ValueError(f"an extent of an array is at least 0, but the shape is {extents}")
        return DeviceArray(self, *memory_layout(extents, dtype))

    def array(self, source: np.ndarray) -> DeviceArray:
        """A copy of a NumPy array on the device."""
        source = np.asarray(source)
        result = self.empty(source.shape, str(source.dtype))
        result.copy_from(source)
        return result

    def allocate(self, nbytes: int) -> int:
        """Allocate memory and return its address; `free` releases it.

        Raises
        ------
        DeviceError
            If fewer than `nbytes` bytes are free.
        """
        size = self.memory.nbytes
        with self._lock:
            if self.used + nbytes > size:
                raise DeviceError(
                    f"{self} has {size} bytes of memory, of which {size - self.used} are free: "
                    f"{nbytes} bytes do not fit"
                )
            address = self.memory.allocate(nbytes)
            self.used += nbytes
            return address

    def free(self, address: int, nbytes: int) -> None:
        """Free the memory at an address that `allocate` returned."""
        with self._lock:
            self.memory.free(address)
            self.used -= nbytes


class DeviceArray:
    """A C-contiguous array in the memory of a device, which is freed with this object.

    Parameters
    ----------
    device : Device
    shape : tuple of int
    dtype : str
        As NumPy spells it.

    Attributes
    ----------
    address : int
        Of its first element.
    nbytes : int
    """

    def __init__(self, device: Device, shape: tuple[int, ...], dtype: str) -> None:
        self.device, self.shape, self.dtype = device, shape, dtype
        self.nbytes = prod(shape) * bits_of(dtype) // 8
        self.address = device.allocate(self.nbytes)
        weakref.finalize(self, device.free, self.address, self.nbytes).atexit = False

    def __repr__(self) -> str:
        return f"DeviceArray({self.dtype}{list(self.shape)} on {self.device})"

    def copy_from(self, source: np.ndarray) -> None:
        """Copy a NumPy array of the same shape and dtype to the device.

        Raises
        ------
        DeviceError
            If they differ.
        """
        self._check(source)
        self.device.memory.write(self.address, np.ascontiguousarray(source))

    def copy_to(self, target: np.ndarray) -> None:
        """Copy from the device into a NumPy array of the same shape and dtype.

        Raises
        ------
        DeviceError
            If they differ, or the array is not C-contiguous.
        """
        self._check(target)
        if not target.flags.c_contiguous:
            raise DeviceError(
                f"{self} is copied to C-contiguous arrays only; numpy.ascontiguousarray makes one"
            )
        self.device.memory.read(self.address, target)

    def numpy(self) -> np.ndarray:
        """A copy of the elements as a NumPy array."""
        result = np.empty(self.shape, numpy_dtype(self.dtype))
        self.copy_to(result)
        return result

    def _check(self, array: np.ndarray) -> None:
        if array.shape != self.shape or array.dtype != numpy_dtype(self.dtype):
            raise DeviceError(f"{self} is not copied from or to {array.dtype}{list(array.shape)}")
