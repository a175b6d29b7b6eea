"""Arrays on a device: copies, dtypes, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from compiler.runtime import Device, DeviceError
from tests.compiler.backend.toy import ToyMemory


@pytest.fixture
def device() -> Iterator[Device]:
    yield Device("toy", 0, ToyMemory(1000))


@pytest.mark.parametrize("dtype", ["float32", "float16", "int64", "uint8", "bool"])
@pytest.mark.parametrize("shape", [(), (0, 3), (5,), (2, 3)])
def test_a_copy_there_and_back(shape: tuple[int, ...], dtype: str, device: Device) -> None:
    values = np.random.default_rng(0).integers(0, 2, shape).astype(dtype)
    array = device.array(values)
    assert (array.shape, array.dtype, array.nbytes) == (values.shape, dtype, values.nbytes)
    back = array.numpy()
    assert back.dtype == values.dtype
    np.testing.assert_array_equal(back, values)


def test_a_copy_of_an_array_that_is_not_contiguous(device: Device) -> None:
    values = np.arange(12, dtype="f").reshape(3, 4)
    np.testing.assert_array_equal(device.array(values.T).numpy(), values.T)
    whole = np.zeros((4, 6), "f")
    message = "is copied to C-contiguous arrays only; numpy.ascontiguousarray makes one"
    with pytest.raises(DeviceError, match=message):
        device.array(values.T).copy_to(whole[:, ::2])


def test_arrays_do_not_overlap(device: Device) -> None:
    first, second = device.array(np.ones(3, "f")), device.array(np.full(3, 2, "f"))
    first.copy_from(np.full(3, 7, "f"))
    np.testing.assert_array_equal(second.numpy(), [2, 2, 2])
    np.testing.assert_array_equal(first.numpy(), [7, 7, 7])


def test_packed_types_are_bytes(device: Device) -> None:
    array = device.empty((2, 8), "int4")
    assert (array.shape, array.dtype, device.used) == ((2, 4), "uint8", 8)


def test_refused(device: Device) -> None:
    array = device.empty((2, 3))
    assert repr(array) == "DeviceArray(float32[2, 3] on toy:0)"
    with pytest.raises(
        DeviceError, match=r"float32\[2, 3\] on toy:0\) is not copied from or to float64\[2, 3\]"
    ):
        array.copy_from(np.zeros((2, 3)))
    with pytest.raises(DeviceError, match=r"is not copied from or to float32\[3, 2\]"):
        array.copy_to(np.zeros((3, 2), "f"))
    with pytest.raises(ValueError, match=r"an extent of an array is at least 0, but the shape is \(2, -1\)"):
        device.empty((2, -1))
    with pytest.raises(ValueError, match="unknown dtype 'float31'; did you mean 'float32'"):
        device.empty(3, "float31")
    with pytest.raises(
        DeviceError, match="toy:0 has 1000 bytes of memory, of which 976 are free: 1200 bytes"
    ):
        device.empty(300)
