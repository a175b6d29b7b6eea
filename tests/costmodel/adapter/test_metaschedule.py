"""The cost model of MetaSchedule; the searches of TVM run where apache-tvm is installed."""

from __future__ import annotations

import logging
import os
import sys
from functools import partial
from types import ModuleType

import numpy as np
import pytest

from costmodel import BoostedTreeCostModel, SklearnCostModel, rank_correlation
from costmodel.adapter.metaschedule import metaschedule_model, pooled, tvm_target


class Noted(BoostedTreeCostModel):
    """Keeps what it was fitted to, and how many rows it has scored."""

    def __init__(self) -> None:
        super().__init__(rounds=20)
        self.data = None
        self.scored = 0

    def fit(self, features, throughputs, groups=None):
        self.data = features, throughputs, groups
        super().fit(features, throughputs, groups)

    def predict(self, features):
        self.scored += len(features)
        return super().predict(features)


def test_pooled_by_hand():
    stores = np.zeros((2, 15), np.float32)
    stores[0, 0], stores[1, 2] = 3.0, 5.0  # the second store has more operations
    stores[0, 14], stores[1, 14] = 7.0, 1.0
    row = pooled(stores)
    assert row.shape == (46,) and row.dtype == np.float32
    np.testing.assert_array_equal(row[:15], stores[1])
    np.testing.assert_array_equal(row[15:30], np.maximum(stores[0], stores[1]))
    np.testing.assert_array_equal(row[30:45], stores.mean(axis=0))
    assert row[45] == 2
    np.testing.assert_array_equal(pooled(np.zeros((0, 15))), np.zeros(46))
    with pytest.raises(ValueError, match=r"features of each store, .*, are needed, not \(15,\)"):
        pooled(np.zeros(15))


def test_targets_are_dictionaries():
    target = tvm_target("llvm -mcpu=x86-64-v3 -mtriple=x86_64-unknown-linux-gnu -mattr=+avx2,-fma", cores=3)
    assert target == {
        "kind": "llvm",
        "mcpu": "x86-64-v3",
        "mtriple": "x86_64-unknown-linux-gnu",
        "mattr": ["+avx2", "-fma"],
        "num-cores": 3,
    }
    assert tvm_target()["num-cores"] >= 1


def test_without_tvm_the_error_names_the_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "tvm", None)
    monkeypatch.setitem(sys.modules, "tvm.s_tir", None)
    with pytest.raises(ImportError, match=r"pip install 'espalier\[metaschedule\]'"):
        metaschedule_model()


def test_warmup_is_checked():
    with pytest.raises(ValueError, match="warmup must be at least 2, not 1"):
        metaschedule_model(warmup=1)


nightly = pytest.mark.skipif(
    not os.environ.get("ESPALIER_NIGHTLY"), reason="TVM searches for a minute: ESPALIER_NIGHTLY=1 runs it"
)

# Spares a process the tensor intrinsics of TVM, whose text it parses for half a minute otherwise; a target
# without instructions for tensors needs none. Text, since another process cannot import this file.
WITHOUT_INTRINSICS = """
import sys, types
sys.modules["tvm.s_tir.tensor_intrin"] = types.ModuleType("tvm.s_tir.tensor_intrin")
"""


@pytest.fixture
def matmul(monkeypatch):
    """A matrix product of TVM, and its target."""
    tvm = pytest.importorskip("tvm")
    monkeypatch.setitem(sys.modules, "tvm.s_tir.tensor_intrin", ModuleType("tvm.s_tir.tensor_intrin"))
    pytest.importorskip("tvm.s_tir.meta_schedule")
    # log files, which MetaSchedule cannot open for a second search of a process
    monkeypatch.setattr(
        "tvm.s_tir.meta_schedule.tir_integration.get_loggers_from_work_dir",
        lambda work_dir, names: [logging.getLogger("tvm") for _ in names],
    )
    from tvm import te

    a, b = te.placeholder((64, 64), name="A"), te.placeholder((64, 64), name="B")
    k = te.reduce_axis((0, 64), name="k")
    c = te.compute((64, 64), lambda i, j: te.sum(a[i, k] * b[k, j], axis=k), name="C")
    program = te.create_prim_func([a, b, c]).with_attr("global_symbol", "main")
    return tvm.IRModule({"main": program}), tvm.target.Target(tvm_target("llvm -mcpu=x86-64-v3", cores=1))


def _builder():
    from tvm.s_tir import meta_schedule

    return meta_schedule.builder.LocalBuilder(
        max_workers=1, timeout_sec=300, initializer=partial(exec, WITHOUT_INTRINSICS)
    )


@nightly
@pytest.mark.slow
def test_metaschedule_tunes_with_our_model(matmul, tmp_path):
    from tvm.s_tir import meta_schedule

    noted = Noted()
    ours = metaschedule_model(noted, warmup=4)
    database = meta_schedule.tune_tir(
        *matmul,
        str(tmp_path),
        16,
        num_trials_per_iter=8,
        cost_model=ours,
        seed=1,
        num_tuning_cores=1,
        builder=_builder(),
    )
    # the first 8 programs were chosen at random, the others by the model's scores
    features, throughputs, groups = noted.data
    assert 8 < len(features) <= 16 and set(groups) == {0}
    assert noted.scored > 8
    assert (throughputs > 0).any()
    best = database.get_top_k(database.commit_workload(matmul[0]), 1)[0]
    assert 1 / float(np.median([float(s) for s in best.run_secs])) == pytest.approx(throughputs.max())

    # the saved measurements make an equal model
    ours.save(str(tmp_path / "model"))
    again = Noted()
    metaschedule_model(again, warmup=4).load(str(tmp_path / "model"))
    for saved, loaded in zip(noted.data, again.data, strict=True):
        np.testing.assert_array_equal(saved, loaded)
    np.testing.assert_array_equal(noted.predict(features), again.predict(features))
    assert rank_correlation(again.predict(features), throughputs) > 0.5


@nightly
@pytest.mark.slow
def test_metaschedule_tunes_with_a_regressor_of_scikit_learn(matmul, tmp_path):
    from sklearn.ensemble import RandomForestRegressor
    from tvm.s_tir import meta_schedule

    forest = SklearnCostModel(RandomForestRegressor(n_estimators=10, random_state=0))
    meta_schedule.tune_tir(
        *matmul,
        str(tmp_path),
        8,
        num_trials_per_iter=4,
        cost_model=metaschedule_model(forest, warmup=2),
        seed=1,
        num_tuning_cores=1,
        builder=_builder(),
    )
    assert forest.fitted


def test_a_file_that_holds_no_measurements(matmul, tmp_path):
    from costmodel.adapter.metaschedule import _Measured

    np.savez(tmp_path / "other.npz", features=np.zeros(2))
    with pytest.raises(ValueError, match="does not hold the measurements of a cost model"):
        _Measured(Noted(), 2, 0).load(tmp_path / "other.npz")
