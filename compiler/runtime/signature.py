"""`Signature`: the arrays that a compiled function takes, and the check of those of a call."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

from compiler.ir.dtype import SCALAR_TYPES, bits_of
from compiler.ir.expr import Buffer, Var, upper_bound
from compiler.runtime.array import memory_layout
from compiler.runtime.device import Device, DeviceArray
from compiler.runtime.dlpack import View, view
from compiler.runtime.overlap import are_disjoint, extent_of_memory, is_injective

# NumPy takes longer to make the text of a dtype than all the checks of an array take
_NAMES = {np.dtype(name): name for name in SCALAR_TYPES if name != "bfloat16"}
_ITEMSIZES = {name: bits_of(name) // 8 for name in SCALAR_TYPES}
# complex numbers are pairs of floats
_PARTS = {"complex64": "float32", "complex128": "float64"}


class Signature:
    """The arguments that a compiled function takes, and the check of the arrays of a call.

    Parameters
    ----------
    name : str
        The function's name, for messages.
    params : tuple of Buffer
        Extents may be dynamic: variables with bounds. The shapes of the arrays of a call
        determine their values.
    stored : frozenset of int
        Positions of the parameters that are written to.
    device : Device, optional
        Where the function runs, if not on the CPU.

    Attributes
    ----------
    sizes : tuple of Var
        The dynamic extents in the order of their first use.
    layouts : list of (shape, dtype)
        The memory layout of each parameter's array; an extent is a number, or the position of a dynamic
        dimension in `sizes` as ``-1 - position``.
    """

    def __init__(
        self, name: str, params: tuple[Buffer, ...], stored: frozenset[int], device: Device | None = None
    ) -> None:
        self.name = name
        self.params = params
        self.stored = stored
        self.device = device
        self.sizes = tuple(dict.fromkeys(size for buffer in params for size in buffer.sizes))
        self.layouts: list[tuple[tuple[int, ...], str]] = []
        for buffer in params:
            if device is not None and buffer.strides is not None:
                raise ValueError(f"{name}: {buffer} has strides, but arrays on {device} are row-major")
            largest = tuple(upper_bound(extent) for extent in buffer.shape)
            memory, dtype = memory_layout(largest, buffer.dtype)
            shape = list(memory)
            for axis, extent in enumerate(buffer.shape):
                if not isinstance(extent, int):
                    if memory[axis] != largest[axis]:
                        raise ValueError(
                            f"{name}: the last extent of {buffer} is packed into bytes, so it must be fixed"
                        )
                    shape[axis] = -1 - self.sizes.index(extent)
            self.layouts.append((tuple(shape), dtype))

    def bind(self, arrays: tuple[Any, ...]) -> tuple[ctypes.Array, list[Any]]:
        """The slots of a call: the pointers of the arrays, then the values of the dynamic extents.

        Parameters
        ----------
        arrays : tuple
            As `check` takes them.

        Returns
        -------
        slots : ctypes.Array
            Eight bytes each.
        owners : list
            Objects that must live until the call has ended.

        Raises
        ------
        ValueError
            As `check` does.
        """
        views, sizes = self.check(arrays)
        values = [v.pointer for v in views] + sizes
        return (ctypes.c_int64 * max(1, len(values)))(*values), [v.owner for v in views]

    def check(self, arrays: tuple[Any, ...]) -> tuple[list[View], list[int]]:
        """The memory of a call's arrays, and the values of the dynamic extents.

        Parameters
        ----------
        arrays : tuple
            NumPy arrays, or arrays of other libraries that DLPack takes without a copy; for a function that
            runs on a device, NumPy arrays or arrays of that device. Complex numbers are pairs of floats along
            a last axis.

        Returns
        -------
        views : list of View
            One for each array.
        sizes : list of int

        Raises
        ------
        ValueError
            For the first argument that is wrong; names it and what would be right. No memory was touched.
        """
        if len(arrays) != len(self.params):
            expected = ", ".join(map(str, self.params))
            raise ValueError(f"{self.name} takes {len(self.params)} array(s) ({expected}), not {len(arrays)}")
        # for each dynamic extent: its value, and the position of the first argument that has it
        sizes: list[tuple[int, int] | None] = [None] * len(self.sizes)
        views = []
        for i, array in enumerate(arrays):
            try:
                views.append(self._checked(i, array, sizes))
            except ValueError as error:
                where = f"{self.name}: argument {i + 1}, {self.params[i].name!r},"
                raise ValueError(f"{where} {error}") from error.__cause__
        ranges = [extent_of_memory(v) for v in views]
        for i in sorted(self.stored):
            for j, other in enumerate(views):
                if i != j and ranges[i][0] < ranges[j][1] and ranges[j][0] < ranges[i][1]:
                    if isinstance(views[i].owner, DeviceArray) != isinstance(other.owner, DeviceArray):
                        continue  # addresses of different memories
                    if self.params[i].strides is None and self.params[j].strides is None:
                        pass  # dense, so the ranges are the elements
                    elif are_disjoint(views[i], other):
                        continue
                    raise ValueError(
                        f"{self.name}: the output {self.params[i].name!r} shares memory with the argument "
                        f"{self.params[j].name!r}; pass separate arrays"
                    )
        return views, [value for value, _ in filter(None, sizes)]

    def _view_of_other(self, buffer: Buffer, array: Any) -> View:
        if isinstance(array, DeviceArray):
            if array.device is not self.device:
                here = "the CPU" if self.device is None else self.device
                raise ValueError(
                    f"is on {array.device}; this module runs on {here}, so copy it there (array.numpy())"
                )
            return View(array.address, array.dtype, array.shape, True, True, True, array)
        if self.device is not None:
            raise ValueError(
                f"must be a NumPy array {buffer}, or an array on {self.device}, not {type(array).__name__}"
            )
        if hasattr(array, "__dlpack__") and hasattr(array, "__dlpack_device__"):
            return view(array)
        raise ValueError(
            f"must be a NumPy array {buffer}, or another library's with __dlpack__, "
            f"not {type(array).__name__}"
        )

    def _checked(self, position: int, array: Any, sizes: list[tuple[int, int] | None]) -> View:
        buffer, (layout, dtype) = self.params[position], self.layouts[position]
        if isinstance(array, np.ndarray):
            flags = array.flags
            name = _NAMES.get(array.dtype) or str(array.dtype)
            memory = (array.ctypes.data, name, array.shape)
            given = View(*memory, flags.c_contiguous, flags.aligned, flags.writeable, array, array.strides)
        else:
            given = self._view_of_other(buffer, array)
        if given.dtype in _PARTS and layout[-1:] == (2,) and len(layout) == len(given.shape) + 1:
            part = _PARTS[given.dtype]
            steps = (*given.strides, _ITEMSIZES[part])
            given = given._replace(dtype=part, shape=(*given.shape, 2), strides=steps)
        if given.dtype != dtype and not (dtype == "bfloat16" and given.dtype == "uint16"):
            packed = f" (the bytes of {buffer.dtype})" if dtype != buffer.dtype else ""
            raise ValueError(f"has dtype {given.dtype}; {dtype} is needed{packed} (array.astype({dtype!r}))")
        if len(given.shape) != len(layout) or any(
            extent >= 0 and extent != have for extent, have in zip(layout, given.shape, strict=True)
        ):
            raise ValueError(f"has shape {given.shape}; {self._shape(layout)} is needed")
        for extent, have in zip(layout, given.shape, strict=True):
            if extent < 0:
                self._bind_size(-1 - extent, have, position, sizes)
        if buffer.strides is not None:
            self._check_strides(position, given, sizes)
        elif not given.contiguous:
            raise ValueError("is not C-contiguous; numpy.ascontiguousarray makes it so")
        if not given.aligned:
            raise ValueError("is not aligned to its elements; a copy of it is")
        if position in self.stored and not given.writable:
            raise ValueError("is written to, but the array is read-only")
        return given

    def _check_strides(self, position: int, given: View, sizes: list[tuple[int, int] | None]) -> None:
        buffer, itemsize = self.params[position], _ITEMSIZES[given.dtype]
        assert buffer.strides is not None
        if any(step % itemsize for step in given.strides):
            raise ValueError(f"has strides of {given.strides} bytes, which are no multiples of its elements")
        have = tuple(step // itemsize for step in given.strides)
        for axis, (stride, wanted) in enumerate(zip(have, buffer.strides, strict=True)):
            if isinstance(wanted, Var):
                self._bind_size(self.sizes.index(wanted), stride, position, sizes)
            elif stride != wanted and given.shape[axis] > 1:
                shown = ", ".join(str(s) if isinstance(s, int) else "any" for s in buffer.strides)
                raise ValueError(f"has strides {have} in elements; ({shown}) is needed")
        if position in self.stored and not is_injective(given):
            raise ValueError("is written to, but several of its elements may be the same memory")

    def _bind_size(self, number: int, have: int, position: int, sizes: list[tuple[int, int] | None]) -> None:
        size, before = self.sizes[number], sizes[number]
        low, high = size.bounds or (0, 0)
        if not low <= have <= high:
            what = "extent" if low >= 0 else "stride"
            raise ValueError(f"has the dynamic {what} {size.name!r} = {have}; it must be {low} to {high}")
        if before is not None and before[0] != have:
            raise ValueError(
                f"has the dynamic extent {size.name!r} = {have}, but it is {before[0]} by argument "
                f"{before[1] + 1}, {self.params[before[1]].name!r}"
            )
        sizes[number] = before or (have, position)

    def _shape(self, layout: tuple[int, ...]) -> str:
        names = [str(extent) if extent >= 0 else self.sizes[-1 - extent].name for extent in layout]
        return f"({', '.join(names)}{',' if len(names) == 1 else ''})"
