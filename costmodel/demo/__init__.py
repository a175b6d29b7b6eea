"""The demonstration: two programs tuned with our trees as cost model, and the trees on two real tables."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from costmodel.demo.programs import MODEL, RANDOM, compare_programs, panel, search_programs
from costmodel.demo.tables import compare_on_tables, load_kernels, scores_table
from costmodel.measure.host import cpu_name
from costmodel.measure.measurer import Measurer
from costmodel.report import (
    check_plotting,
    finals_summary,
    finals_table,
    plot_curves,
    summary,
    write_json,
)

if TYPE_CHECKING:
    from rich.console import Console

PROGRAMS: tuple[tuple[str, tuple[int, ...], str], ...] = (
    ("matmul", (512, 512, 512), "matmul 512 x 512 x 512"),
    ("conv2d", (1, 64, 56, 56, 64, 3, 1, 1), "ResNet-18 convolution C2"),
)
ROUNDS = 100
SPLITS = 5
COMPARISON_ROUNDS = 15


def run_demo(output: Path, *, trials: int, seed: int, console: Console) -> bool:
    """Tune the programs and train on the tables; write the results to a folder, and print them.

    Parameters
    ----------
    output : Path
        Created if it does not exist. Records that it already holds are used.
    trials : int
        Of each search.
    seed : int
    console : rich Console

    Returns
    -------
    bool
        False when Ctrl-C ended it early; what was measured is saved.
    """
    check_plotting()
    output.mkdir(parents=True, exist_ok=True)
    console.print(f"espalier demo on {cpu_name()}, seed {seed}", highlight=False)
    records = {name: output / f"records-{name}.jsonl" for name in ("model", "random")}
    with Measurer() as measurer:  # it loads in parallel with our kernels
        seconds = load_kernels()
        console.print(
            f"kernels of the trees: {seconds:.1f} s to load (to compile, the first time on a machine)",
            highlight=False,
        )
        runs = search_programs(PROGRAMS, records, measurer, trials=trials, seed=seed, console=console)
        if runs is None:
            console.print(f"interrupted: what was measured is in {output}", highlight=False)
            return False
        finals = [compare_programs(run, measurer, COMPARISON_ROUNDS) for run in runs]
    scores = compare_on_tables(seed, splits=SPLITS, rounds=ROUNDS)
    console.print(scores_table(scores, splits=SPLITS, rounds=ROUNDS))
    console.print(finals_table(finals))
    console.print(f"each search: {trials} trials, seed {seed}, the same first batch", highlight=False)
    curves, written = output / "tuning-curves.png", output / "summary.json"
    plot_curves(curves, {p.title: panel(p, f) for p, f in zip(runs, finals, strict=True)})
    value = {
        "cpu": measurer.machine,
        "seed": seed,
        "trials": trials,
        "tables": [vars(s) for s in scores],
        "runs": [summary(r) for p in runs for r in (p.model, p.random)],
        "finals": [finals_summary(f) for f in finals],
    }
    write_json(written, value)
    files = {**{f"records of {name}": path for name, path in records.items()}, "curves": curves}
    for name, path in {**files, "summary": written}.items():
        console.print(f"{name + ':':<19} {path}", highlight=False, soft_wrap=True)
    return True


__all__ = ["MODEL", "PROGRAMS", "RANDOM", "run_demo"]
