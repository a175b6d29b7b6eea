"""`save_binary`: every kind of table and of meta information comes back, and nothing else is read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

import boost
from boost import DataError, DMatrix, QuantileDMatrix

RNG = np.random.default_rng(0)
X = np.where(RNG.random((30, 3)) < 0.3, np.nan, RNG.normal(size=(30, 3)))


@pytest.mark.parametrize("kind", [np.asarray, lambda x: sp.csr_matrix(np.nan_to_num(x)), pd.DataFrame])
def test_a_table_comes_back(tmp_path: Path, kind: object) -> None:
    y = RNG.normal(size=(30, 2))
    table = DMatrix(
        kind(X),  # type: ignore[operator]
        y,
        weight=RNG.random(30),
        base_margin=RNG.normal(size=(30, 2)),
        feature_names=["a", "b", "ü"],
        feature_weights=[1, 2, 3],
    )
    table.save_binary(tmp_path / "table.buffer")
    again = DMatrix(tmp_path / "table.buffer")
    assert again.is_sparse == table.is_sparse and again.feature_names == ["a", "b", "ü"]
    assert again.feature_types == table.feature_types
    np.testing.assert_array_equal(again.dense_rows(0, 30), table.dense_rows(0, 30))
    for field in ("label", "weight", "base_margin", "feature_weights"):
        np.testing.assert_array_equal(again.get_float_info(field), table.get_float_info(field))
    assert boost.train({}, again, 2).save_raw() == boost.train({}, table, 2).save_raw()


def test_categories_groups_and_bounds(tmp_path: Path) -> None:
    frame = pd.DataFrame({"c": ["x", "y", None, "x"], "v": [1, 2, 3, 4]})
    table = DMatrix(frame, [0, 1, 0, 1], group=[1, 0, 3], label_lower_bound=[0, 1, 2, -np.inf])
    table.set_float_info("label_upper_bound", [1, np.inf, 2, 3])
    table.save_binary(str(tmp_path / "t"))
    again = DMatrix(str(tmp_path / "t"), [1, 0, 1, 0])
    assert again.categories == {0: ["x", "y"]} and again.feature_types == ["c", "int"]
    assert again.get_group().tolist() == [1, 0, 3] and again.get_label().tolist() == [1, 0, 1, 0]
    assert again.get_float_info("label_upper_bound").tolist() == [1, np.inf, 2, 3]


def test_what_cannot_be_saved_or_read(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="a table from batches holds bins, no values"):
        QuantileDMatrix(lambda: [X]).save_binary(tmp_path / "t")
    assert list(tmp_path.iterdir()) == []
    np.savez(tmp_path / "other.npz", values=X)
    with pytest.raises(DataError, match="other.npz is no table that save_binary wrote"):
        DMatrix(tmp_path / "other.npz")
    DMatrix(X).save_binary(tmp_path / "t")
    (tmp_path / "cut").write_bytes((tmp_path / "t").read_bytes()[:200])
    with pytest.raises(DataError, match="cut is no table that save_binary wrote"):
        DMatrix(tmp_path / "cut")
