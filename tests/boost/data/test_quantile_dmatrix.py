"""`QuantileDMatrix`: a table for one number of bins."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from boost import DataError, DMatrix, QuantileDMatrix

NAN = np.nan


def table(d: DMatrix) -> np.ndarray:
    return d.dense_rows(0, d.num_row())


def test_quantile_matrix() -> None:
    frame = pd.DataFrame({"n": [1.0, 2.0, 3.0], "w": ["a", "b", "c"]})
    d = QuantileDMatrix(frame, [1, 2, 3], max_bin=16)
    assert (d.max_bin, d.get_label().tolist()) == (16, [1, 2, 3])
    other = QuantileDMatrix(pd.DataFrame({"n": [5.0, 6.0], "w": ["c", "x"]}), ref=d)
    assert other.max_bin == 16
    np.testing.assert_array_equal(table(other), [[5, 2], [6, NAN]])
    with pytest.raises(DataError, match="ref has 2 features, the data has 1"):
        QuantileDMatrix([[1.0]], ref=d)
    with pytest.raises(DataError, match="max_bin=16, got max_bin=8"):
        QuantileDMatrix(frame, max_bin=8, ref=d)
    with pytest.raises(DataError, match="at least 2, got 1"):
        QuantileDMatrix(frame, max_bin=1)
