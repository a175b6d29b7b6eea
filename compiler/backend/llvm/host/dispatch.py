"""Fast calls from Python into compiled code.

A call checks its arrays, writes their pointers into slots, releases the interpreter's lock and calls the
code. In Python that takes several microseconds, as long as a small kernel runs. Here it is LLVM code behind a
function object of CPython: one for the process, driven by a table for each module. It handles plain NumPy
arrays that pass every check. All other calls go to `Checked`, which takes more kinds of arrays and raises an
error that names the wrong argument.

It reads the fields of an array at the offsets that NumPy's headers declare. `_layout_is_known` tests whether
they are right in this process; otherwise `Checked` handles every call.
"""

from __future__ import annotations

import ctypes
import sys
from functools import lru_cache
from typing import Any

import numpy as np

from compiler.backend.llvm.host.loader import Library, load_text
from compiler.runtime.array import empty, numpy_dtype
from compiler.runtime.signature import Signature

_ENTRY = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)

# flags of an array
_C_CONTIGUOUS, _ALIGNED, _WRITEABLE = 0x1, 0x100, 0x400
# offsets in an array object of its type, data, number of axes, extents, dtype and flags
_TYPE, _DATA, _NDIM, _EXTENTS, _DTYPE, _FLAGS = 8, 16, 24, 32, 56, 64

# words of a table, and of the record of a parameter in it
_HEADER, _RECORD = 8, 6

_TEXT = """
declare ptr @PyCapsule_GetPointer(ptr, ptr)
declare ptr @PyObject_Vectorcall(ptr, ptr, i64, ptr)
declare ptr @PyEval_SaveThread()
declare void @PyEval_RestoreThread(ptr)
declare void @Py_IncRef(ptr)
declare noalias ptr @aligned_alloc(i64, i64)
declare void @free(ptr)

; table: entry, workspace bytes, idle workspace, sizes, parameters, type of arrays, None, Checked;
;        then for each parameter: dtype, itemsize, flags, whether stored, axes, extents;
;        then the bounds of each size, and the extents: numbers, or -1 - (the position of a size)
define ptr @espalier_call(ptr %self, ptr %args, i64 %given) {{
entry:
  %table = call ptr @PyCapsule_GetPointer(ptr %self, ptr null)
  %p.sizes = getelementptr i64, ptr %table, i64 3
  %sizes = load i64, ptr %p.sizes
  %p.params = getelementptr i64, ptr %table, i64 4
  %params = load i64, ptr %p.params
  %p.type = getelementptr i64, ptr %table, i64 5
  %type = load ptr, ptr %p.type
  %count = add i64 %params, %sizes
  %words = add i64 %count, 1
  %slots = alloca i64, i64 %words
  %ends = alloca i64, i64 %words
  %records = getelementptr i64, ptr %table, i64 {header}
  %length = mul i64 %params, {record}
  %bounds = getelementptr i64, ptr %records, i64 %length
  %as.many = icmp eq i64 %given, %params
  br i1 %as.many, label %clear.test, label %slow

; no dynamic extent has a value yet
clear.test:
  %c = phi i64 [ %params, %entry ], [ %c.next, %clear ]
  %c.more = icmp slt i64 %c, %count
  br i1 %c.more, label %clear, label %array.test
clear:
  %p.clear = getelementptr i64, ptr %slots, i64 %c
  store i64 -1, ptr %p.clear
  %c.next = add i64 %c, 1
  br label %clear.test

array.test:
  %i = phi i64 [ 0, %clear.test ], [ %i.next, %array.good ]
  %i.more = icmp slt i64 %i, %params
  br i1 %i.more, label %array, label %overlap.start
array:
  %p.array = getelementptr ptr, ptr %args, i64 %i
  %array.here = load ptr, ptr %p.array
  %p.itstype = getelementptr i8, ptr %array.here, i64 {type}
  %itstype = load ptr, ptr %p.itstype
  %is.array = icmp eq ptr %itstype, %type
  br i1 %is.array, label %read, label %slow
read:
  %offset = mul i64 %i, {record}
  %want = getelementptr i64, ptr %records, i64 %offset
  %p.data = getelementptr i8, ptr %array.here, i64 {data}
  %data = load i64, ptr %p.data
  %p.ndim = getelementptr i8, ptr %array.here, i64 {ndim}
  %ndim.short = load i32, ptr %p.ndim
  %ndim = sext i32 %ndim.short to i64
  %p.have = getelementptr i8, ptr %array.here, i64 {extents}
  %have = load ptr, ptr %p.have
  %p.dtype = getelementptr i8, ptr %array.here, i64 {dtype}
  %dtype = load ptr, ptr %p.dtype
  %p.flags = getelementptr i8, ptr %array.here, i64 {flags}
  %flags = load i32, ptr %p.flags
  %dtype.wanted = load ptr, ptr %want
  %p.itemsize = getelementptr i64, ptr %want, i64 1
  %itemsize = load i64, ptr %p.itemsize
  %p.flags.wanted = getelementptr i64, ptr %want, i64 2
  %flags.wanted = load i32, ptr %p.flags.wanted
  %p.ndim.wanted = getelementptr i64, ptr %want, i64 4
  %ndim.wanted = load i64, ptr %p.ndim.wanted
  %p.extents = getelementptr i64, ptr %want, i64 5
  %extents = load ptr, ptr %p.extents
  %dtype.good = icmp eq ptr %dtype, %dtype.wanted
  %ndim.good = icmp eq i64 %ndim, %ndim.wanted
  %flags.both = and i32 %flags, %flags.wanted
  %flags.good = icmp eq i32 %flags.both, %flags.wanted
  %good.1 = and i1 %dtype.good, %ndim.good
  %good = and i1 %good.1, %flags.good
  br i1 %good, label %extent.test, label %slow
extent.test:
  %d = phi i64 [ 0, %read ], [ %d.next, %extent.good ]
  %bytes = phi i64 [ %itemsize, %read ], [ %bytes.next, %extent.good ]
  %d.more = icmp slt i64 %d, %ndim
  br i1 %d.more, label %extent, label %array.good
extent:
  %p.here = getelementptr i64, ptr %have, i64 %d
  %here = load i64, ptr %p.here
  %p.wanted = getelementptr i64, ptr %extents, i64 %d
  %wanted = load i64, ptr %p.wanted
  %same = icmp eq i64 %here, %wanted
  br i1 %same, label %extent.good, label %size
size:
  %is.size = icmp slt i64 %wanted, 0
  br i1 %is.size, label %size.known, label %slow
size.known:
  %number = xor i64 %wanted, -1
  %position = add i64 %number, %params
  %p.size = getelementptr i64, ptr %slots, i64 %position
  %size.before = load i64, ptr %p.size
  %agrees = icmp eq i64 %size.before, %here
  br i1 %agrees, label %extent.good, label %size.first
size.first:
  %first = icmp eq i64 %size.before, -1
  %two = mul i64 %number, 2
  %p.low = getelementptr i64, ptr %bounds, i64 %two
  %low = load i64, ptr %p.low
  %p.high = getelementptr i64, ptr %p.low, i64 1
  %high = load i64, ptr %p.high
  %above = icmp sge i64 %here, %low
  %below = icmp sle i64 %here, %high
  %within = and i1 %above, %below
  %takes = and i1 %within, %first
  br i1 %takes, label %size.set, label %slow
size.set:
  store i64 %here, ptr %p.size
  br label %extent.good
extent.good:
  %d.next = add i64 %d, 1
  %bytes.next = mul i64 %bytes, %here
  br label %extent.test
array.good:
  %p.slot = getelementptr i64, ptr %slots, i64 %i
  store i64 %data, ptr %p.slot
  %end = add i64 %data, %bytes
  %p.end = getelementptr i64, ptr %ends, i64 %i
  store i64 %end, ptr %p.end
  %i.next = add i64 %i, 1
  br label %array.test

; no other argument overlaps one that is stored to
overlap.start:
  br label %output.test
output.test:
  %o = phi i64 [ 0, %overlap.start ], [ %o.next, %output.next ]
  %o.more = icmp slt i64 %o, %params
  br i1 %o.more, label %output, label %prepare
output:
  %o.next = add i64 %o, 1
  %o.offset = mul i64 %o, {record}
  %o.record = getelementptr i64, ptr %records, i64 %o.offset
  %p.stored = getelementptr i64, ptr %o.record, i64 3
  %stored = load i64, ptr %p.stored
  %is.stored = icmp ne i64 %stored, 0
  br i1 %is.stored, label %output.bounds, label %output.next
output.bounds:
  %p.o.begin = getelementptr i64, ptr %slots, i64 %o
  %o.begin = load i64, ptr %p.o.begin
  %p.o.end = getelementptr i64, ptr %ends, i64 %o
  %o.end = load i64, ptr %p.o.end
  br label %other.test
other.test:
  %j = phi i64 [ 0, %output.bounds ], [ %j.next, %other.good ]
  %j.more = icmp slt i64 %j, %params
  br i1 %j.more, label %other, label %output.next
other:
  %p.j.begin = getelementptr i64, ptr %slots, i64 %j
  %j.begin = load i64, ptr %p.j.begin
  %p.j.end = getelementptr i64, ptr %ends, i64 %j
  %j.end = load i64, ptr %p.j.end
  %before = icmp ult i64 %o.begin, %j.end
  %behind = icmp ult i64 %j.begin, %o.end
  %another = icmp ne i64 %o, %j
  %meet = and i1 %before, %behind
  %shared = and i1 %meet, %another
  br i1 %shared, label %slow, label %other.good
other.good:
  %j.next = add i64 %j, 1
  br label %other.test
output.next:
  br label %output.test

prepare:
  %entry.point = load ptr, ptr %table
  %p.bytes = getelementptr i64, ptr %table, i64 1
  %workspace.bytes = load i64, ptr %p.bytes
  %needs = icmp ne i64 %workspace.bytes, 0
  br i1 %needs, label %workspace, label %run
workspace:
  %p.idle = getelementptr i64, ptr %table, i64 2
  %idle = atomicrmw xchg ptr %p.idle, i64 0 acquire
  %is.idle = icmp ne i64 %idle, 0
  br i1 %is.idle, label %have.idle, label %allocate
have.idle:
  %idle.pointer = inttoptr i64 %idle to ptr
  br label %run
allocate:
  %allocated = call ptr @aligned_alloc(i64 64, i64 %workspace.bytes)
  %failed = icmp eq ptr %allocated, null
  br i1 %failed, label %slow, label %run
run:
  %memory = phi ptr [ null, %prepare ], [ %idle.pointer, %have.idle ], [ %allocated, %allocate ]
  %mine = phi i64 [ 0, %prepare ], [ %idle, %have.idle ], [ 0, %allocate ]
  %to.free = phi ptr [ null, %prepare ], [ null, %have.idle ], [ %allocated, %allocate ]
  %thread = call ptr @PyEval_SaveThread()
  call void %entry.point(ptr %slots, ptr %memory)
  %is.mine = icmp ne i64 %mine, 0
  br i1 %is.mine, label %give.back, label %done
give.back:
  %p.idle.again = getelementptr i64, ptr %table, i64 2
  store atomic i64 %mine, ptr %p.idle.again release, align 8
  br label %done
done:
  call void @free(ptr %to.free)
  call void @PyEval_RestoreThread(ptr %thread)
  %p.none = getelementptr i64, ptr %table, i64 6
  %none = load ptr, ptr %p.none
  call void @Py_IncRef(ptr %none)
  ret ptr %none

slow:
  %p.checked = getelementptr i64, ptr %table, i64 7
  %checked = load ptr, ptr %p.checked
  %result = call ptr @PyObject_Vectorcall(ptr %checked, ptr %args, i64 %given, ptr null)
  ret ptr %result
}}
"""


class Checked:
    """A call through Python, which takes every kind of array and raises an error for a wrong one.

    Parameters
    ----------
    signature : Signature
    address : int
        Of the compiled function.
    workspace_bytes : int
        Scratch memory of one call.
    """

    def __init__(self, signature: Signature, address: int, workspace_bytes: int) -> None:
        self.signature = signature
        self.address = address
        self.workspace_bytes = workspace_bytes
        self._entry = _ENTRY(address)

    def __call__(self, *arrays: Any) -> None:
        slots, _owners = self.signature.bind(arrays)
        if self.workspace_bytes:
            workspace = empty(self.workspace_bytes, "uint8")
            self._entry(slots, workspace.ctypes.data)
        else:
            self._entry(slots, None)


class _MethodDef(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char_p),
        ("function", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("doc", ctypes.c_char_p),
    )


_FASTCALL = 0x80


class Direct:
    """A native call: a table for the native code, and a function object that carries it.

    Parameters
    ----------
    checked : Checked
        Handles the calls that the native code does not.

    Attributes
    ----------
    call : callable
        ``(*arrays) -> None``.
    """

    def __init__(self, checked: Checked) -> None:
        self.call: Any = checked
        signature = checked.signature
        dense = all(buffer.strides is None for buffer in signature.params)
        library = _library() if dense and _layout_is_known() else None
        if library is None:
            return
        # the first of several concurrent calls uses this workspace, the others allocate one
        self._workspace = empty(checked.workspace_bytes, "uint8")
        idle = self._workspace.ctypes.data if checked.workspace_bytes else 0
        header = [checked.address, checked.workspace_bytes, idle, len(signature.sizes), len(signature.params)]
        header += [id(np.ndarray), id(None), id(checked)]
        bounds = [bound for size in signature.sizes for bound in size.bounds or (0, 0)]
        extents = [extent for layout, _ in signature.layouts for extent in layout]
        first_extent = _HEADER + _RECORD * len(signature.params) + len(bounds)
        self._table = (ctypes.c_int64 * (first_extent + len(extents)))()
        base = ctypes.addressof(self._table)
        words = header
        for i, (layout, dtype) in enumerate(signature.layouts):
            kind = numpy_dtype(dtype)
            flags = _C_CONTIGUOUS | _ALIGNED | (_WRITEABLE if i in signature.stored else 0)
            words += [
                id(kind),
                kind.itemsize,
                flags,
                i in signature.stored,
                len(layout),
                base + 8 * first_extent,
            ]
            first_extent += len(layout)
        self._table[:] = [*words, *bounds, *extents]
        # kept alive here, since the function object only points to them
        self._checked = checked
        self._method = _MethodDef(
            signature.name.encode(), library.addresses["espalier_call"], _FASTCALL, None
        )
        api = ctypes.pythonapi
        new_capsule = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)
        new_function = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_void_p, ctypes.py_object, ctypes.c_void_p)
        capsule = new_capsule(("PyCapsule_New", api))(base, None, None)
        self.call = new_function(("PyCFunction_NewEx", api))(ctypes.addressof(self._method), capsule, None)


@lru_cache(maxsize=1)
def _library() -> Library:
    text = _TEXT.format(
        header=_HEADER,
        record=_RECORD,
        type=_TYPE,
        data=_DATA,
        ndim=_NDIM,
        extents=_EXTENTS,
        dtype=_DTYPE,
        flags=_FLAGS,
    )
    library = load_text(text, ("espalier_call",))
    library.keep()
    return library


@lru_cache(maxsize=1)
def _layout_is_known() -> bool:
    """Whether the fields of arrays of this process have the offsets that the native code reads."""
    if (
        sys.implementation.name != "cpython"
        or ctypes.sizeof(ctypes.c_void_p) != 8
        or sys.byteorder != "little"
    ):
        return False
    array = np.zeros((3, 5, 7), np.float32)[1:]
    address = id(array)

    def word(offset: int, kind: Any = ctypes.c_int64) -> int:
        return kind.from_address(address + offset).value

    if np.ndarray.__basicsize__ < _FLAGS + 4 or word(_TYPE) != id(np.ndarray):
        return False
    if (
        word(_DATA) != array.ctypes.data
        or word(_NDIM, ctypes.c_int32) != 3
        or word(_DTYPE) != id(array.dtype)
    ):
        return False
    read = [word(_FLAGS, ctypes.c_int32)]
    for flag in ("C_CONTIGUOUS", "ALIGNED", "WRITEABLE"):
        assert array.flags[flag]
    array.flags.writeable = False
    read.append(word(_FLAGS, ctypes.c_int32))
    wanted = _C_CONTIGUOUS | _ALIGNED | _WRITEABLE
    if read[0] & wanted != wanted or read[1] & wanted != wanted - _WRITEABLE:
        return False
    shape = (ctypes.c_int64 * 3).from_address(word(_EXTENTS))
    return tuple(shape) == array.shape


def address_of(array: np.ndarray) -> int:
    """The address of an array's first element, in a fifth of the time that NumPy's attribute takes."""
    if _layout_is_known():
        return ctypes.c_int64.from_address(id(array) + _DATA).value
    return array.ctypes.data
