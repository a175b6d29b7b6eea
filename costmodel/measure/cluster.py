"""`DaskMeasurer`: measures candidates on the workers of a Dask cluster."""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError
from typing import Any

from compiler import Target
from costmodel.measure.comparison import Comparison
from costmodel.measure.measurer import Measurer
from costmodel.measure.origin import TaskRequest
from costmodel.measure.process import MeasureError
from costmodel.measure.protocol import Choice
from costmodel.result import MeasureResult, Reason
from costmodel.space import Config
from costmodel.task import Task

# candidates that wait at the scheduler for each worker
_AHEAD = 2
_POLL_SECONDS = 0.2

# On a worker: settings as JSON -> its measurer. A resource of 1 lets one candidate run at a time; the lock
# holds where a worker has more of it.
_measurers: dict[str, Measurer] = {}
_lock = threading.Lock()


class DaskMeasurer:
    """Builds and runs candidates on those workers of a Dask cluster that have a resource.

    Start the workers with one unit of the resource, ``dask worker ADDRESS --resources "cpu-avx2=1"``: then
    each has one candidate at a time. All that have the resource must be machines of one kind. Espalier must
    be installed on them. On each, the candidates run in processes of their own, as with `Measurer`, so that a
    crash does not end the worker. The candidate of a worker that is lost is measured by another one; after
    several losses it is a failure of the reason ``Reason.LOST``.

    Parameters
    ----------
    scheduler : str or distributed.Client
        Address, such as ``tcp://host:8786``; or a client, which stays open.
    resource : str
        Name of the resource.
    timeout : float
        Seconds to wait for the scheduler, and for a worker with the resource.
    settings : mapping, optional
        Parameters of the `Measurer` on each worker.

    Attributes
    ----------
    machine : str
        Name of the machines in records.
    target : str
        The CPU of the workers; make tasks for it, as in ``Task("matmul", shape, measurer.target)``.

    Raises
    ------
    MeasureError
        If Dask is not installed, the scheduler cannot be reached, no worker has the resource, or the workers
        that have it are different machines.
    """

    def __init__(
        self,
        scheduler: Any,
        resource: str,
        *,
        timeout: float = 30.0,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        try:
            import distributed
        except ImportError as error:
            raise MeasureError("a Dask cluster needs the package: pip install 'espalier[dask]'") from error
        self.resource, self.timeout = resource, timeout
        self._settings = json.dumps(dict(settings or {}), sort_keys=True)
        self._own = isinstance(scheduler, str)
        if self._own:
            try:
                scheduler = distributed.Client(scheduler, timeout=timeout, set_as_default=False)
            except (OSError, TimeoutError) as error:
                raise MeasureError(
                    f"no Dask scheduler answers at {scheduler} within {timeout:g} s: start one with "
                    f"`dask scheduler` ({error})"
                ) from error
        self._client = scheduler
        self._numbers = itertools.count()
        self._contexts: dict[str, dict[str, Any]] = {}
        try:
            self.machine, self.target = self._describe()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> DaskMeasurer:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def start(self) -> None:
        """Do nothing: the workers start their processes when they get a candidate."""

    def close(self) -> None:
        """Close the connection, if it was made here; the workers stay."""
        if self._own:
            self._client.close()

    def check(self, target: str) -> None:
        """Refuse a target whose programs cannot run on the workers.

        Raises
        ------
        ValueError
        """
        if "-mcpu" not in target and str(Target.parse(target)) != self.target:
            raise ValueError(
                f"the target {target!r} is this machine's CPU, and that of the workers is {self.target}: "
                "make the task for that one, `measurer.target`"
            )
        if reason := self._wait(self._submit(_missing, target)):
            raise ValueError(f"programs for {target!r} cannot run on {self.machine}: {reason}")

    def context(self) -> dict[str, Any]:
        """Return the conditions of the measurements: those of `Measurer.context`, for each worker."""
        noises = [c["noise"] for c in self._contexts.values() if c["noise"] is not None]
        drifts = [c["drift"] for c in self._contexts.values()]
        return {
            "machine": self.machine,
            "noise": max(noises, default=None),
            "drift": max(drifts, key=lambda d: abs(d - 1.0), default=1.0),
            "workers": dict(self._contexts),
        }

    def measure(self, task: Task, config: Choice | None = None) -> MeasureResult:
        """Measure one candidate, see `measure_many`."""
        return next(self.measure_many(task, [task.config(config)]))

    def measure_many(self, task: Task, configs: Sequence[Choice]) -> Iterator[MeasureResult]:
        """Build, check and time candidates on the workers; each result is there as soon as it is known.

        Parameters
        ----------
        task : Task
        configs : sequence of Config, mapping or int

        Returns
        -------
        iterator of MeasureResult
            In the order of `configs`. Failures of a candidate are results, not exceptions.

        Raises
        ------
        MeasureError
            While reading: if no worker is left, or a worker cannot register the operator.
        ValueError
            If the target cannot run on the workers, or a configuration is not of the task's space.
        """
        self.check(task.target)
        return self._each(TaskRequest.of(task), [task.config(c).plain() for c in configs])

    def _each(self, task: TaskRequest, configs: Sequence[Mapping[str, Any]]) -> Iterator[MeasureResult]:
        waiting = deque(configs)
        submitted: deque[Any] = deque()
        try:
            while waiting or submitted:
                while waiting and len(submitted) < _AHEAD * max(1, len(self._workers())):
                    config = dict(waiting.popleft())
                    submitted.append(self._submit(_measure, self._settings, task.key, task.named, config))
                yield self._result(submitted.popleft())
        finally:
            for future in submitted:
                future.cancel()

    def _result(self, future: Any) -> MeasureResult:
        from distributed import KilledWorker

        try:
            result, address, context = self._wait(future)
        except KilledWorker as error:
            lost = f"the workers that measured this candidate were lost one after another: {error}"
            return MeasureResult(Reason.LOST, message=lost)
        self._contexts[address] = context
        return result

    def compare(
        self, task: Task, configs: Mapping[str, Config], *, baseline: bool = False, rounds: int = 15
    ) -> list[Comparison]:
        """Measure several programs of one task interleaved, on one worker; see `Measurer.compare`."""
        self.check(task.target)
        plain = {name: config.plain() for name, config in configs.items()}
        request = TaskRequest.of(task)
        arguments = (self._settings, request.named, plain, baseline, rounds)
        named = self._wait(self._submit(_compare, *arguments))
        return [Comparison(name, tuple(costs), task.flops) for name, costs in named]

    def _describe(self) -> tuple[str, str]:
        workers = self._wait_for_workers()
        found = self._client.run(_describe, self._settings, workers=workers)
        if len(set(found.values())) > 1:
            listed = "; ".join(f"{address}: {kind[0]}" for address, kind in sorted(found.items()))
            raise MeasureError(
                f"the workers with the resource {self.resource!r} are different machines: {listed}. Give "
                "each kind a resource of its own"
            )
        return next(iter(found.values()))

    def _workers(self) -> list[str]:
        """Addresses of the workers that have the resource."""
        try:
            workers = self._client.scheduler_info(n_workers=-1).get("workers", {})
        except OSError as error:
            raise self._unreachable(error) from error
        return [address for address, w in workers.items() if w["resources"].get(self.resource, 0) > 0]

    def _wait_for_workers(self) -> list[str]:
        end = time.monotonic() + self.timeout
        while not (workers := self._workers()):
            if time.monotonic() > end:
                if self._client.status != "running":
                    raise self._unreachable(self._client.status)
                raise MeasureError(
                    f"no worker of the Dask cluster has the resource {self.resource!r} after "
                    f"{self.timeout:g} s: start one with `dask worker ADDRESS --resources "
                    f'"{self.resource}=1"`'
                )
            time.sleep(_POLL_SECONDS)
        return workers

    def _submit(self, function: Callable[..., Any], *arguments: Any) -> Any:
        key = f"espalier-{id(self):x}-{next(self._numbers)}"
        resources = {self.resource: 1}
        try:
            return self._client.submit(function, *arguments, key=key, resources=resources, pure=False)
        except Exception as error:  # of a class that only some versions of Dask have
            if self._client.status == "running":
                raise
            raise self._unreachable(error) from error

    def _wait(self, future: Any) -> Any:
        """Return the result of a future, as long as there is a worker that can make it.

        The scheduler gives the candidate of a lost worker to another one, and fails it with `KilledWorker`
        after as many as its setting ``distributed.scheduler.allowed-failures`` says.
        """
        while True:
            try:
                return future.result(timeout=1.0)
            except CancelledError as error:
                raise self._unreachable(error) from error
            except TimeoutError:
                self._wait_for_workers()
            except ModuleNotFoundError as error:
                raise MeasureError(f"a worker of the Dask cluster lacks a package: {error}") from error

    def _unreachable(self, error: object) -> MeasureError:
        return MeasureError(f"the Dask scheduler cannot be reached any more: {error}")


# ---------------------------------------------------------------------------------- what runs on the workers


def _measurer(settings: str) -> Measurer:
    if settings not in _measurers:
        _measurers[settings] = Measurer(**json.loads(settings))
    return _measurers[settings]


def _describe(settings: str) -> tuple[str, str]:
    with _lock:
        return _measurer(settings).machine, str(Target.host())


def _missing(target: str) -> str:
    return Target.parse(target).missing()


def _measure(
    settings: str, key: str, named: dict[str, Any], config: dict[str, Any]
) -> tuple[MeasureResult, str, dict[str, Any]]:
    from distributed import get_worker

    with _lock:
        measurer = _measurer(settings)
        result = next(measurer.measure_requests(TaskRequest(key, named), [config]))
        return result, get_worker().address, measurer.context()


def _compare(
    settings: str, named: dict[str, Any], configs: dict[str, dict[str, Any]], baseline: bool, rounds: int
) -> list[tuple[str, list[float]]]:
    with _lock:
        return _measurer(settings).compare_requests(named, configs, baseline=baseline, rounds=rounds)
