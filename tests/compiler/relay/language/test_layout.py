"""Layouts as text: shapes and indices both ways, arrays, refusals."""

import numpy as np
import pytest

from compiler.relay.language.layout import Layout
from compiler.relay.language.types import ANY

A = np.arange(2 * 8 * 3 * 5).reshape(2, 8, 3, 5)


@pytest.mark.parametrize("text", ["NCHW", "NHWC", "NCHW4c", "HWNC2n8c"])
def test_an_element_is_at_its_index(text: str) -> None:
    layout = Layout.parse(text)
    stored = layout.packed(A, "NCHW")
    assert layout.shape(dict(zip("NCHW", A.shape, strict=True))) == stored.shape
    assert layout.dims(stored.shape) == dict(zip("NCHW", A.shape, strict=True))
    np.testing.assert_array_equal(layout.unpacked(stored, "NCHW"), A)
    for at in [(0, 0, 0, 0), (1, 6, 2, 3), (1, 7, 0, 4)]:
        logical = dict(zip("NCHW", at, strict=True))
        index = layout.index(logical)
        assert stored[index] == A[at]
        assert layout.at(index) == logical


def test_unknown_dimensions_stay_unknown() -> None:
    assert Layout.parse("NCHW4c").dims((ANY, 2, ANY, 5, 4)) == {"N": ANY, "C": 8, "H": ANY, "W": 5}


@pytest.mark.parametrize("text", ["", "NCC", "NC3x", "nc", "NC0c", "NC-HW", "NC4c8c"])
def test_no_layout(text: str) -> None:
    with pytest.raises(ValueError, match="is not a word of different capitals"):
        Layout.parse(text)


def test_shapes_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match="has 5 axes, not 4"):
        Layout.parse("NCHW4c").dims((1, 2, 3, 4))
    with pytest.raises(ValueError, match="have 4 elements, not 8"):
        Layout.parse("NCHW4c").dims((1, 2, 3, 4, 8))
    with pytest.raises(ValueError, match="no multiple"):
        Layout.parse("NCHW4c").shape({"N": 1, "C": 6, "H": 1, "W": 1})
