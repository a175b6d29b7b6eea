"""Interrupts and errors at any point of a round: the model has whole rounds, and training may continue."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pytest

import boost
from boost import Booster, DMatrix

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 3)).astype(np.float32)
Y = X[:, 0] * X[:, 1] + X[:, 2]
TWO = np.column_stack((Y, -X[:, 0]))
CODE = np.digitize(Y, [-0.5, 0.5])
DART = {"booster": "dart", "rate_drop": 0.5, "one_drop": True}
VECTORS = {"multi_strategy": "multi_output_tree"}
# Parameters, labels and query groups.
KINDS: dict[str, tuple[dict[str, Any], Any, Any]] = {
    "one tree": ({}, Y, None),
    "outputs": ({}, TWO, None),
    "parallel trees": ({"num_parallel_tree": 3, "subsample": 0.7}, TWO, None),
    "dropout": (DART, TWO, None),
    "dropout of parallel trees": ({**DART, "num_parallel_tree": 2, "subsample": 0.7}, TWO, None),
    "vectors": (VECTORS, TWO, None),
    "dropout of vectors": ({**VECTORS, **DART}, TWO, None),
    "refitted leaves": ({"objective": "reg:absoluteerror"}, TWO, None),
    "classes": ({"objective": "multi:softprob", "num_class": 3}, CODE, None),
    "estimates of the loss": ({"objective": "rank:ndcg", "lambdarank_unbiased": True}, CODE, [20] * 3),
    "exact": ({"tree_method": "exact"}, TWO, None),
    "approx": ({"tree_method": "approx"}, TWO, None),
}
ROUNDS = 4
BOOST = os.path.dirname(boost.__file__)
# Kinds that are interrupted in every line of these modules; others in every seventh.
EVERY = ("outputs", "dropout of parallel trees", "estimates of the loss")
NIGHTLY = "ESPALIER_NIGHTLY" in os.environ
# Modules in which a round is put together: they are interrupted in every line, others in some lines.
CLOSELY = ("training", os.path.join("forest", "forest.py"), os.path.join("objective", "rank.py"))


class Interruption:
    """Raise an exception when a line of the package is reached for the n-th time; count the lines."""

    def __init__(self, at: int | None = None, error: type[BaseException] = KeyboardInterrupt) -> None:
        self.at, self.error = at, error
        self.lines: list[tuple[str, int]] = []

    def __enter__(self) -> Interruption:
        self._before = sys.gettrace()
        sys.settrace(self._trace)
        return self

    def __exit__(self, *_: object) -> None:
        sys.settrace(self._before)

    def _trace(self, frame: FrameType, event: str, argument: Any) -> Any:
        if not frame.f_code.co_filename.startswith(BOOST):
            return None
        if event == "line":
            if self.at == len(self.lines):
                self.at = None
                raise self.error
            self.lines.append((os.path.relpath(frame.f_code.co_filename, BOOST), frame.f_lineno))
        return self._trace


def points(lines: list[tuple[str, int]]) -> list[int]:
    """Return when a round is interrupted: the last time in every line of these modules, and some others."""
    if NIGHTLY:
        return list(range(len(lines)))
    last = {line: i for i, line in enumerate(lines)}
    return sorted(i for n, (line, i) in enumerate(last.items()) if line[0].startswith(CLOSELY) or n % 10 == 0)


def start(kind: str) -> tuple[Booster, DMatrix]:
    params, label, group = KINDS[kind]
    data = DMatrix(X, label, group=group)
    model = Booster({"max_depth": 2, "nthread": 1, **params})
    for i in range(2):
        model.update(data, i)
    return model, data


@pytest.mark.slow
@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
@pytest.mark.parametrize("kind", KINDS)
def test_a_round_is_made_or_not(kind: str, error: type[BaseException]) -> None:
    model, data = start(kind)
    with Interruption() as count:
        model.update(data, 2)
    model.update(data, 3)
    want = model.save_raw()
    every = error is KeyboardInterrupt and (kind in EVERY or NIGHTLY)
    seen = set()
    for point in points(count.lines)[:: 1 if every else 7]:
        model, data = start(kind)
        with pytest.raises(error), Interruption(point, error):
            model.update(data, 2)
        done = model.num_boosted_rounds()
        seen.add(done)
        assert model.forest.trees == done * model.forest.round_trees
        part = Booster(model_file=bytes(model.save_raw()))
        np.testing.assert_array_equal(part.predict(X), model.predict(X))
        for i in range(done, ROUNDS):
            model.update(data, i)
        assert model.save_raw() == want, (point, count.lines[point])
    assert seen == {2, 3} if every else 2 in seen


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["outputs", "estimates of the loss"])
def test_the_first_round_is_made_or_not(kind: str) -> None:
    params, label, group = KINDS[kind]
    params = {"max_depth": 2, "nthread": 1, **params}

    def new() -> tuple[Booster, DMatrix]:
        return Booster(params), DMatrix(X, label, group=group)

    model, data = new()
    model.update(data, 0)  # so that modules are imported, whose lines are not counted then
    model, data = new()
    with Interruption() as count:
        model.update(data, 0)
    want = model.save_raw()
    for point in points(count.lines):
        model, data = new()
        with pytest.raises(KeyboardInterrupt), Interruption(point):
            model.update(data, 0)
        if model.num_boosted_rounds() == 0:
            model.update(data, 0)
        assert model.save_raw() == want, (point, count.lines[point])


def test_parameters_change_or_not() -> None:
    model, data = start("outputs")
    with Interruption() as count:
        model.set_param("max_depth", 3)
    model.update(data, 2)
    want = model.save_raw()
    for point in range(len(count.lines)):
        model, data = start("outputs")
        with pytest.raises(KeyboardInterrupt), Interruption(point):
            model.set_param("max_depth", 3)
        model.set_param("max_depth", 3)
        model.update(data, 2)
        assert model.save_raw() == want


@pytest.mark.slow
def test_what_was_set_is_used_or_not() -> None:
    def new() -> tuple[Booster, DMatrix]:
        model, data = start("outputs")
        model.set_param({"max_depth": 3, "subsample": 0.6})
        data.set_weight(np.linspace(0.5, 2.0, 60))
        return model, data

    model, data = new()
    model.update(data, 2)
    want = model.save_raw()
    model, data = new()
    with Interruption() as count:
        model.update(data, 2)
    for point in points(count.lines)[::2]:
        model, data = new()
        with pytest.raises(KeyboardInterrupt), Interruption(point):
            model.update(data, 2)
        if model.num_boosted_rounds() == 2:
            model.update(data, 2)
        assert model.save_raw() == want, (point, count.lines[point])


def _fail(*_: Any) -> Any:
    raise RuntimeError("an error of the caller")


def test_errors_of_the_callers_functions() -> None:
    model, data = start("dropout")
    want, state = model.save_raw(), model.copy()
    with pytest.raises(RuntimeError, match="of the caller"):
        model.update(data, 2, _fail)
    with pytest.raises(ValueError, match="must be finite"):
        model.update(data, 2, lambda margin, _: (margin * np.nan, margin))
    assert model.save_raw() == want
    state.update(data, 2)
    model.update(data, 2)
    assert model.save_raw() == state.save_raw()


class Keep(boost.callback.TrainingCallback):
    """Keep the model, and raise in one of its hooks in the third round."""

    def __init__(self, hook: str, error: type[BaseException]) -> None:
        self.hook, self.error, self.model = hook, error, None

    def _call(self, hook: str, model: Any, epoch: int) -> bool:
        self.model = model
        if (hook, epoch) == (self.hook, 2):
            raise self.error
        return False

    def before_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
        return self._call("before", model, epoch)

    def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
        return self._call("after", model, epoch)


@pytest.mark.parametrize("kind", ["outputs", "dropout of parallel trees", "vectors"])
@pytest.mark.parametrize(("hook", "rounds"), [("before", 2), ("after", 3), ("metric", 3), ("loss", 2)])
def test_a_training_that_ends_early_leaves_a_model_to_continue(kind: str, hook: str, rounds: int) -> None:
    params, label, _ = KINDS[kind]
    params = {"max_depth": 2, **params}
    data = DMatrix(X, label)
    kept = Keep(hook, KeyboardInterrupt)

    def loss(margin: np.ndarray, table: DMatrix) -> Any:
        if hook == "loss" and kept.model.num_boosted_rounds() == 2:
            raise KeyboardInterrupt
        return margin - table.label, np.ones_like(margin)

    def metric(margin: np.ndarray, table: DMatrix) -> tuple[str, float]:
        if hook == "metric" and kept.model.num_boosted_rounds() == 3:
            raise KeyboardInterrupt
        return "mine", 0.0

    options: dict[str, Any] = {"obj": loss, "custom_metric": metric, "verbose_eval": False}
    with pytest.raises(KeyboardInterrupt):
        boost.train(params, data, 6, evals=[(data, "train")], callbacks=[kept], **options)
    assert kept.model.num_boosted_rounds() == rounds
    kept.hook = hook = ""
    rest = boost.train(params, data, 6 - rounds, xgb_model=kept.model, **options)
    assert rest.save_raw() == boost.train(params, data, 6, **options).save_raw()


def test_folds_have_whole_rounds_each() -> None:
    kept = Keep("", KeyboardInterrupt)
    calls = []

    def loss(margin: np.ndarray, table: DMatrix) -> Any:
        calls.append(1)
        if len(calls) == 5:  # the second fold of three, in the second round
            raise KeyboardInterrupt
        return margin - table.label, np.ones_like(margin)

    with pytest.raises(KeyboardInterrupt):
        boost.cv({"max_depth": 2}, DMatrix(X, TWO), 4, obj=loss, callbacks=[kept])
    assert [fold.num_boosted_rounds() for fold in kept.model.cvfolds] == [2, 1, 1]
    assert all(fold.forest.trees == 2 * fold.num_boosted_rounds() for fold in kept.model.cvfolds)


def test_errors_in_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    from boost import threads

    monkeypatch.setattr(threads, "SERIAL_WORK", 1.0)
    model, data = Booster({"max_depth": 3, "nthread": 2}), DMatrix(X, TWO)
    model.update(data, 0)
    model.update(data, 1)
    want = model.copy()
    run: Callable[..., None] = threads.Team.run
    calls = []

    def fail(team: threads.Team, tasks: list[Any]) -> None:
        calls.append(1)
        if len(calls) == 4:
            task, begin, end = tasks[-1]
            tasks = [*tasks[:-1], (lambda b, e: _fail(), begin, end)]
        run(team, tasks)

    monkeypatch.setattr(threads.Team, "run", fail)
    with pytest.raises(RuntimeError, match="of the caller"):
        model.update(data, 2)
    for booster in (model, want):
        booster.update(data, 2)
    assert model.save_raw() == want.save_raw()


PROGRAM = """
import os, signal, sys, threading, time
import numpy as np
import boost

delay = float(sys.argv[1])
x = np.random.default_rng(0).normal(size=(200, 3)).astype(np.float32)

def interrupt():
    time.sleep(delay)
    os.kill(os.getpid(), signal.SIGINT)

threading.Thread(target=interrupt, daemon=True).start()
caught = False
try:
    boost.train({}, boost.DMatrix(x, x[:, 0]), 2)
    time.sleep(60)
except KeyboardInterrupt:
    caught = True
model = boost.train({}, boost.DMatrix(x, x[:, 0]), 3)
error = float(np.abs(model.predict(x) - x[:, 0]).mean())
print("caught" if caught else "missed", model.num_boosted_rounds(), error)
"""


@pytest.mark.slow
@pytest.mark.parametrize("delay", [0.2, 0.4, 0.7, 1.0])
def test_ctrl_c_in_the_first_fit_leaves_later_fits_whole(delay: float) -> None:
    # Numba's import takes about a second, and the interrupt meets it somewhere.
    here = Path(BOOST).parent
    command = [sys.executable, "-c", textwrap.dedent(PROGRAM), str(delay)]
    done = subprocess.run(command, cwd=here, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    word, rounds, error = done.stdout.split()
    assert (word, rounds) == ("caught", "3") and float(error) < 0.5


def test_the_main_thread_waits_and_may_be_interrupted() -> None:
    from sketch.uninterrupted import uninterrupted

    assert uninterrupted(lambda a, b: a + b, 1, 2) == 3
    with pytest.raises(RuntimeError, match="of the caller"):
        uninterrupted(_fail)
    done = []

    def work() -> None:
        signal.raise_signal(signal.SIGINT)  # handled by the main thread, which waits
        done.append(1)

    with pytest.raises(KeyboardInterrupt):
        uninterrupted(work)
        pytest.fail("the interrupt was lost")
    for _ in range(1000):
        if done:
            break
        signal.sigtimedwait([], 0.01)
    assert done == [1]
