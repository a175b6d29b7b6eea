"""How fast do all convolutions of ResNet-18 become within one budget of time, from nothing?

Run with ``python -m benchmarks network [--seconds 1200]``. `costmodel.tune_all` divides the time among all
ways to compute the layers; with ``--equal`` a second run gives each way the same time. The totals of the best
programs are compared with those of the default schedules and of PyTorch, in turns. With ``--records FOLDER``
the searches are kept, and one that is there is not repeated, so that ``--only`` can do one step at a time.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.interleave import Spread, Timing, interleave_threads
from benchmarks.programs.job import Job
from benchmarks.programs.known import best_known
from benchmarks.programs.layers import RESNET18, convolution
from benchmarks.programs.onednn import set_threads, ways
from benchmarks.report import cores, heading, table
from compiler.ops.conv.direct import convolution as direct
from costmodel import Measurer, Task, tune, tune_all

SHARED, EQUAL = "one budget", "equal parts"
PYTORCH, DEFAULT = "PyTorch", "default"


def layers(names: list[str]) -> dict[str, dict[str, Task]]:
    """Return the ways to compute each layer."""
    return {name: convolution(name) for name in names}


def search(kind: str, tasks: list[Task], seconds: float, path: Path) -> None:
    """Search for programs of all tasks within so many seconds, and keep the records."""
    with Measurer() as measurer:
        if kind == SHARED:
            result = tune_all(tasks, seconds=seconds, records=path, measurer=measurer)
            trials = {one.task.key: len(one.records) for one in result.results}
        else:
            trials = {}
            for task in tasks:
                part = tune(task, None, seconds=seconds / len(tasks), records=path, measurer=measurer)
                trials[task.key] = len(part.records)
    print(f"{kind}: {sum(trials.values())} trials in {seconds:.0f} s", flush=True)
    for key, count in trials.items():
        print(f"  {count:4} {key}", flush=True)


def compare(
    chosen: dict[str, dict[str, Task]], found: dict[str, Path], rounds: int
) -> dict[str, dict[str, Timing]]:
    """Time PyTorch, the default and the best program of each search, for each layer."""
    times: dict[str, dict[str, Timing]] = {}
    threads = cores()
    for name, tasks in chosen.items():
        task = tasks["direct"]
        data, weight = task.operator.inputs(np.random.default_rng(0), *task.shape)
        peers = ways(direct(*task.shape), data, weight, task.operator.reference(data, weight, *task.shape))
        programs = {DEFAULT: Job.of(task).program(task.space.default)}
        for kind, path in found.items():
            _, best, config = best_known(tasks, path)
            programs[kind] = Job.of(best).program(config)
        timed = interleave_threads(
            {label: (call, threads) for label, call in {**programs, **peers}.items()},
            rounds=rounds,
            set_threads=set_threads,
        )
        fastest = min(peers, key=lambda label: timed[label].spread.median)
        times[name] = {PYTORCH: timed[fastest], **{label: timed[label] for label in programs}}
    return times


def total(times: dict[str, dict[str, Timing]], label: str) -> Timing:
    """The sum over all layers, round by round."""
    return Timing(tuple(map(sum, zip(*(one[label].seconds for one in times.values()), strict=True))))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("layers", nargs="*", default=list(RESNET18))
    parser.add_argument("--seconds", type=float, default=1200.0, help="of each search")
    parser.add_argument("--equal", action="store_true", help="also search each way for the same time")
    parser.add_argument("--records", type=Path, help="folder of the searches' records")
    parser.add_argument("--only", choices=("search", "compare"))
    parser.add_argument("--rounds", type=int, default=9)
    given = parser.parse_args()
    heading("all convolutions of ResNet-18 from nothing, float32, batch 1", "numpy", "llvmlite", "torch")
    chosen = layers(given.layers)
    tasks = [task for one in chosen.values() for task in one.values()]
    with TemporaryDirectory() as temporary:
        folder = given.records or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        kinds = [SHARED, *([EQUAL] if given.equal else [])]
        found = {kind: folder / f"{kind.replace(' ', '-')}.jsonl" for kind in kinds}
        for kind, path in found.items():
            if given.only != "compare" and not path.exists():
                search(kind, tasks, given.seconds, path)
        if given.only == "search":
            return
        times = compare(chosen, found, given.rounds)
    labels = [DEFAULT, *found]
    rows = []
    for name, one in [*times.items(), ("all", {label: total(times, label) for label in (PYTORCH, *labels)})]:
        ms: Spread = one[PYTORCH].spread.scaled(1e3)
        against = [one[label].speedup_over(one[PYTORCH]).format() for label in labels]
        gains = [one[kind].speedup_over(one[DEFAULT]).format() for kind in found]
        rows.append((name, ms.format(3), *against, *gains))
    table(
        (
            "layer",
            "PyTorch, ms",
            *(f"{label} / PyTorch" for label in labels),
            *(f"{kind} / default" for kind in found),
        ),
        rows,
        title=f"after {given.seconds:.0f} s of each search: speeds, ratios [quartiles]",
        threads=cores(),
    )


if __name__ == "__main__":
    main()
