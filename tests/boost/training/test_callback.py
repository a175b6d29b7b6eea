"""Callbacks: the order of their calls, their effects, and their errors."""

from __future__ import annotations

import io
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

import boost
from boost import Booster, DMatrix
from boost.training.callback import (
    EarlyStopping,
    EvaluationMonitor,
    LearningRateScheduler,
    ProgressMonitor,
    TrainingCallback,
    TrainingCheckPoint,
)


def table(rows: int = 300, seed: int = 0) -> DMatrix:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, 4)).astype(np.float32)
    return DMatrix(x, x[:, 0] * x[:, 1] + rng.normal(size=rows))


class Recorder(TrainingCallback):
    """Record every call; end the training after round `last`."""

    def __init__(self, last: int | None = None) -> None:
        self.calls: list[tuple[str, Any]] = []
        self.last = last

    def before_training(self, model: Any) -> Any:
        self.calls.append(("start", model.num_boosted_rounds()))
        return model

    def before_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
        self.calls.append(("before", (epoch, model.num_boosted_rounds())))
        return False

    def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
        values = {t: {m: len(v) for m, v in by.items()} for t, by in evals_log.items()}
        self.calls.append(("after", (epoch, model.num_boosted_rounds(), values)))
        return epoch == self.last

    def after_training(self, model: Any) -> Any:
        self.calls.append(("end", model.num_boosted_rounds()))
        return model


def test_order_of_calls() -> None:
    data, seen = table(), Recorder(last=1)
    boost.train({"eval_metric": ["rmse", "mae"]}, data, 5, evals=[(data, "a")], callbacks=[seen])
    assert seen.calls == [
        ("start", 0),
        ("before", (0, 0)),
        ("after", (0, 1, {"a": {"rmse": 1, "mae": 1}})),
        ("before", (1, 1)),
        ("after", (1, 2, {"a": {"rmse": 2, "mae": 2}})),
        ("end", 2),
    ]


def test_rounds_are_numbered_through_a_continued_training() -> None:
    data, seen = table(), Recorder()
    first = boost.train({}, data, 3)
    boost.train({}, data, 1, xgb_model=first, callbacks=[seen])
    assert [call for call, _ in seen.calls] == ["start", "before", "after", "end"]
    assert seen.calls[1][1] == (3, 3)


def test_before_iteration_may_stop() -> None:
    class Stop(TrainingCallback):
        def before_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
            return epoch == 2

    assert boost.train({}, table(), 9, callbacks=[Stop()]).num_boosted_rounds() == 2


def test_learning_rates_scale_the_trees() -> None:
    data = table()
    rates = [0.5, 0.1, 0.02]
    model = boost.train({"max_depth": 2}, data, 3, callbacks=[LearningRateScheduler(rates)])
    same = boost.train({"max_depth": 2}, data, 3, callbacks=[LearningRateScheduler(lambda i: rates[i])])
    assert same.predict(data).tobytes() == model.predict(data).tobytes()
    # Each round alone, on the margins of those before.
    grown = boost.train({"max_depth": 2, "eta": 0.5}, data, 1)
    for rate in rates[1:]:
        grown = boost.train({"max_depth": 2, "eta": rate}, data, 1, xgb_model=grown)
    assert grown.predict(data).tobytes() == model.predict(data).tobytes()
    with pytest.raises(ValueError, match="LearningRateScheduler has 3 rates, none for round 3"):
        boost.train({}, data, 4, callbacks=[LearningRateScheduler(rates)])
    with pytest.raises(ValueError, match="eta must be .*, got -3"):
        boost.train({}, data, 4, callbacks=[LearningRateScheduler([-3.0] * 4)])


def test_early_stopping_by_callback() -> None:
    a, b = table(100), table(2000, seed=1)
    params = {"eta": 0.5, "eval_metric": ["mae", "rmse"]}
    evals = [(b, "b"), (a, "a")]
    log: dict = {}
    stop = EarlyStopping(rounds=3, data_name="b", metric_name="mae")
    model = boost.train(params, a, 200, evals=evals, evals_result=log, callbacks=[stop], verbose_eval=False)
    curve = log["b"]["mae"]
    best = int(np.argmin(curve))
    assert model.best_iteration == best and model.best_score == curve[best]
    # All rounds are kept, and predict unless iteration_range selects some.
    assert model.num_boosted_rounds() == len(curve) == best + 4
    whole = boost.train(params, a, best + 1)
    short = model.predict(b, iteration_range=(0, best + 1))
    assert short.tobytes() == whole.predict(b).tobytes() != model.predict(b).tobytes()
    kept = EarlyStopping(rounds=3, data_name="b", metric_name="mae", save_best=True)
    model = boost.train(params, a, 200, evals=evals, callbacks=[kept], verbose_eval=False)
    assert model.num_boosted_rounds() == best + 1 and model.predict(b).tobytes() == short.tobytes()


def test_early_stopping_rules() -> None:
    class Log:
        params: dict = {}
        best_iteration = best_score = None

        def tree_weights(self) -> None:
            return None

    def stops_at(values: list[float], **options: Any) -> tuple[int | None, int | None]:
        stop, model = EarlyStopping(rounds=2, **options), Log()
        stop.before_training(model)
        for epoch in range(len(values)):
            if stop.after_iteration(model, epoch, {"t": {"metric": values[: epoch + 1]}}):
                return epoch, model.best_iteration
        return None, model.best_iteration

    assert stops_at([5, 4, 4, 3, 3, 3, 3]) == (5, 3)
    assert stops_at([5, 6, 5, 7, 8, 8, 8], maximize=True) == (6, 4)
    assert stops_at([5, 4.95, 4.9, 4.5, 4.45, 4.44], min_delta=0.2) == (2, 0)
    assert stops_at([np.nan, np.nan, 4, 3]) == (None, 3)
    data = table(50)
    cases: list[tuple[dict, str]] = [
        ({"rounds": 0}, "early_stopping_rounds must be an integer of at least 1, got 0"),
        ({"rounds": 1, "min_delta": -1.0}, "min_delta must not be negative"),
        ({"rounds": 1, "data_name": "x"}, r"data_name is 'x', but evals has the tables \['t'\]"),
        ({"rounds": 1, "metric_name": "x"}, r"metric_name is 'x', but the metrics are \['rmse'\]"),
    ]
    for options, match in cases:
        with pytest.raises(ValueError, match=match):
            boost.train({}, data, 2, evals=[(data, "t")], callbacks=[EarlyStopping(**options)])
    with pytest.raises(ValueError, match="early stopping needs an evaluation table"):
        boost.train({}, data, 2, callbacks=[EarlyStopping(rounds=1)])
    with pytest.raises(ValueError, match="early stopping needs a metric: give eval_metric"):
        params = {"disable_default_eval_metric": True}
        boost.train(params, data, 2, evals=[(data, "t")], callbacks=[EarlyStopping(rounds=1)])


def test_training_continues_from_a_check_point(tmp_path: Path) -> None:
    data = table()
    params = {"subsample": 0.7, "max_depth": 3}
    save = TrainingCheckPoint(tmp_path, "m", interval=2)
    whole = boost.train(params, data, 5, callbacks=[save])
    assert sorted(p.name for p in tmp_path.iterdir()) == ["m_1.json", "m_3.json"]
    half = Booster(model_file=tmp_path / "m_1.json")
    assert half.num_boosted_rounds() == 2
    rest = boost.train(params, data, 3, xgb_model=str(tmp_path / "m_1.json"))
    assert rest.predict(data).tobytes() == whole.predict(data).tobytes()
    with pytest.raises(ValueError, match="never as a pickle"):
        TrainingCheckPoint(tmp_path, as_pickle=True)
    with pytest.raises(ValueError, match="must be a folder that exists"):
        TrainingCheckPoint(tmp_path / "absent")
    with pytest.raises(ValueError, match="interval must be an integer of at least 1, got 0"):
        TrainingCheckPoint(tmp_path, interval=0)


def test_monitor_prints_each_period_and_the_last(capsys: pytest.CaptureFixture[str]) -> None:
    data, lines = table(), []
    log: dict = {}
    monitor = EvaluationMonitor(period=3, logger=lines.append)
    boost.train({}, data, 6, evals=[(data, "t")], evals_result=log, callbacks=[monitor], verbose_eval=False)
    curve = log["t"]["rmse"]
    assert lines == [f"[{i}]\tt-rmse:{curve[i]:.5f}" for i in (0, 3, 5)]
    assert capsys.readouterr().out == ""
    boost.train({}, data, 2, evals=[(data, "t")])
    assert capsys.readouterr().out == "".join(f"[{i}]\tt-rmse:{curve[i]:.5f}\n" for i in (0, 1))
    boost.train({}, data, 2)
    boost.train({}, data, 2, evals=[(data, "t")], callbacks=[EvaluationMonitor(rank=1)], verbose_eval=False)
    assert capsys.readouterr().out == ""
    with pytest.raises(ValueError, match="period must be at least 1"):
        EvaluationMonitor(period=0)


def test_progress_is_drawn_on_a_terminal_only() -> None:
    data = table()
    for terminal, total in itertools.product((True, False), (4, None)):
        out = io.StringIO()
        console = Console(file=out, force_terminal=terminal, width=100)
        bar = ProgressMonitor(total, interval=0.0, console=console)
        boost.train({}, data, 4, evals=[(data, "t")], callbacks=[bar], verbose_eval=False)
        assert ("4/4" in out.getvalue()) == (terminal and total == 4)
        assert ("t-rmse:" in out.getvalue()) == terminal


def test_wrong_callbacks() -> None:
    with pytest.raises(ValueError, match="must be instances of boost.callback.TrainingCallback, got 3"):
        boost.train({}, table(), 1, callbacks=[3])  # type: ignore[list-item]

    class Forgets(TrainingCallback):
        def after_training(self, model: Any) -> Any:
            return None

    with pytest.raises(ValueError, match="Forgets.after_training must return the model, got None"):
        boost.train({}, table(), 1, callbacks=[Forgets()])
