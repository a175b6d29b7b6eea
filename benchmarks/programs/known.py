"""The best known programs: records of searches that are kept with the benchmarks.

``python -m benchmarks known`` searches on this machine for the programs of the operator benchmarks, and
appends the best records to the file; the other benchmarks read it.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

from benchmarks.programs.layers import MOBILENET, RESNET18, convolution, depthwise, matmul
from costmodel import Config, Measurer, Task, tune
from costmodel import records as record_file
from costmodel.measure.host import cpu_name

RECORDS = Path(__file__).parent / "known.jsonl"


def best_known(ways: Mapping[str, Task], path: Path = RECORDS) -> tuple[str, Task, Config]:
    """Return the way, its task and its configuration with the fastest record, of this CPU if there is one.

    Without a record, it is the default configuration of the first way.
    """
    records = record_file.load(path) if path.exists() else []
    here = [r for r in records if r.cpu == cpu_name()] or records
    tasks = {task.key: name for name, task in ways.items()}
    for record in record_file.best((r for r in here if r.task in tasks), n=len(here)):
        name = tasks[record.task]
        try:
            return name, ways[name], ways[name].config(record.config)
        except ValueError:  # the template has changed since
            continue
    first = next(iter(ways))
    return first, ways[first], ways[first].space.default


def every_task() -> dict[str, dict[str, Task]]:
    """Return all tasks, by the name of the layer."""
    jobs = {name: convolution(name) for name in RESNET18}
    jobs |= {name: depthwise(name) for name in MOBILENET}
    return jobs | {f"matmul {size}": matmul(size) for size in (256, 512, 1024, 2048)}


def search(name: str, ways: Mapping[str, Task], trials: int, keep: int, path: Path) -> None:
    """Search each way, and keep the records of the best few, measured again in alternation.

    The other records of a search are not needed again.
    """
    with Measurer() as measurer:
        for way, task in ways.items():
            result = tune(task, trials, measurer=measurer)
            winner = result.best
            if winner is None:
                print(f"{name}, {way}: every trial failed: {result.failures}")
                continue
            others = [r for r in record_file.best(result.records, n=keep) if r.index != winner.index]
            for record in (winner, *others[: keep - 1]):
                record_file.append(path, record)
            gain = f", {result.speedup.median:.2f}x the default" if result.speedup else ""
            print(
                f"{name}, {way}: {task.gflops(winner.cost):.1f} GFLOP/s of {len(result.records)} trials{gain}"
                f", {result.seconds:.0f} s",
                flush=True,
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "layers", nargs="*", help="names of layers, such as C2 D1 'matmul 512' (default: all)"
    )
    parser.add_argument(
        "--ways", nargs="+", help="of the ways to compute a layer, such as direct (default: all)"
    )
    parser.add_argument("--trials", type=int, default=192)
    parser.add_argument("--keep", type=int, default=3, help="records of each search that are kept")
    parser.add_argument("--records", type=Path, default=RECORDS)
    given = parser.parse_args()
    jobs = every_task()
    for name in given.layers or jobs:
        if name not in jobs:
            raise SystemExit(f"there is no layer {name!r}; known: {', '.join(jobs)}")
        ways = {way: task for way, task in jobs[name].items() if not given.ways or way in given.ways}
        search(name, ways, given.trials, given.keep, given.records)


if __name__ == "__main__":
    main()
