"""`conclude`: the end of a search, at which its best programs are measured again beside the default."""

from __future__ import annotations

import warnings

from costmodel import records as record_file
from costmodel.measure.finals import run_finals
from costmodel.measure.process import MeasureError
from costmodel.measure.worker.repeat import median_error
from costmodel.records import Record
from costmodel.result import MeasureResult, Reason
from costmodel.tuning.run import Run


def conclude(run: Run) -> None:
    """Compare the best few programs of a search with each other and with the default, and record the winner.

    The lowest of many noisy costs is too low, and often that of a program that is no faster than the default.
    So the winner of an interleaved comparison, `run_finals`, becomes the best of the result, and is appended
    to the record file as final, so that it is the best for all that read the file.

    Nothing is done without a program that ran, or if the runner cannot compare programs.

    Parameters
    ----------
    run : Run
        Whose search has ended, and was not interrupted.
    """
    result, task = run.result, run.task
    if result.best is None or getattr(run.measurer, "compare", None) is None:
        return
    name = f"best of {len(result.records)} trials"
    try:
        finals = run_finals(task, {name: [*result.records, *run.final]}, run.measurer)
    except MeasureError as error:
        warnings.warn(
            f"the final comparison failed, so the trial of the lowest cost counts as the best: {error}",
            RuntimeWarning,
            stacklevel=4,
        )
        return
    winner = finals.configs[finals.winner]
    costs = finals[finals.winner].costs
    noise = median_error(costs) if len(costs) > 1 else None
    trial = next((r.trial for r in result.records if r.index == winner.index), len(result.records))
    outcome = MeasureResult(Reason.OK, costs, noise=noise)
    cpu, source = run.measurer.machine, result.source
    record = Record.of(task, winner, outcome, cpu=cpu, source=source, trial=trial, final=True)
    if run.path is not None:
        record_file.append(run.path, record)
    result.finals, result.final = finals, record
