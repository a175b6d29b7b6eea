"""The display of the rounds, and Ctrl-C in a training."""

from __future__ import annotations

import io
import signal

import numpy as np
import pytest
from rich.console import Console

import boost
from boost.tables.progress import TrainingProgress


def train(line: TrainingProgress, rounds: int) -> boost.Booster:
    data = boost.DMatrix(np.arange(20.0).reshape(-1, 1), np.arange(20.0))
    watched = [(data, "table")]
    return boost.train({}, data, rounds, evals=watched, verbose_eval=False, callbacks=[line])


def test_progress_shows_rounds_and_metrics():
    console = Console(file=io.StringIO(), force_terminal=True, width=120)
    before = signal.getsignal(signal.SIGINT)
    with TrainingProgress(console, 5) as line:
        train(line, 5)
    assert signal.getsignal(signal.SIGINT) is before and not line.interrupted
    shown = console.file.getvalue()
    assert "5/5" in shown and "table rmse" in shown


def test_several_trainings_have_their_words():
    console = Console(file=io.StringIO(), force_terminal=True, width=120)
    with TrainingProgress(console, None) as line:
        for fold in (1, 2):
            line.begin(f"fold {fold} of 2")
            train(line, 3)
    assert "fold 2 of 2" in console.file.getvalue()


def test_nothing_is_shown_without_a_terminal():
    console = Console(file=io.StringIO())
    with TrainingProgress(console, 3) as line:
        train(line, 3)
    assert console.file.getvalue() == ""


def test_a_second_interruption_raises():
    with pytest.raises(KeyboardInterrupt), TrainingProgress(Console(file=io.StringIO()), 3) as line:
        signal.raise_signal(signal.SIGINT)
        assert line.interrupted
        assert train(line, 3).num_boosted_rounds() == 1
        signal.raise_signal(signal.SIGINT)
