"""`FakeRunner`: a runner without a machine, whose subclasses say what a configuration costs."""

from __future__ import annotations


class FakeRunner:
    """What a search needs of a `costmodel.Runner`; a subclass defines ``measure(task, config)``."""

    machine = "a fake machine"

    def start(self) -> None:
        pass

    def close(self) -> None:
        pass

    def check(self, target) -> None:
        pass

    def context(self) -> dict:
        return {"noise": 0.0}

    def measure_many(self, task, configs):
        for config in configs:
            yield self.measure(task, config)
