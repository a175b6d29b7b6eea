"""`Preparation`: the kernels of a model's fit, loaded and compiled while the first batch is measured."""

from __future__ import annotations

import contextlib
import copy
import os
import threading

import numpy as np

from costmodel.learned import BoostedTreeCostModel
from costmodel.space import ConfigSpace
from costmodel.tuning.screen import Screen

LOWEST_PRIORITY = 19


class Preparation:
    """A thread that fits copies of a model and of its screen to a few made-up rows.

    The first fit of a process loads the kernels, and the first one on a machine compiles them, which takes
    seconds; the tuner waits in the meantime for the first batch to be measured. The thread has the lowest
    priority, and is not started where it would share the only CPU with the programs that are measured.

    Parameters
    ----------
    model : CostModel
        Only boosted trees have kernels to prepare.
    features : int
        Number of features.
    space : ConfigSpace
    """

    def __init__(self, model: object, features: int, space: ConfigSpace) -> None:
        self._thread: threading.Thread | None = None
        if isinstance(model, BoostedTreeCostModel) and _cpus() > 1:
            # a copy, since a fit replaces what the model has learnt
            self._thread = threading.Thread(
                target=_fit, args=(copy.copy(model), features, space), name="prepare kernels", daemon=True
            )
            self._thread.start()

    def wait(self) -> None:
        """Wait until it is done, since two threads would compile the same kernels twice."""
        if self._thread is not None:
            self._thread.join()


def _fit(model: BoostedTreeCostModel, features: int, space: ConfigSpace) -> None:
    with contextlib.suppress(
        AttributeError, OSError
    ):  # not on Linux, where a thread has no priority of its own
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), LOWEST_PRIORITY)
    with contextlib.suppress(Exception):  # whatever it is, the fit that matters raises it again
        rng = np.random.default_rng(0)
        rows, speeds = rng.random((16, features), dtype=np.float32), rng.random(16) + 0.5
        model.fit(rows, speeds)
        model.predict(rows)
        indices = space.random(rng, 16)
        screen = Screen(space)
        screen.fit(indices, rng.random(len(indices)))
        screen(indices)


def _cpus() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on Linux
        return os.cpu_count() or 1
