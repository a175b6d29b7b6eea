"""A cluster of this machine. Workers are processes with a nanny, as in a real one."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import pytest

from costmodel.measure.cluster import DaskMeasurer
from costmodel.measure.process import MeasureError
from costmodel.registry import register
from costmodel.result import Reason
from costmodel.task import Task

distributed = pytest.importorskip("distributed", reason="Dask is not installed")

pytestmark = pytest.mark.slow

RESOURCE = "cpu-test"
SETTINGS = {"min_repeat_ms": 1.0, "build_timeout": 20.0}
ROOT = str(Path(__file__).resolve().parents[3])


@register(reference=lambda a, n: a * 2, flops=lambda n: n)
def remote_scale(knobs, n):
    """A template that this test file alone has: the workers get its source."""
    import os
    import signal
    import time
    from pathlib import Path

    from compiler import te

    mode = knobs.choice("mode", ["fine", "wrong", "crash", "raise", "patient", "fatal"])
    folder = Path(os.environ["ESPALIER_TEST_FOLDER"])
    if mode == "crash":
        os.abort()
    if mode == "raise":
        raise RuntimeError("no such mode")
    if mode == "patient":
        (folder / "started").touch()
        while not (folder / "killed").exists():
            time.sleep(0.01)
    if mode == "fatal":  # ends the worker of the cluster, the parent of this process
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(60)
    A = te.placeholder((n,), "A")
    B = te.compute((n,), lambda i: A[i] * (3.0 if mode == "wrong" else 2.0), "B")
    return te.create_schedule(B.op), [A, B]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("cluster")
    os.environ["ESPALIER_TEST_FOLDER"] = str(path)
    yield path
    del os.environ["ESPALIER_TEST_FOLDER"]


@pytest.fixture(scope="module")
def cluster(folder):
    search = os.pathsep.join(filter(None, [ROOT, os.environ.get("PYTHONPATH")]))
    failures = {"distributed.scheduler.allowed-failures": 1}
    with pytest.MonkeyPatch.context() as patch, pytest.importorskip("dask").config.set(failures):
        patch.setenv("PYTHONPATH", search)
        with distributed.LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            resources={RESOURCE: 1},
            dashboard_address=":0",
            silence_logs=50,
        ) as made:
            yield made


@pytest.fixture(scope="module")
def measurer(cluster):
    with DaskMeasurer(cluster.scheduler_address, RESOURCE, settings=SETTINGS) as made:
        yield made


def configs(*modes):
    return [{"mode": mode} for mode in modes]


def test_candidates_run_on_workers_and_their_failures_have_reasons(measurer):
    task = Task("remote_scale", [64])
    modes = ("fine", "wrong", "crash", "raise", "fine")
    results = list(measurer.measure_many(task, configs(*modes)))
    assert [r.reason for r in results] == [Reason.OK, Reason.WRONG, Reason.CRASH, Reason.TEMPLATE, Reason.OK]
    assert "killed by SIGABRT" in results[2].message
    assert "no such mode" in results[3].detail
    assert results[0].costs and results[0].build_seconds > 0
    context = measurer.context()
    assert context["noise"] is not None and 1 <= len(context["workers"]) <= 2


def test_a_search_on_the_cluster(measurer):
    task = Task("matmul", (32, 32, 32), measurer.target)
    assert measurer.machine
    results = list(measurer.measure_many(task, [0, 1, 2]))
    assert all(r.ok for r in results)
    compared = measurer.compare(task, {"default": task.space.default}, rounds=2)
    assert len(compared[0].costs) == 2 and compared[0].gflops > 0


def test_the_candidate_of_a_lost_worker_is_measured_by_another_one(measurer, folder):
    for name in ("started", "killed"):
        (folder / name).unlink(missing_ok=True)
    task = Task("remote_scale", [64])
    results = measurer.measure_many(task, configs("patient"))
    found = []
    thread = threading.Thread(target=lambda: found.append(next(results)))
    thread.start()
    while not (folder / "started").exists():
        time.sleep(0.05)
    calls = measurer._client.processing()
    (address,) = [address for address, keys in calls.items() if keys]
    pid = measurer._client.run(os.getpid, workers=[address])[address]
    os.kill(pid, signal.SIGKILL)
    (folder / "killed").touch()
    thread.join()
    assert found[0].reason is Reason.OK


def test_a_candidate_that_loses_worker_after_worker_is_a_failure(measurer):
    task = Task("remote_scale", [64])
    results = list(measurer.measure_many(task, configs("fatal", "fine")))
    assert results[0].reason is Reason.LOST and "lost one after another" in results[0].message
    assert results[1].ok


def test_a_resource_that_no_worker_has(cluster):
    with pytest.raises(MeasureError, match="no worker of the Dask cluster has the resource 'cpu-none' after"):
        DaskMeasurer(cluster.scheduler_address, "cpu-none", timeout=0.5)


def test_a_scheduler_that_cannot_be_reached():
    with pytest.raises(MeasureError, match="no Dask scheduler answers at tcp://127.0.0.1:1 within 1 s"):
        DaskMeasurer("tcp://127.0.0.1:1", RESOURCE, timeout=1.0)


def test_a_target_that_the_workers_do_not_have(measurer):
    elsewhere = "llvm -mtriple=riscv64-linux-gnu -mcpu=generic-rv64"
    with pytest.raises(ValueError, match="cannot run on"):
        measurer.check(elsewhere)


def test_a_scheduler_that_ends(folder):
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, resources={RESOURCE: 1}, dashboard_address=":0", silence_logs=50
    ) as cluster:
        measurer = DaskMeasurer(cluster.scheduler_address, RESOURCE, settings=SETTINGS, timeout=2.0)
    with pytest.raises(MeasureError, match="cannot be reached any more"):
        list(measurer.measure_many(Task("remote_scale", [64]), configs("fine")))
    measurer.close()
