"""`write_report`: record files as one HTML page, which needs nothing but itself."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

import compiler
from costmodel.records import set_aside
from costmodel.report.chart import COLORS, GREY, Chart, bar, escaped
from costmodel.report.insight import FEWEST, FOLDS, Calibration, Insight, KnobEffect, hardware, insight
from costmodel.report.study import Studies, TaskStudy, study
from costmodel.space import Config

# features and values of a knob that are listed
FEATURES = 12
VALUES = 8
# knobs whose values are listed
KNOBS = 3
# characters of a failure's message
MESSAGE = 600
RED = "#c00"
# relative standard error of a time above which the page warns
NOISY = 0.1

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #222; max-width: 60em; margin: 2em auto; padding: 0 1em; }
h1, h2, h3 { line-height: 1.25; } h2 { margin-top: 2.5em; border-top: 1px solid #ccc; padding-top: 1em;
overflow-wrap: anywhere; }
h3 { margin: 1.6em 0 0.4em; } p { margin: 0.4em 0; } .note { color: #666; }
table { border-collapse: collapse; margin: 0.6em 0; }
th, td { padding: 0.2em 0.9em 0.2em 0; text-align: left; vertical-align: top; overflow-wrap: anywhere; }
th { border-bottom: 1px solid #999; font-weight: 600; overflow-wrap: normal; }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
pre { background: #f6f6f6; padding: 0.8em; overflow-x: auto; font-size: 13px; line-height: 1.4; }
td pre { margin: 0; padding: 0.3em 0.6em; white-space: pre-wrap; }
svg { max-width: 100%; height: auto; font: 12px system-ui, sans-serif; } svg.bar { vertical-align: middle; }
.warning { border-left: 4px solid #d55e00; padding-left: 0.7em; }
summary { cursor: pointer; }
dl { display: flex; flex-wrap: wrap; gap: 0.4em 2em; margin: 0.8em 0; } dt { color: #666; font-size: 13px; }
dd { margin: 0; font-size: 19px; }
"""


def write_report(
    path: str | os.PathLike[str],
    files: Iterable[str | os.PathLike[str]] | str | os.PathLike[str],
    *,
    task: str | None = None,
) -> Studies:
    """Write an HTML page about record files.

    It has a table of all tasks, and for each of them, on each machine, the curve of the best speed, the best
    configuration and its loop nest, what a model learns from the trials and how well it predicts, failures,
    and noise and drift as the records state them. It refers to no other file, and runs no script. The same
    records make the same page.

    Parameters
    ----------
    path : path
        Of the page, which appears complete or not at all.
    files : path, or iterable of path
        Record files. Each is taken for one search of a task, or for several one after another or at a time.
    task : str, optional
        A part of the key of the tasks to report; by default all.

    Returns
    -------
    Studies
        The tasks, and what is set aside.

    Raises
    ------
    FileNotFoundError
        If a file does not exist.
    ValueError
        If there is no record of a task that is known here.
    """
    from boost.atomic import write_text

    given = [files] if isinstance(files, (str, os.PathLike)) else files
    found = study(given, task)
    write_text(path, page(found))
    return found


def page(found: Studies) -> str:
    """Return the HTML page about the tasks of record files."""
    records = sum(len(one.records) for one in found.tasks)
    body = [
        "<h1>Search for fast programs</h1>",
        f"<p>{plural(records, 'trial')} of {plural(len(found.tasks), 'task')} from "
        f"{plural(found.files, 'file')}.</p>",
        _summary(found.tasks),
        _aside(found),
        *(_task(number, one) for number, one in enumerate(found.tasks, 1)),
    ]
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        # whatever a record may hold, a browser loads and runs nothing
        '<meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        '<meta name="viewport" content="width=device-width">\n'
        f"<title>Search for fast programs</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        + "\n".join(part for part in body if part)
        + "\n</body>\n</html>\n"
    )


def plural(number: int, noun: str) -> str:
    """Return a number of things as text, such as ``"1 trial"`` or ``"3 trials"``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _table(head: Sequence[str], rows: Iterable[Sequence[Any]], numbers: Sequence[str] = ()) -> str:
    """A table of cells that are HTML already; the columns of `numbers` are aligned to the right."""
    marks = [' class="number"' if name in numbers else "" for name in head]
    top = "".join(f"<th{mark}>{escaped(name)}</th>" for name, mark in zip(head, marks, strict=True))
    lines = [
        "<tr>" + "".join(f"<td{m}>{cell}</td>" for cell, m in zip(row, marks, strict=True)) + "</tr>"
        for row in rows
    ]
    return f"<table>\n<tr>{top}</tr>\n" + "\n".join(lines) + "\n</table>"


def _summary(tasks: Sequence[TaskStudy]) -> str:
    head = ["task", "trials", "failed", "default ms", "best ms", "speedup", "speed", "by"]
    machines = len({one.cpu for one in tasks}) > 1
    rows = []
    for number, one in enumerate(tasks, 1):
        name = f'<a href="#task-{number}">{escaped(one.task.call)}</a>'
        if machines:
            name += f'<br><span class="note">{escaped(one.cpu)}</span>'
        failed = len(one.records) - len(one.measured)
        row = [name, len(one.records), failed, _ms(one.default_cost)]
        if one.best is None:
            row += ["-", "-", "-", "-"]
        else:
            row += [_ms(one.best.cost), _times(one.speedup), _speed(one), escaped(one.best.source)]
        rows.append(row)
    speedups = [one.speedup for one in tasks if one.speedup is not None]
    text = _table(head, rows, head[1:-1])
    if len(speedups) > 1:
        mean = float(np.exp(np.mean(np.log(speedups))))
        text += f"\n<p>Geometric mean of the {len(speedups)} speedups: {mean:.2f}x.</p>"
    return text + (
        '\n<p class="note">Times as they were measured during the searches: the least of many noisy ones is '
        "lower than what the same program takes on average.</p>"
    )


def _aside(found: Studies) -> str:
    parts = []
    if sum(found.aside.values()):
        parts.append(f"<p>Records set aside: {escaped(set_aside(dict(sorted(found.aside.items()))))}.</p>")
    parts += [f'<p class="note">{escaped(note[:MESSAGE])}</p>' for note in found.notes]
    return "\n".join(parts)


def _task(number: int, one: TaskStudy) -> str:
    parts = [
        f'<h2 id="task-{number}">{escaped(one.task.call)}</h2>',
        f"<p>{escaped(one.task.dtype)}, {escaped(one.task.target)}, on {escaped(one.cpu)}"
        f"{_hardware(one)}. {one.task.space.size:,} configurations.</p>",
        _figures(one),
        "<h3>Best speed by trial</h3>",
        _curves(one),
        _best(one),
    ]
    learned = insight(one.task, one.records)
    if learned is None:
        parts.append(
            f'<p class="note">A model needs {FEWEST} programs of different times that ran: there is nothing '
            "to say about features and knobs.</p>"
        )
    else:
        parts += [_knobs(learned, one.best_config), _model(learned)]
    parts += [_failures(one), _machine(one)]
    return "\n".join(part for part in parts if part)


def _hardware(one: TaskStudy) -> str:
    has = next((h for h in map(hardware, one.records) if h is not None), None)
    if has is None:
        return ""
    caches = ", ".join(f"{size // 1024:,} KiB" for size in has.caches)
    return (
        f": {has.vector_registers} vector registers of {has.vector_bits} bits, caches of {caches or '?'}, "
        f"{plural(has.threads, 'thread')}"
    )


def _figures(one: TaskStudy) -> str:
    pairs = [("trials", f"{len(one.records)}"), ("searches", f"{len(one.runs)}")]
    if one.best is not None:
        pairs += [("best", f"{_speed(one)}"), ("best time", f"{_ms(one.best.cost)} ms")]
    if one.default_cost is not None:
        pairs += [("default", f"{_ms(one.default_cost)} ms"), ("speedup", _times(one.speedup))]
    if one.noise is not None:
        pairs.append(("noise of a time", f"{one.noise:.1%}"))
    items = "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in pairs)
    text = f"<dl>{items}</dl>"
    if one.noise is not None and one.noise > NOISY:
        text += (
            f'\n<p class="warning">The times are uncertain by {one.noise:.0%}: something else ran on the '
            "processor. Measure the best programs again before you rely on them.</p>"
        )
    return text


def _curves(one: TaskStudy) -> str:
    longest = max(map(len, one.runs))
    fastest = one.speed(one.best.cost) if one.best else 1.0
    chart = Chart(
        f"best {one.unit} after each trial", ("trial", 0, longest + 1), (one.unit, 0, fastest * 1.05)
    )
    sources = sorted({r.source for r in one.records})
    colors = {name: COLORS[n % len(COLORS)] for n, name in enumerate(sources)}
    place = [(n, r) for run in one.runs for n, r in enumerate(run, 1)]
    for name in sources:
        ran = [(n, one.speed(r.cost)) for n, r in place if r.ok and r.source == name]
        chart.points(ran, colors[name], f"trials of {name}")
    failed = [(n, 0.0) for n, r in place if not r.ok]
    if failed:
        chart.points(failed, RED, "failed", cross=True)
    for name, curve in one.curves().items():
        runs = sum(", then ".join(dict.fromkeys(r.source for r in run)) == name for run in one.runs)
        of = f"best of {name}" if runs == 1 else f"best of {name}, median of {runs} searches"
        color = colors.get(name, COLORS[-1])
        chart.line([(n, float(v)) for n, v in enumerate(curve, 1)], color, of, steps=True)
    if one.default_cost is not None:
        level = one.speed(one.default_cost)
        chart.line([(0, level), (longest + 1, level)], GREY, "default", dashed=True)
    return chart.svg()


def _best(one: TaskStudy) -> str:
    if one.best is None or one.best_config is None:
        return '<p class="note">Every trial failed.</p>'
    default = one.task.space.default
    rows = []
    for name, value in one.best_config.items():
        text = escaped(_value(value))
        rows.append(
            (
                escaped(name),
                text if value == default[name] else f"<b>{text}</b>",
                escaped(_value(default[name])),
            )
        )
    trial = f"trial {one.best.trial} by {escaped(one.best.source)}"
    return "\n".join(
        (
            f'<h3>Best configuration</h3>\n<p class="note">{trial}. Bold: not as in the default.</p>',
            _table(("knob", "best", "default"), rows),
            _program(one, "Loop nest of the best program", one.best_config),
            _program(one, "Loop nest of the default", default),
        )
    )


def _program(one: TaskStudy, title: str, config: Config) -> str:
    try:
        schedule, args = one.task.instantiate(config)
        text = str(compiler.loop_nest(schedule, args))
    except Exception as error:  # of a user's template, which may have changed since
        text = f"it cannot be made here: {type(error).__name__}: {error}"
    return f"<details><summary>{title}</summary>\n<pre>{escaped(text)}</pre>\n</details>"


def _knobs(learned: Insight, best: Config | None) -> str:
    if not learned.knobs:
        return ""
    most = np.log(learned.knobs[0].range) or 1.0
    rows = [
        (
            escaped(e.name),
            bar(float(np.log(e.range) / most)),
            f"{e.range:.2f}x",
            escaped(_value(e.best)),
            escaped(_value(best[e.name])) if best is not None else "-",
        )
        for e in learned.knobs
    ]
    parts = [
        "<h3>Knobs that matter</h3>",
        '<p class="note">By a model of the values of the knobs: how much faster the programs that were tried '
        "would be, on average, with the best value of a knob than with its worst, the others unchanged.</p>",
        _table(("knob", "", "effect", "best on average", "of the best program"), rows, ("effect",)),
    ]
    parts += [_values(effect) for effect in learned.knobs[:KNOBS] if effect.range > 1]
    return "\n".join(parts)


def _values(effect: KnobEffect) -> str:
    order = sorted(range(len(effect.values)), key=lambda i: (-effect.speeds[i], i))
    rows = [
        (
            escaped(_value(effect.values[i])),
            bar(effect.speeds[i] / effect.range),
            f"{effect.speeds[i] / effect.range:.0%}",
            effect.trials[i],
        )
        for i in order[:VALUES]
    ]
    more = f" (the best {VALUES} of {len(order)} that were tried)" if len(order) > VALUES else ""
    return (
        f"<details><summary>Values of {escaped(effect.name)}{more}</summary>\n"
        + _table(("value", "", "speed", "trials"), rows, ("speed", "trials"))
        + "\n</details>"
    )


def _model(learned: Insight) -> str:
    rows = [
        (escaped(name), bar(share / next(iter(learned.importance.values()))), f"{share:.1%}")
        for name, share in list(learned.importance.items())[:FEATURES]
    ]
    parts = [
        "<h3>Features that matter</h3>",
        f'<p class="note">Shares of the total gain in boosted trees that are fitted to {learned.programs} '
        "programs.</p>",
        _table(("feature of the loop nest", "", "share"), rows, ("share",)),
        "<h3>Calibration of the model</h3>",
        _calibration(learned.calibration),
    ]
    return "\n".join(parts)


def _calibration(held: Calibration) -> str:
    # calls per second as speeds relative to the fastest program
    top = held.measured.max()
    measured, predicted = 100 * np.exp(held.measured - top), 100 * np.exp(held.predicted - top)
    high = float(max(measured.max(), predicted.max())) * 1.05
    chart = Chart(
        "predicted and measured speeds",
        ("measured speed, % of the best", 0, high),
        ("predicted, %", 0, high),
        width=460,
        height=380,
    )
    chart.line([(0, 0), (high, high)], GREY, dashed=True)
    chart.points(zip(map(float, measured), map(float, predicted), strict=True), COLORS[0])
    return (
        f'<p class="note">Each program is predicted by a model that was fitted to the others ({FOLDS} parts '
        f"in turns).</p>\n<p>Rank correlation {_share(held.rank_correlation, '+.2f')}; pairs of programs in "
        f"the right order {_share(held.pairwise_accuracy, '.1%')}, without those that differ by less than "
        f"the noise.</p>\n{chart.svg()}"
    )


def _failures(one: TaskStudy) -> str:
    if not one.failures:
        return ""
    rows = [
        (escaped(reason), len(failed), f"<pre>{escaped(failed[0].message[:MESSAGE])}</pre>")
        for reason, failed in one.failures.items()
    ]
    return "<h3>Failures</h3>\n" + _table(("reason", "trials", "the first message"), rows, ("trials",))


def _machine(one: TaskStudy) -> str:
    drifts = one.drifts
    if len(drifts) < 2:
        return ""
    values = np.array([value for _, value in drifts])
    low, high = float(values.min()), float(values.max())
    chart = Chart(
        "drift of the machine",
        ("trial", 0, len(one.records) + 1),
        ("drift", min(low, 0.9), max(high, 1.1)),
        height=180,
    )
    chart.line([(0, 1.0), (len(one.records) + 1, 1.0)], GREY, dashed=True)
    chart.points(drifts, COLORS[0])
    return (
        "<h3>Drift of the machine</h3>\n"
        '<p class="note">Time of a reference program that took turns with each trial, relative to its usual '
        "time. The times of the trials are corrected by it.</p>\n"
        f"<p>From {low:.2f}x to {high:.2f}x, median {float(np.median(values)):.2f}x.</p>\n{chart.svg()}"
    )


def _value(value: Any) -> str:
    return "x".join(map(str, value)) if isinstance(value, tuple) and _all(value, int) else str(value)


def _all(values: Iterable[Any], kind: type) -> bool:
    return all(isinstance(value, kind) for value in values)


def _ms(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds * 1e3:.4g}"


def _times(ratio: float | None) -> str:
    return "-" if ratio is None else f"{ratio:.2f}x"


def _speed(one: TaskStudy) -> str:
    return f"{one.speed(one.best.cost):.1f} {one.unit}" if one.best else "-"


def _share(value: float, form: str) -> str:
    return format(value, form) if np.isfinite(value) else "-"
