from __future__ import annotations

import os
import threading

import pytest

from costmodel import BoostedTreeCostModel
from costmodel.space import ConfigSpace
from costmodel.tuning import preparation
from costmodel.tuning.preparation import LOWEST_PRIORITY, Preparation

SPACE = ConfigSpace.record(lambda knobs: (knobs.choice("a", (1, 2, 4)), knobs.choice("b", (False, True))))


def test_it_fits_a_copy_on_a_thread_of_the_lowest_priority(monkeypatch):
    seen = []

    class Model(BoostedTreeCostModel):
        def fit(self, features, throughputs, groups=None):
            seen.append((threading.current_thread().name, features.shape))
            if hasattr(os, "getpriority"):
                seen.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))
            super().fit(features, throughputs)

    monkeypatch.setattr(preparation, "_cpus", lambda: 2)
    before = os.getpriority(os.PRIO_PROCESS, 0)
    model = Model(rounds=2)
    prepared = Preparation(model, 5, SPACE)
    prepared.wait()
    assert seen[0] == ("prepare kernels", (16, 5))
    assert not model.fitted
    assert seen[1] == LOWEST_PRIORITY and os.getpriority(os.PRIO_PROCESS, 0) == before


@pytest.mark.parametrize(("model", "cpus"), [(object(), 4), (BoostedTreeCostModel(), 1)])
def test_nothing_runs_beside_the_measurements_of_one_cpu_or_for_another_model(monkeypatch, model, cpus):
    monkeypatch.setattr(preparation, "_cpus", lambda: cpus)
    threads = threading.active_count()
    Preparation(model, 5, SPACE).wait()
    assert threading.active_count() == threads


def test_an_error_is_left_to_the_fit_that_matters(monkeypatch):
    class Broken(BoostedTreeCostModel):
        def fit(self, features, throughputs, groups=None):
            raise RuntimeError("no kernels")

    monkeypatch.setattr(preparation, "_cpus", lambda: 2)
    Preparation(Broken(), 5, SPACE).wait()
