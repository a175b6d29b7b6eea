"""Tasks of a model: what a search tunes, and that a build uses what it found."""

from __future__ import annotations

import numpy as np
import pytest

from compiler import relay
from costmodel import apply_history_best, extract_tasks, tune_all
from costmodel.measure.host import cpu_name
from costmodel.result import MeasureResult, Reason
from tests.costmodel.fake_runner import FakeRunner
from tests.costmodel.small_model import small_model

TEXT = """
def @main(%x: Tensor[(4, 16), float32], %w: Tensor[(16, 16), float32]) -> Tensor[(4, 16), float32] {
  %0 = nn.relu(nn.dense(%x, %w));
  %1 = nn.relu(nn.dense(%0, %w));
  nn.softmax(add(nn.dense(%1, %w), %x), axis=1)
}
"""


@pytest.fixture(autouse=True)
def no_cache(monkeypatch):
    monkeypatch.setenv("ESPALIER_CACHE", "off")


class SecondBest(FakeRunner):
    """The default of every task is slow, and the programs behind it are fast."""

    def __init__(self) -> None:
        self.machine = cpu_name()
        self.tasks: set[str] = set()

    def measure(self, task, config):
        self.tasks.add(task.call)
        return MeasureResult(Reason.OK, (3e-6 if config == task.space.default else 1e-6,))


def test_equal_operators_are_one_task_with_their_number():
    found = {task.call: count for task, count in extract_tasks(relay.parse(TEXT)).items()}
    assert found == {"dense(4, 16, 16)": 3, "softmax(4, 16)": 1}


def test_the_operators_of_a_file(tmp_path):
    module = relay.from_onnx(small_model(tmp_path / "m.onnx"))
    found = {task.call: count for task, count in extract_tasks(module).items()}
    assert found == {
        "conv2d(1, 3, 8, 8, 8, 3, stride=2, pad=1)": 1,
        "conv2d(1, 8, 4, 4, 8, 3, pad=1)": 1,
        "dense(1, 5, 8)": 1,
        "softmax(1, 5)": 1,
    }


def test_what_has_no_template_is_no_task():
    assert extract_tasks(relay.parse("def @main(%x: Tensor[(4), float32]) { negative(%x) }")) == {}


def test_wrong_targets_and_levels():
    module = relay.parse(TEXT)
    with pytest.raises(ValueError, match="unknown target kind 'moon'"):
        extract_tasks(module, "moon")
    with pytest.raises(ValueError, match="level"):
        extract_tasks(module, level=4)


def test_a_build_uses_the_best_records_of_one_budget(tmp_path):
    module, path, runner = relay.parse(TEXT), tmp_path / "r.jsonl", SecondBest()
    tasks = extract_tasks(module)
    result = tune_all(
        tasks, trials=8, explorer="random", shipped=False, records=path, measurer=runner, batch_size=4
    )
    assert runner.tasks == {task.call for task in tasks} and result.weights == [3, 1]
    with apply_history_best(path) as history:
        program = relay.build(module)
    assert set(history.used) == {task.key for task in tasks} and not history.missed
    for task in tasks:
        assert history.used[task.key].config != task.space.default.plain()
    rng = np.random.default_rng(1)
    x, w = rng.standard_normal((4, 16), np.float32), rng.standard_normal((16, 16), np.float32)
    np.testing.assert_allclose(program(x, w), relay.evaluate(module, x, w), rtol=1e-4, atol=1e-6)
