"""Arrays of other libraries as arguments."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from compiler.backend import build
from compiler.ir.expr import Buffer, Load, Var, const
from compiler.ir.function import PrimFunc
from compiler.ir.semantics.bfloat16 import narrowed, widened
from compiler.ir.stmt import For, Store
from compiler.runtime import Module, dlpack
from compiler.runtime.dlpack import view

i = Var("i")


@pytest.fixture(scope="module")
def add_one() -> Module:
    a, b = Buffer("A", (3, 4)), Buffer("B", (3, 4))
    return build(PrimFunc("f", (a, b), For(i, const(12), "serial", Store(b, (i,), Load(a, (i,)) + 1.0))))


class Foreign:
    """An array with the DLPack protocol and no other interface."""

    def __init__(self, array: np.ndarray, device: tuple[int, int] = (1, 0), versioned: bool = True) -> None:
        self.array, self.device, self.versioned, self.given = array, device, versioned, 0

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.device

    def __dlpack__(self, **options: Any) -> Any:
        if options and not self.versioned:
            raise TypeError("max_version is not known")
        self.given += 1
        return self.array.__dlpack__(**options)


@pytest.mark.parametrize("versioned", [True, False])
def test_nothing_is_copied(add_one: Module, versioned: bool) -> None:
    a, b = np.arange(12, dtype="f").reshape(3, 4), np.zeros((3, 4), "f")
    add_one(Foreign(a, versioned=versioned), Foreign(b, versioned=versioned))
    np.testing.assert_array_equal(b, a + 1)


def test_the_two_kinds_may_be_mixed(add_one: Module) -> None:
    a, b = np.arange(12, dtype="f").reshape(3, 4), np.zeros((3, 4), "f")
    add_one(Foreign(a), b)
    np.testing.assert_array_equal(b, a + 1)
    assert add_one.time_evaluator()(Foreign(a), Foreign(b)).min >= 0


def test_the_memory_is_released(add_one: Module) -> None:
    import sys

    a, b = np.zeros((3, 4), "f"), np.zeros((3, 4), "f")
    before = sys.getrefcount(a)
    for _ in range(10):
        add_one(Foreign(a), b)
    assert sys.getrefcount(a) == before


def read_only() -> np.ndarray:
    array = np.zeros((3, 4), "f")
    array.flags.writeable = False
    return array


GOOD = np.zeros((3, 4), "f")
REFUSED: list[tuple[Callable[[], tuple], str]] = [
    (
        lambda: (Foreign(GOOD, (2, 1)), GOOD),
        "argument 1, 'A', is on cuda:1; this module runs on the CPU, so move",
    ),
    (lambda: (Foreign(GOOD, (8, 0)), GOOD), "'A', is on metal:0"),
    (lambda: (Foreign(GOOD, (99, 0)), GOOD), "'A', is on device of kind 99:0"),
    (lambda: (Foreign(GOOD.astype("f8")), GOOD), "argument 1, 'A', has dtype float64; float32 is needed"),
    (lambda: (Foreign(GOOD.astype("c8")), GOOD), "'A', has dtype complex64"),
    (lambda: (Foreign(GOOD.T), GOOD), r"'A', has shape \(4, 3\); \(3, 4\) is needed"),
    (lambda: (Foreign(np.zeros((4, 3), "f").T), GOOD), "'A', is not C-contiguous"),
    (lambda: (Foreign(np.zeros((3, 8), "f")[:, ::2]), GOOD), "'A', is not C-contiguous"),
    (
        lambda: (GOOD.copy(), Foreign(read_only())),
        "argument 2, 'B', is written to, but the array is read-only",
    ),
    (lambda: (Foreign(GOOD), Foreign(GOOD)), "the output 'B' shares memory with the argument 'A'"),
    (lambda: (Foreign(np.zeros((3, 4), "M8[s]")), GOOD), "argument 1, 'A', cannot be taken by DLPack"),
]


@pytest.mark.parametrize(("arguments", "message"), REFUSED)
def test_wrong_arguments_are_refused(add_one: Module, arguments: Callable[[], tuple], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        add_one(*arguments())
    assert not GOOD.any()


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint16", "int64", "float16", "float64"])
def test_dtypes_are_named(dtype: str) -> None:
    array = np.zeros((2, 3), dtype)
    seen = view(array)
    assert (seen.dtype, seen.shape, seen.pointer) == (dtype, (2, 3), array.ctypes.data)
    assert seen.contiguous
    assert seen.aligned
    assert seen.writable


def test_an_axis_of_extent_1_may_have_any_stride() -> None:
    assert view(np.zeros((4, 3), "f")[::4]).contiguous
    assert view(np.zeros((4, 0), "f")).contiguous
    assert not view(np.zeros((4, 3), "f")[::2]).contiguous


def test_memory_that_is_not_aligned() -> None:
    memory = (ctypes.c_char * 17)()
    odd = np.frombuffer(memory, np.uint8)[1:].view("f")
    assert not view(odd).aligned


def test_tensors_of_torch(add_one: Module) -> None:
    torch = pytest.importorskip("torch")
    a, b = torch.arange(12, dtype=torch.float32).reshape(3, 4), torch.zeros(3, 4)
    add_one(a, b)
    assert torch.equal(b, a + 1)
    with pytest.raises(ValueError, match="argument 1, 'A', cannot be taken by DLPack: .*grad"):
        add_one(a.clone().requires_grad_(), b)
    with pytest.raises(ValueError, match="'A', has dtype bfloat16; float32 is needed"):
        add_one(a.bfloat16(), b)


class Bfloat:
    """Another library's array of bfloat16: the memory of a uint16 array, exported as such."""

    def __init__(self, bits: np.ndarray) -> None:
        self.bits = bits

    def __dlpack_device__(self) -> tuple[int, int]:
        return (1, 0)

    def __dlpack__(self, **_: object) -> object:
        capsule = self.bits.__dlpack__()
        api = ctypes.pythonapi
        api.PyCapsule_GetPointer.restype = ctypes.c_void_p
        api.PyCapsule_GetPointer.argtypes = (ctypes.py_object, ctypes.c_char_p)
        dlpack._Tensor.from_address(api.PyCapsule_GetPointer(capsule, b"dltensor")).code = 4
        return capsule


def test_bfloat16_in_and_out() -> None:
    a, b = Buffer("A", (8,), "bfloat16"), Buffer("B", (8,), "bfloat16")
    module = build(PrimFunc("f", (a, b), For(i, const(8), "serial", Store(b, (i,), Load(a, (i,)) * 2))))
    given, taken = narrowed(np.arange(8, dtype=np.float32)), np.zeros(8, np.uint16)
    module(Bfloat(given), Bfloat(taken))
    np.testing.assert_array_equal(widened(taken), 2 * np.arange(8))


def test_bfloat16_is_no_half() -> None:
    a = Buffer("A", (8,), "float16")
    module = build(PrimFunc("f", (a,), Store(a, (const(0),), const(1.0, "float16"))))
    with pytest.raises(ValueError, match="'A', has dtype bfloat16; float16 is needed"):
        module(Bfloat(np.zeros(8, np.uint16)))
