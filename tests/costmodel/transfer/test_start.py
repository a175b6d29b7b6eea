from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import compiler
from compiler import Target
from costmodel import BoostedTreeCostModel, Record, Task, extract, feature_version, pairwise_accuracy
from costmodel import records as record_file
from costmodel.records import RecordWarning
from costmodel.result import MeasureResult, Reason
from costmodel.transfer import (
    WarmCostModel,
    load_model,
    make_model,
    programs_in,
    programs_of,
    shipped_model,
    start_model,
    write_programs,
)
from costmodel.transfer.start import SHIPPED


def synthetic(task: Task, index: int) -> float:
    """A cost that follows from the loop nest: the more iterations in the innermost loop, the faster."""
    names = __import__("costmodel").feature_names()
    row = extract(compiler.loop_nest(*task.instantiate(index)), Target.parse(task.target).hardware)
    return 1e-3 / (1.0 + float(row[names.index("main.body.iterations")]))


def records_of(task: Task, n: int, *, cpu: str = "elsewhere") -> list[Record]:
    found = []
    for trial, index in enumerate(task.space.random(np.random.default_rng(1), n), 1):
        result = MeasureResult(Reason.OK, (synthetic(task, index),), timestamp=0.0)
        found.append(Record.of(task, task.space.at(index), result, cpu=cpu, source="random", trial=trial))
    return found


@pytest.fixture(scope="module")
def other() -> list[Record]:
    """Records of a task of another shape."""
    return records_of(Task("matmul", (48, 48, 48)), 40)


@pytest.fixture(scope="module")
def task() -> Task:
    return Task("matmul", (64, 64, 64))


def accuracy(model, task: Task) -> float:
    hardware = Target.parse(task.target).hardware
    indices = task.space.random(np.random.default_rng(2), 40)
    rows = np.stack([extract(compiler.loop_nest(*task.instantiate(i)), hardware) for i in indices])
    return pairwise_accuracy(model.predict(rows), np.array([1 / synthetic(task, i) for i in indices]))


def test_nothing_measured_before(task):
    model = start_model(task, shipped=False)
    assert isinstance(model, BoostedTreeCostModel) and not model.fitted


def test_a_given_model_is_used_as_it_is(task):
    model = BoostedTreeCostModel()
    assert start_model(task, model=model) is model
    with pytest.raises(ValueError, match="either a model or a warm start, not both"):
        start_model(task, model=model, warm="records.jsonl")


def test_records_of_another_shape_rank_the_first_programs(task, other, tmp_path):
    path = tmp_path / "records.jsonl"
    for record in other:
        record_file.append(path, record)
    for warm in (other, path, [path]):
        model = start_model(task, warm=warm, shipped=False)
        assert model.fitted
        assert accuracy(model, task) > 0.8


def test_records_of_the_search_itself_are_left_out(task):
    own = records_of(task, 20, cpu="here")
    assert not start_model(task, warm=own, shipped=False, machine="here").fitted
    # those of another machine are not
    assert start_model(task, warm=own, shipped=False, machine="there").fitted


def test_models_and_their_files(task, other, tmp_path):
    made = make_model(programs_of(other))
    assert made.version == feature_version("store")
    made.save(tmp_path / "model.ubj")
    rows = np.zeros((1, made.booster.num_features()), np.float32)
    for warm in (made, tmp_path / "model.ubj"):
        model = start_model(task, warm=warm, shipped=False)
        assert isinstance(model, WarmCostModel)
        np.testing.assert_array_equal(model.predict(rows), made.predict(rows))
    with pytest.raises(ValueError, match="was trained on the features 'store-.*', but these are 'loop-"):
        start_model(task, warm=tmp_path / "model.ubj", features="loop")


def test_records_are_learned_on_top_of_a_model(task, other):
    flat = BoostedTreeCostModel(rounds=5)
    flat.fit(*_rows(programs_of(other)[:2]))
    model = start_model(task, warm=[flat, *other], shipped=False)
    assert isinstance(model, WarmCostModel) and isinstance(model.prior, WarmCostModel)
    assert model.prior.prior is flat
    assert accuracy(model, task) > 0.8


def _rows(programs):
    from costmodel.transfer import examples

    rows = examples(programs)
    return rows.features, rows.throughputs


def test_records_that_mean_nothing_here_are_set_aside_with_a_count(task, other):
    strange = [replace(other[0], operator="matmull"), replace(other[1], config={"rows": 3})]
    with pytest.warns(RecordWarning, match="2 of 42 records cannot warm a model, such as matmull"):
        assert len(programs_of([*strange, *other])) == 40


def test_the_hardware_of_a_record_is_what_it_was_measured_on(other):
    hardware = {"vector_bits": 256, "vector_registers": 16, "caches": [32768, 262144], "threads": 1}
    programs = programs_of([replace(other[0], hardware=hardware)])
    assert programs[0].hardware.vector_bits == 256 and programs[0].hardware.caches == (32768, 262144)


def test_values_of_knobs_do_not_apply_to_other_tasks(task, other):
    with pytest.raises(ValueError, match="'knob' mean nothing for other tasks"):
        start_model(task, warm=other, features="knob", shipped=False)


def test_files_of_programs(task, other, tmp_path):
    programs = programs_of(other)
    write_programs(tmp_path / "programs.jsonl.gz", programs)
    assert [p.nest for p in programs_in([tmp_path / "programs.jsonl.gz"])] == [p.nest for p in programs]
    model = start_model(task, warm=tmp_path / "programs.jsonl.gz", shipped=False)
    assert accuracy(model, task) > 0.8


def test_the_shipped_model_is_of_these_features():
    model = load_model(SHIPPED, feature_version("store"))
    assert model.fitted and shipped_model() is not None


def test_the_shipped_model_is_for_cpus_and_features_of_stores(task):
    assert start_model(task).fitted
    assert not start_model(task, features="loop").fitted
    assert not start_model(task, shipped=False).fitted


def test_a_shipped_model_of_other_features_is_not_used(task, tmp_path, monkeypatch, other):
    made = make_model(programs_of(other))
    made.version = "store-0-old"
    made.save(tmp_path / "old.ubj")
    monkeypatch.setattr("costmodel.transfer.start.SHIPPED", tmp_path / "old.ubj")
    shipped_model.cache_clear()
    try:
        with pytest.warns(
            RuntimeWarning, match="the shipped cost model is not used: .* trained on the features"
        ):
            assert not start_model(task).fitted
    finally:
        shipped_model.cache_clear()
