from __future__ import annotations

import json
import platform

import numpy as np
import pytest

from compiler import te
from costmodel import RandomExplorer
from costmodel import records as record_file
from costmodel.measure.measurer import Measurer
from costmodel.records import RecordWarning, load
from costmodel.registry import register
from costmodel.result import MeasureResult, Reason
from costmodel.task import Task
from costmodel.tune import tune as tune_task
from costmodel.tuning.progress import Progress
from costmodel.tuning.stop import StopTuning, TuningError
from tests.costmodel.fake_runner import FakeRunner


def tune(*given, **named):
    """Tune in batches of 16, and without the shipped model, so that first batches are random."""
    return tune_task(*given, **{"shipped": False, "batch_size": 16, **named})


class FakeMeasurer(FakeRunner):
    """Costs by a formula; some configurations fail, and Ctrl-C can follow after a number of trials."""

    def __init__(self, interrupt_after: int | None = None, fail=lambda index: False) -> None:
        self.measured: list[int] = []
        self.interrupt_after = interrupt_after
        self.fail = fail

    def measure(self, task, config):
        if len(self.measured) == self.interrupt_after:
            raise KeyboardInterrupt
        self.measured.append(config.index)
        if self.fail(config.index):
            return MeasureResult(Reason.TIMEOUT, message="too slow")
        tile = config["tile_m"][2] * config["tile_n"][2]
        cost = 1e-4 * (1 + abs(np.log2(tile) - 8)) * (2 - (config["unroll_k"] == "unroll"))
        return MeasureResult(Reason.OK, (cost, cost, cost))


@register(reference=lambda a, n: a + 1, flops=lambda n: n * n, name="tiled")
def tiled(knobs, n):
    """A program that is lowered quickly, with enough knobs for a search."""
    rows = knobs.split("tile_m", n, 3, max_inner=16)
    columns = knobs.split("tile_n", n, 3, max_inner=64)
    _, steps = knobs.split("tile_k", n, 2, max_inner=16)
    A = te.placeholder((n, n), "A")
    B = te.compute((n, n), lambda i, j: A[i, j] + 1.0, "B")
    s = te.create_schedule(B.op)
    i, j = B.op.axis
    io, ii = s[B].split(i, rows[2])
    jo, ji = s[B].split(j, columns[2])
    outer, inner = s[B].split(io, steps)
    s[B].reorder(outer, jo, inner, ii, ji)
    if knobs.annotate("unroll_k", ["none", "unroll"]) == "unroll":
        s[B].unroll(ii)
    return s, [A, B]


@pytest.fixture
def task() -> Task:
    return Task("tiled", (64,))


def test_model_finds_better_programs_than_the_first_batch(task):
    result = tune(task, 64, measurer=FakeMeasurer(), seed=1)
    curve = result.curve()
    assert len(result.records) == 64 and curve.shape == (64,)
    assert np.all(np.diff(curve) >= 0)
    assert curve[-1] == pytest.approx(result.best_gflops) and curve[-1] > curve[15]
    # the optimum of the formula: tile of 256 elements, unrolled
    assert result.best.cost == pytest.approx(1e-4)
    assert len(result.correlations) == 3
    assert not result.interrupted


def test_no_configuration_is_measured_twice(task):
    measurer = FakeMeasurer()
    tune(task, 48, measurer=measurer)
    assert len(set(measurer.measured)) == 48


def test_same_seed_and_costs_give_the_same_trials(task):
    def trials(seed):
        measurer = FakeMeasurer()
        tune(task, 32, measurer=measurer, seed=seed)
        return measurer.measured

    assert trials(5) == trials(5)
    assert trials(5) != trials(6)


def test_optimism_changes_what_is_tried_after_the_first_batch(task):
    tried = {}
    for optimism in (0.0, 2.0):
        measurer = FakeMeasurer()
        result = tune(task, 32, measurer=measurer, optimism=optimism)
        tried[optimism] = measurer.measured
        assert len(result.correlations) == 1
    assert tried[0.0][:16] == tried[2.0][:16] and tried[0.0] != tried[2.0]


@pytest.mark.parametrize("settings", [{"acquisition": "mean"}, {"features": "knob"}])
def test_acquisition_and_features_change_what_is_tried_after_the_first_batch(task, settings):
    plain, other = FakeMeasurer(), FakeMeasurer()
    tune(task, 32, measurer=plain)
    result = tune(task, 32, measurer=other, **settings)
    assert len(result.correlations) == 1
    assert plain.measured[:16] == other.measured[:16] and plain.measured != other.measured


def test_the_default_is_tried_first(task):
    for explorer in ("model", "random", "grid"):
        measurer = FakeMeasurer()
        tune(task, 20, measurer=measurer, explorer=explorer)
        assert measurer.measured[0] == task.space.default.index
        assert len(set(measurer.measured)) == 20


def test_a_model_that_has_learnt_proposes_the_first_batch(task):
    class Sum:
        fitted = True

        def fit(self, features, throughputs, groups=None):
            pass

        def predict(self, features):
            return features.sum(axis=1)

    measurer, random = FakeMeasurer(), FakeMeasurer()
    result = tune(task, 16, measurer=measurer, model=Sum())
    tune(task, 16, measurer=random)
    assert len(result.correlations) == 1 and measurer.measured != random.measured


def test_records_of_another_task_warm_a_search(task, tmp_path):
    path, other = tmp_path / "r.jsonl", Task("tiled", (32,))
    tune(other, 32, records=path, measurer=FakeMeasurer(), explorer="random")
    cold, warm = FakeMeasurer(), FakeMeasurer()
    tune(task, 16, measurer=cold)
    result = tune(task, 16, measurer=warm, warm=path)
    assert len(result.correlations) == 1 and warm.measured != cold.measured
    assert min(r.cost for r in result.records) <= 2e-4


def test_both_sources_begin_with_the_same_batch(task):
    with_model, without = FakeMeasurer(), FakeMeasurer()
    tune(task, 20, measurer=with_model)
    tune(task, 20, measurer=without, explorer="random")
    assert with_model.measured[:16] == without.measured[:16]


def test_resume_measures_only_what_is_new(task, tmp_path):
    path = tmp_path / "r.jsonl"
    first, second, third = FakeMeasurer(), FakeMeasurer(), FakeMeasurer()
    tune(task, 20, records=path, measurer=first)
    result = tune(task, 40, records=path, measurer=second)
    assert len(second.measured) == 20 and not set(first.measured) & set(second.measured)
    assert result.resumed == 20 and len(result.records) == 40
    assert [r.trial for r in result.records] == list(range(1, 41))
    again = tune(task, 40, records=path, measurer=third)
    assert third.measured == [] and again.best == result.best


def test_resume_after_an_interruption_makes_the_same_trials(task, tmp_path):
    whole, first, second = FakeMeasurer(), FakeMeasurer(interrupt_after=16), FakeMeasurer()
    tune(task, 32, measurer=whole)
    tune(task, 32, records=tmp_path / "r.jsonl", measurer=first)
    tune(task, 32, records=tmp_path / "r.jsonl", measurer=second)
    assert first.measured + second.measured == whole.measured


def test_records_of_another_cpu_or_task_do_not_count(task, tmp_path):
    path = tmp_path / "r.jsonl"
    tune(Task("tiled", (32,)), 4, records=path, measurer=FakeMeasurer())
    other = FakeMeasurer()
    other.machine = "another machine"
    tune(task, 4, records=path, measurer=other)
    result = tune(task, 4, records=path, measurer=FakeMeasurer())
    assert result.resumed == 0 and result.set_aside == {"of another machine": 4}
    assert len(load(path)) == 12


def test_records_of_another_explorer_count(task, tmp_path):
    path = tmp_path / "r.jsonl"
    first, second = FakeMeasurer(), FakeMeasurer()
    tune(task, 16, records=path, measurer=first, explorer="random")
    result = tune(task, 24, records=path, measurer=second)
    assert result.resumed == 16 and len(second.measured) == 8
    # the model has learnt from them: its first own batch is scored
    assert len(result.correlations) == 1
    assert [r.source for r in load(path)] == ["random"] * 16 + ["model"] * 8


def test_broken_last_line_costs_one_trial(task, tmp_path):
    path = tmp_path / "r.jsonl"
    tune(task, 4, records=path, measurer=FakeMeasurer())
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.warns(RecordWarning, match="line 4"):
        result = tune(task, 6, records=path, measurer=FakeMeasurer())
    assert result.resumed == 3 and len(result.records) == 6
    with pytest.warns(RecordWarning, match="line 4"):
        assert len(load(path)) == 6


def test_records_that_no_longer_fit_the_space_are_counted(task, tmp_path):
    path = tmp_path / "r.jsonl"
    tune(task, 2, records=path, measurer=FakeMeasurer())
    path.write_text(path.read_text().replace("tile_k", "tile_q"))
    result = tune(task, 2, records=path, measurer=FakeMeasurer())
    assert result.resumed == 0
    assert result.set_aside == {"of configurations that the space does not have": 2}


def test_a_record_is_of_its_values_not_of_its_index(task, tmp_path):
    path = tmp_path / "r.jsonl"
    tune(task, 2, records=path, measurer=FakeMeasurer())
    numbered = [json.loads(line) for line in path.read_text().splitlines()]
    path.write_text("".join(json.dumps({**line, "index": 0}) + "\n" for line in numbered))
    result = tune(task, 2, records=path, measurer=FakeMeasurer())
    assert [r.index for r in result.records] == [line["index"] for line in numbered]


@pytest.mark.parametrize("after", [0, 5, 20])
def test_ctrl_c_keeps_the_measured_trials(task, tmp_path, after):
    path = tmp_path / "r.jsonl"
    result = tune(task, 40, records=path, measurer=FakeMeasurer(interrupt_after=after))
    assert result.interrupted
    assert len(result.records) == after
    assert (len(load(path)) if after else 0) == after


def test_failures_keep_their_reason_and_are_counted(task, tmp_path):
    path = tmp_path / "r.jsonl"
    result = tune(task, 40, records=path, measurer=FakeMeasurer(fail=lambda index: index % 3 == 0))
    failed = [r for r in load(path) if not r.ok]
    assert failed and all(r.message == "too slow" for r in failed)
    assert result.failures == {"timeout": len(failed)}


def test_every_trial_fails(task):
    measurer = FakeMeasurer(fail=lambda index: True)
    number = iter(range(1000))

    def measure(task, config):
        FakeMeasurer.measure(measurer, task, config)
        return MeasureResult(list(Reason)[1 + next(number) % 3], message="no")

    measurer.measure = measure  # type: ignore[method-assign]
    result = tune(task, 40, measurer=measurer, explorer="random")
    assert result.best is None and result.best_gflops == 0.0 and result.stopped == "trials"
    assert len(result.records) == 40 and result.curve()[-1] == 0.0


def test_small_space_is_exhausted():
    task = Task("tiled", (2,))
    result = tune(task, 10_000, measurer=FakeMeasurer())
    assert len({r.index for r in result.records}) == len(result.records) == task.space.size


def test_progress_after_each_trial(task):
    seen: list[Progress] = []
    result = tune(task, 40, measurer=FakeMeasurer(fail=lambda i: i % 5 == 0), callback=seen.append)
    assert [p.trial for p in seen] == list(range(41))
    assert seen[0].last is None and seen[-1].last == result.records[-1]
    assert seen[-1].best_gflops == result.best_gflops
    assert seen[-1].seconds_left == 0.0 < seen[20].seconds_left
    assert seen[16].correlation is None and seen[-1].correlation is not None
    assert seen[-1].failures == result.failures


def test_candidate_that_broke_its_worker_is_not_instantiated_here_any_more(task):
    class Crashing(FakeMeasurer):
        def measure(self, task, config):
            self.measured.append(config.index)
            instantiated.clear()
            return MeasureResult(Reason.CRASH, message="killed by SIGSEGV")

    instantiated = []
    original = task.instantiate
    task.instantiate = lambda config=None: instantiated.append(config) or original(config)  # type: ignore[method-assign]
    with pytest.raises(TuningError, match="killed by SIGSEGV"):
        tune(task, 40, measurer=Crashing())
    assert instantiated == []


class Failing(FakeMeasurer):
    """A candidate fails with a message if `broken` says so."""

    def __init__(self, broken, message="ImportError: no module\nnamed 'mine' at 0x{index:x}") -> None:
        super().__init__()
        self.broken = broken
        self.message = message

    def measure(self, task, config):
        if self.broken(len(self.measured)):
            self.measured.append(config.index)
            return MeasureResult(Reason.TEMPLATE, message=self.message.format(index=config.index))
        return super().measure(task, config)


def test_a_batch_that_fails_in_the_same_way_ends_the_search(task, tmp_path):
    path, measurer = tmp_path / "r.jsonl", Failing(lambda trial: True)
    with pytest.raises(TuningError, match="16 candidates one after another failed in the same way") as raised:
        tune(task, 1000, measurer=measurer, records=path, explorer="random")
    first = measurer.measured[0]
    assert f"template error: ImportError: no module\nnamed 'mine' at 0x{first:x}" in str(raised.value)
    assert len(measurer.measured) == len(load(path)) == len(raised.value.result.records) == 16
    # a later run does not count them as a batch of its own
    again = Failing(lambda trial: trial < 8)
    assert len(tune(task, 40, measurer=again, records=path, explorer="random").records) == 40


def test_a_search_shorter_than_a_batch_shows_the_first_error_too(task):
    with pytest.raises(TuningError, match="6 candidates one after another failed in the same way") as raised:
        tune(task, 6, measurer=Failing(lambda trial: True), batch_size=16, explorer="random")
    assert len(raised.value.result.records) == 6 and raised.value.result.stopped == "failures"


def test_trials_of_a_search_that_never_succeeded_are_measured_anew(task, tmp_path):
    path = tmp_path / "r.jsonl"
    with pytest.raises(TuningError):
        tune(task, 8, measurer=Failing(lambda trial: True), records=path, explorer="random")
    repaired = Failing(lambda trial: False)
    result = tune(task, 8, measurer=repaired, records=path, explorer="random")
    assert result.resumed == 0 and len(repaired.measured) == 8 and result.best is not None
    assert result.set_aside == {"of a search in which every trial failed": 8}
    # with a success, failures are knowledge again
    assert tune(task, 8, measurer=repaired, records=path, explorer="random").resumed == 8


def test_failures_after_a_success_need_two_batches(task):
    measurer = Failing(lambda trial: trial >= 5)
    result = tune(task, 100, measurer=measurer, batch_size=8, explorer="random")
    assert result.stopped == "failures" and len(result.records) == 5 + 2 * 8 and result.best is not None


def test_failures_of_different_kinds_do_not_end_the_search(task):
    measurer = Failing(lambda trial: True, "the tile {index} is odd")
    measurer.broken = lambda trial: setattr(measurer, "message", "odd" if trial % 12 else "even") or True
    assert len(tune(task, 40, measurer=measurer, explorer="random").records) == 40


@pytest.mark.parametrize("how", ["returns", "raises"])
def test_a_callback_ends_the_search_and_its_result_stays(task, tmp_path, how):
    def callback(progress):
        if progress.trial == 7:
            if how == "raises":
                raise StopTuning
            return True
        return None

    path = tmp_path / "r.jsonl"
    result = tune(task, 40, measurer=FakeMeasurer(), callback=callback, records=path, explorer="random")
    assert result.stopped == "callback" and not result.interrupted
    assert len(result.records) == len(load(path)) == 7 and result.best is not None


def test_a_callback_may_return_anything_else(task):
    assert tune(task, 4, measurer=FakeMeasurer(), callback=lambda progress: "True").stopped == "trials"


class Constant(FakeMeasurer):
    """The costs are given, one for each trial; the last one for all others."""

    def __init__(self, *costs) -> None:
        super().__init__()
        self.costs = costs

    def measure(self, task, config):
        self.measured.append(config.index)
        return MeasureResult(Reason.OK, (self.costs[min(len(self.measured), len(self.costs)) - 1],))


def test_patience(task):
    # trials 4 and 5 improve by less than a hundredth each, but by more together
    measurer = Constant(5.0, 4.0, 4.0, 3.97, 3.94)
    result = tune(task, 100, measurer=measurer, patience=6, explorer="random")
    assert result.stopped == "patience" and len(result.records) == 5 + 6


def test_patience_includes_the_trials_of_the_records(task, tmp_path):
    path = tmp_path / "r.jsonl"
    tune(task, 8, measurer=Constant(1.0), records=path)
    result = tune(task, 100, measurer=Constant(1.0), records=path, patience=10, explorer="random")
    assert result.resumed == 8 and len(result.records) == 11


def test_a_time_budget(task, monkeypatch):
    clock = iter(range(10_000))
    monkeypatch.setattr("costmodel.tuning.stop.time.perf_counter", lambda: float(next(clock)))
    seen = []
    result = tune(task, None, measurer=FakeMeasurer(), seconds=50.0, callback=seen.append, explorer="random")
    assert result.stopped == "seconds" and 5 < len(result.records) < 50
    assert all(p.seconds_left <= 50 for p in seen) and seen[-1].trials == task.space.size


def test_measurements_in_batches(task):
    class Ahead(FakeMeasurer):
        def __init__(self) -> None:
            super().__init__()
            self.closed = 0
            self.asked: list[int] = []

        def measure_many(self, task, configs):
            self.asked.append(len(configs))
            try:
                for config in configs:
                    yield self.measure(task, config)
            finally:
                self.closed += 1

    one, many = FakeMeasurer(), Ahead()
    tune(task, 40, measurer=one, explorer="random")
    tune(task, 40, measurer=many, explorer="random")
    assert many.measured == one.measured and many.asked == [16, 16, 8] and many.closed == 3
    ended = Ahead()
    tune(task, 40, measurer=ended, callback=lambda p: p.trial == 20, explorer="random")
    assert ended.asked == [16, 16] and len(ended.measured) == 20 and ended.closed == 2


def test_an_explorer_without_more_proposals_ends_the_search(task, monkeypatch):
    monkeypatch.setattr(RandomExplorer, "propose", lambda *given, **named: [])
    result = tune(task, 40, measurer=FakeMeasurer(), explorer="random")
    assert result.stopped == "explorer" and result.records == []


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"explorer": "modle"}, "unknown explorer 'modle'; did you mean 'model'"),
        ({"trials": 0}, "trials must be at least 1, not 0"),
        ({"patience": 0}, "patience must be at least 1 trial, not 0"),
        ({"seconds": 0.0}, "seconds must be positive, not 0.0"),
        ({"optimism": -0.5}, "optimism must be at least 0, not -0.5"),
        ({"features": "stores"}, "unknown family of features 'stores'; did you mean 'store'"),
        ({"acquisition": "men"}, "unknown acquisition 'men'; did you mean 'mean'"),
        ({"warm": "r.jsonl", "explorer": "random"}, "the explorer 'random' has no model that records"),
        ({"warm": "nothing.jsonl"}, "nothing.jsonl"),
        ({"batch_size": 0}, "batch_size 0 must be at least 1"),
    ],
)
def test_invalid_settings_are_refused(task, settings, message):
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        tune(task, **{"trials": 4, "measurer": FakeMeasurer(), **settings})


def test_target_that_cannot_run_here():
    arm, x86 = (
        "llvm -mcpu=apple-m1 -mtriple=arm64-apple-darwin",
        "llvm -mcpu=nocona -mtriple=x86_64-linux-gnu",
    )
    elsewhere = x86 if platform.machine() in ("arm64", "aarch64") else arm
    with pytest.raises(ValueError, match="cannot run on this machine"):
        tune(Task("tiled", (4,), elsewhere), 4)


@pytest.mark.slow
def test_end_to_end_on_this_cpu(tmp_path):
    task = Task("matmul", (64, 64, 64))
    path = tmp_path / "r.jsonl"
    with Measurer(min_repeat_ms=1.0) as measurer:
        result = tune(task, 12, records=path, measurer=measurer, batch_size=4)
        again = tune(task, 12, records=path, measurer=measurer, batch_size=4)
    assert len(result.records) == 12 and result.failures == {}
    assert result.best_gflops > 0 and len(result.correlations) == 2
    assert again.resumed == 12 and again.best == record_file.best(load(path))[0]


@pytest.mark.parametrize("explorer", ["model", "genetic", "irreversible", "random", "grid"])
def test_every_explorer_measures_each_configuration_once(task, explorer):
    result = tune(task, 24, batch_size=8, measurer=FakeMeasurer(), explorer=explorer)
    assert len({r.index for r in result.records}) == 24
    assert result.source == explorer
    assert (len(result.correlations) == 2) == (explorer in ("model", "genetic", "irreversible"))
