from __future__ import annotations

import numpy as np
import pytest

import compiler
from compiler import Target
from costmodel import Record, Task, build, extract, feature_names, ranked
from costmodel.measure.host import cpu_name
from costmodel.result import MeasureResult, Reason


class Given:
    """A model whose score is a feature of the program, times a factor."""

    fitted = True

    def __init__(self, factor: float = 1.0) -> None:
        self.factor = factor
        self.column = feature_names().index("main.body.iterations")

    def predict(self, features):
        return self.factor * np.asarray(features[:, self.column], np.float64)


@pytest.fixture(scope="module")
def task() -> Task:
    return Task("matmul", (64, 64, 64))


def feature(task: Task, config, name: str) -> float:
    nest = compiler.loop_nest(*task.instantiate(config))
    return float(extract(nest, Target.parse(task.target).hardware)[feature_names().index(name)])


def run(task: Task, module) -> None:
    inputs = task.operator.inputs(np.random.default_rng(0), *task.shape)
    outputs = task.operator.outputs(*task.shape)
    module(*inputs, *outputs)
    for output, reference in zip(outputs, task.operator.references(inputs, *task.shape), strict=True):
        np.testing.assert_allclose(output, reference, rtol=1e-4, atol=1e-4)


def test_the_ranking_is_by_the_models_scores(task):
    configs = ranked(task, 5, model=Given(), candidates=48)
    scores = [feature(task, c, "main.body.iterations") for c in configs]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] > feature(task, task.space.default, "main.body.iterations")
    assert len({c.index for c in configs}) == 5
    assert [c.index for c in ranked(task, 5, model=Given(), candidates=48)] == [c.index for c in configs]


def test_the_default_stays_where_little_is_expected(task):
    # the same order, but the best is expected to be faster by less than a quarter
    configs = ranked(task, 3, model=Given(0.01), candidates=48)
    assert configs[0].index == task.space.default.index
    scores = [feature(task, c, "main.body.iterations") for c in configs[1:]]
    assert scores[0] >= scores[1] > feature(task, task.space.default, "main.body.iterations")


def test_programs_are_built_by_default_rank_and_configuration(task):
    run(task, build(task))
    run(task, build(task, "ranked", model=Given()))
    run(task, build(task, task.space.at(3)))
    run(task, build(task, task.space.at(3).plain()))


def test_the_shipped_model_ranks(task):
    configs = ranked(task, 3, candidates=24)
    assert len(configs) == 3


def test_the_best_record_of_this_machine_is_built(task, monkeypatch):
    built = []
    instantiate = Task.instantiate
    monkeypatch.setattr(
        Task, "instantiate", lambda self, config=None: built.append(config.index) or instantiate(self, config)
    )

    def record(index: int, seconds: float, cpu: str) -> Record:
        result = MeasureResult(Reason.OK, (seconds,))
        return Record.of(task, task.space.at(index), result, cpu=cpu, source="random", trial=1)

    records = [record(1, 3e-3, cpu_name()), record(2, 2e-3, cpu_name()), record(3, 1e-3, "another")]
    run(task, build(task, "best", records=records))
    assert built == [2]
    with pytest.raises(ValueError, match="there is no record of matmul"):
        build(task, "best", records=records[2:])
    with pytest.raises(ValueError, match="give a file of them"):
        build(task, "best")


def test_refusals(task):
    with pytest.raises(ValueError, match="did you mean 'ranked'"):
        build(task, "rankd")
    with pytest.raises(ValueError, match="n must be between 1 and the number of candidates, 8, not 9"):
        ranked(task, 9, candidates=8)
