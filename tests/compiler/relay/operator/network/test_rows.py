"""The table of rows: each has cases in these files, and a gradient or a reason to have none."""

import pytest

from compiler.relay.gradient.primitive import EXPANSIONS
from compiler.relay.operator import network
from tests.compiler.relay.operator.network import (
    test_activation,
    test_convolution,
    test_image,
    test_normalization,
    test_pooling,
    test_product,
    test_quantized,
    test_recurrence,
)

TESTS = (
    test_activation,
    test_convolution,
    test_image,
    test_normalization,
    test_pooling,
    test_product,
    test_quantized,
    test_recurrence,
)
CASES = [case for tests in TESTS for case in tests.CASES]
WITHOUT_GRADIENT = {"vision.non_max_suppression", *EXPANSIONS}
# tested in tests/compiler/relay/gradient/test_primitive.py
SLOPES = {"vision.roi_align_slope", "vision.roi_pool_slope"}
WITHOUT_COMPUTE = {"vision.roi_align", "vision.roi_pool", "vision.non_max_suppression"}


@pytest.mark.parametrize("row", network.ROWS, ids=lambda row: row.name)
def test_each_row_has_cases(row) -> None:
    own = [case for case in CASES if case.name == row.name]
    if row.name in (
        "nn.lp_pool3d",
        "nn.max_pool3d",
        "nn.adaptive_max_pool1d",
        "nn.adaptive_avg_pool3d",
        "qnn.conv3d",
        *SLOPES,
    ):
        return  # one function makes these and the rows of other ranks
    assert own
    integers = row.name.startswith("qnn.") or row.name in WITHOUT_GRADIENT
    assert (row.gradient is None) == integers
    regions = row.name.startswith("vision.roi_")
    assert integers or any(case.gradient for case in own) or row.name.endswith("3d") or regions
    assert (row.compute is None) == (row.name in WITHOUT_COMPUTE)
    assert row.doc
