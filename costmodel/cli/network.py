"""The commands about models: compile, run and profile; and the tasks of one for `tune`."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from compiler.suggest import unknown
from costmodel.cli.arrays import (
    arguments,
    check_output,
    described,
    parse_shape,
    parse_value,
    read_arrays,
    write_arrays,
)
from costmodel.cli.errors import clean_errors
from costmodel.cli.terminal import new_console

if TYPE_CHECKING:
    import numpy as np
    from rich.console import Console
    from rich.table import Table

    from compiler.relay import IRModule
    from costmodel.task import Task

SUFFIX = ".onnx"


def _model_options(command: Any) -> Any:
    """Add the options that say what a model is compiled for."""
    for option in reversed(
        (
            click.option(
                "--shape",
                "shapes",
                multiple=True,
                metavar="NAME=1x3x224x224",
                help="Shape of an input whose dimensions the file leaves open; may be repeated.",
            ),
            click.option(
                "--value",
                "values",
                multiple=True,
                metavar="NAME=FILE.npy",
                help="Value of an input on which shapes depend, a file or a whole number; may be repeated.",
            ),
            click.option(
                "--level",
                type=click.IntRange(0, 3),
                default=3,
                show_default=True,
                help="How far it is optimised.",
            ),
            click.option("--target", default="llvm", show_default=True, help="What to compile for."),
            click.option(
                "--records",
                type=click.Path(dir_okay=False, path_type=Path),
                metavar="FILE",
                help="Records that `espalier tune MODEL.onnx` wrote: the best of each operator is used.",
            ),
        )
    ):
        command = option(command)
    return command


def _input_options(command: Any) -> Any:
    """Add the options that say what a model is run on."""
    for option in reversed(
        (
            click.option(
                "--input",
                "inputs",
                multiple=True,
                metavar="[NAME=]FILE",
                help="An input, .npy, by name or in order; or a .npz with inputs by name. May be repeated.",
            ),
            click.option(
                "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of random inputs."
            ),
        )
    ):
        command = option(command)
    return command


@dataclass(frozen=True, kw_only=True)
class _ModelOptions:
    """The options of `_model_options`, as the command line gives them."""

    shapes: tuple[str, ...]
    values: tuple[str, ...]
    level: int
    target: str
    records: Path | None


@dataclass(frozen=True)
class _Model:
    """A program, and what is known of it besides.

    Attributes
    ----------
    program : Executable, ControlExecutable or DynamicExecutable
    outputs : sequence of str
        Names of the outputs.
    facts : sequence of (str, str)
        What its compilation says of it: a name and a text in each.
    """

    program: Any
    outputs: Sequence[str]
    facts: Sequence[tuple[str, str]] = ()


@click.command("compile")
@click.argument("model", type=click.Path(path_type=Path))
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="[default: MODEL.module, here]"
)
@_model_options
@clean_errors
def compile_model(model: Path, output: Path | None, **options: Any) -> None:
    """Compile an ONNX model, or boosted trees, to a file that needs no compilation.

    `espalier run` and compiler.relay.load take a compiled ONNX model, `espalier predict` and
    costmodel.ensemble compiled trees (of a model file of `espalier train`, XGBoost or LightGBM). The file is
    for this machine's kind of CPU, or for that of --target.
    """
    path = output or Path(f"{model.stem}.module")
    if not path.parent.is_dir():
        raise ValueError(f"{path}: there is no folder {path.parent}")
    if path.suffix == SUFFIX:
        raise ValueError(f"{path}: the file of a compiled model is no .onnx; name it {path.stem}.module")
    if model.suffix != SUFFIX and model.is_file():
        from costmodel.ensemble.files import compile_trees

        facts = compile_trees(model, path, options)
        _print_facts([(str(path), _bytes(path.stat().st_size)), *facts], new_console())
        return
    made = _compiled(model, _ModelOptions(**options))
    _save(made, path)
    console = new_console()
    size = path.stat().st_size
    _print_facts([(str(path), _bytes(size)), *made.facts], console)


@click.command("run")
@click.argument("model", type=click.Path(path_type=Path))
@_input_options
@click.option("--random", is_flag=True, help="Draw the inputs that are not given.")
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the outputs: .npz by name, or .npy if there is one.",
)
@click.option("--repeat", type=click.IntRange(min=1), default=1, show_default=True, help="Number of runs.")
@_model_options
@clean_errors
def run_model(
    model: Path,
    inputs: tuple[str, ...],
    seed: int,
    random: bool,
    output: Path | None,
    repeat: int,
    **options: Any,
) -> None:
    """Run a model, compiled or .onnx, which is compiled first, and print what it computes."""
    check_output(output)
    made, given = _ready(model, inputs, seed if random else None, _ModelOptions(**options))
    check_output(output, len(made.outputs))
    times: list[float] = []
    results: Any = ()
    for _ in range(repeat):
        began = time.perf_counter()
        results = made.program(*given)
        times.append(time.perf_counter() - began)
    values = list(results) if isinstance(results, tuple) else [results]
    outputs = dict(zip(made.outputs, values, strict=True))
    console = new_console()
    for name, array in outputs.items():
        _print(described(name, array), console)
    times.sort()
    what = f"median of {repeat} runs, the fastest {times[0] * 1e3:.3f} ms" if repeat > 1 else "the first run"
    _print(f"time: {times[len(times) // 2] * 1e3:.3f} ms ({what})", console)
    if output is not None:
        write_arrays(output, outputs)
        _print(f"outputs: {output}", console)


@click.command("profile")
@click.argument("model", type=click.Path(path_type=Path))
@_input_options
@click.option("--repeat", type=click.IntRange(min=1), default=10, show_default=True, help="Number of runs.")
@click.option("--top", type=click.IntRange(min=1), default=20, show_default=True, help="Rows of the table.")
@click.option(
    "--trace",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the times of the last run as JSON for https://ui.perfetto.dev.",
)
@_model_options
@clean_errors
def profile_model(
    model: Path,
    inputs: tuple[str, ...],
    seed: int,
    repeat: int,
    top: int,
    trace: Path | None,
    **options: Any,
) -> None:
    """Time the operators of a model, compiled or .onnx, the slowest first.

    Inputs that are not given are random. A row is a group of operators that run as one, with the last node of
    the model in it, and all of its calls where there are loops.
    """
    if trace is not None and not trace.parent.is_dir():
        raise ValueError(f"{trace}: there is no folder {trace.parent}")
    made, given = _ready(model, inputs, seed, _ModelOptions(**options))
    found = made.program.profile(*given, repeat=repeat)
    console = new_console()
    console.print(_profile_table(found, top))
    if trace is not None:
        found.save_trace(trace)
        _print(f"trace: {trace}, for https://ui.perfetto.dev", console)


def model_tasks(
    model: Path, shapes: Iterable[str], values: Iterable[str], target: str, level: int
) -> dict[Task, float]:
    """The tasks of an ONNX file and how often each occurs.

    Raises
    ------
    ValueError
        If there are none.
    """
    from costmodel.extract import extract_tasks

    module, _ = _imported(model, dict(map(parse_shape, shapes)), dict(map(parse_value, values)), {})
    found = extract_tasks(module, target, level)
    if not found:
        raise ValueError(f"{model}: no operator of it has a schedule that could be tuned")
    return found


def _ready(
    path: Path, inputs: Sequence[str], seed: int | None, options: _ModelOptions
) -> tuple[_Model, list[np.ndarray]]:
    """A model that can be called, and its arguments."""
    import numpy as np

    rng = None if seed is None else np.random.default_rng(seed)
    if path.suffix == SUFFIX:
        arrays = read_arrays(inputs, list(_declared(path)[0]))
        made = _compiled(path, options, arrays)
    else:
        made = _loaded(path, options)
        arrays = read_arrays(inputs, [name for name, _ in made.program.parameters])
    return made, arguments(arrays, made.program.parameters, rng)


def _loaded(path: Path, options: _ModelOptions) -> _Model:
    """A compiled model of a file."""
    from compiler.relay import TupleType
    from compiler.relay.execute.load import restored
    from compiler.relay.execute.storage import read
    from costmodel.ensemble.files import refuse_trees

    if not path.is_file():
        raise ValueError(f"{path}: no such file")
    given = [f"--{name[:-1]}" for name in ("shapes", "values") if getattr(options, name)]
    given += ["--records"] if options.records else []
    if given:
        raise ValueError(f"{', '.join(given)}: {path} is compiled already; that is for a model .onnx")
    names, program = read(
        path, lambda record, parts: (refuse_trees(record, path).get("outputs"), restored(record, parts))
    )
    type_ = program.result_type
    count = len(type_.fields) if isinstance(type_, TupleType) else 1
    return _Model(program, names or [f"output{number}" for number in range(count)])


def _save(made: _Model, path: Path) -> None:
    """Write a program as its `save` does, with the names of its outputs."""
    from compiler.relay.execute.storage import Parts, write

    parts = Parts()
    write(path, {**made.program.record(parts), "outputs": list(made.outputs)}, parts)


def _compiled(path: Path, options: _ModelOptions, arrays: Mapping[str, np.ndarray] | None = None) -> _Model:
    """The program of an ONNX file, by the best records if they are given; shows how far it is."""
    from compiler.relay import build
    from costmodel.history import apply_history_best
    from costmodel.records import set_aside

    shapes, values = dict(map(parse_shape, options.shapes)), dict(map(parse_value, options.values))
    if options.records is not None and not options.records.is_file():
        raise ValueError(f"{options.records}: no such file")
    tuned = apply_history_best(options.records) if options.records is not None else nullcontext()
    began = time.perf_counter()
    module, outputs = _imported(path, shapes, values, arrays or {})
    imported = time.perf_counter() - began
    with tuned as history, _progress(f"compiling {path.name}") as advance:
        program = build(module, options.target, options.level, progress=advance)
    compiled = time.perf_counter() - began - imported
    facts = [*_contents(module), *_places(program)]
    if history is not None:
        kinds = len(history.used) + len(history.missed)
        text = f"{len(history.used)} of {kinds} operators are built by their best record"
        if aside := +history.set_aside:
            text += f"; set aside: {set_aside(aside)}"
        facts.append(("records", text))
    facts.append(("time", f"{imported:.2f} s to import, {compiled:.2f} s to compile"))
    facts += [("input", f"{name}: {type_}") for name, type_ in program.parameters]
    types = program.result_type
    for name, type_ in zip(outputs, getattr(types, "fields", (types,)), strict=True):
        facts.append(("output", f"{name}: {type_}"))
    return _Model(program, outputs, facts)


def _declared(path: Path) -> tuple[dict[str, Any], list[str]]:
    """What an ONNX file declares: its inputs that a call gives, and the names of its outputs.

    Raises
    ------
    ValueError
        If there is no such file, or no package that reads it.
    """
    from compiler.relay.importer.model import declared_type, model_inputs, read_model

    if not path.is_file():
        raise ValueError(f"{path}: no such file")
    if path.suffix != SUFFIX:
        raise ValueError(f"{path}: a model {SUFFIX} is needed")
    try:
        graph = read_model(path)[0].graph
    except ImportError as error:
        raise ValueError(str(error)) from error
    return {n: declared_type(v) for n, v in model_inputs(graph).items()}, [v.name for v in graph.output]


def _imported(
    path: Path, shapes: dict[str, Any], values: dict[str, Any], arrays: Mapping[str, np.ndarray]
) -> tuple[IRModule, list[str]]:
    """The module of an ONNX file, and the names of its outputs.

    Its inputs have the shapes that are given, or those of arrays; where shapes depend on the value of an
    input, it is for the value that is given, or for that of an array.

    Raises
    ------
    ValueError
        For inputs whose dimensions or values stay open: names the option to give.
    """
    from compiler.relay import from_onnx
    from compiler.relay.importer import NeedsValues

    declared, outputs = _declared(path)
    shapes = {**{name: array.shape for name, array in arrays.items()}, **shapes}
    _check_open(declared, {**shapes, **{name: array.shape for name, array in values.items()}})
    while True:
        try:
            known = {name: shape for name, shape in shapes.items() if name not in values}
            return from_onnx(path, known, values), outputs
        except NeedsValues as needs:
            if missing := [name for name in needs.names if name not in arrays or name in values]:
                given = " ".join(f"--value {name}=FILE.npy" for name in missing)
                raise ValueError(f"shapes depend on the values of inputs: give {given}") from needs
            values = {**values, **{name: arrays[name] for name in needs.names}}


def _check_open(declared: Mapping[str, Any], given: Mapping[str, Sequence[int]]) -> None:
    """Raise ValueError where a dimension of an input is neither in the file nor given, for all at once."""
    for name in given:
        if name not in declared:
            raise ValueError(unknown("input of the model", name, declared))
    named: dict[Any, int] = {}
    for name, shape in given.items():
        dims = (declared.get(name) or (0, None))[1] or ()
        named.update((d, e) for d, e in zip(dims, shape, strict=False) if isinstance(d, str))
    texts, options = [], []
    for name, kind in declared.items():
        dims = None if kind is None else kind[1]
        if kind is None or name in given:
            continue
        if dims is None or not all(type(d) is int or d in named for d in dims):
            known = ["?" if d is None else str(d) for d in dims or []]
            texts.append(f"{name}: {'unknown' if dims is None else ', '.join(known)}")
            example = "x".join(str(d) if type(d) is int else str(named.get(d, 1)) for d in dims or [1])
            options.append(f"--shape {name}={example}")
    if texts:
        raise ValueError(
            f"open dimensions of inputs ({'; '.join(texts)}): give their shapes, as in {' '.join(options)}"
        )


@contextmanager
def _progress(title: str) -> Iterator[Any]:
    """A bar on standard error, in a terminal, that follows ``advance(done, total, name)``."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    console = new_console(stderr=True)
    text = TextColumn("{task.fields[kernel]}", markup=False)
    columns = (TextColumn(title, markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), text)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=None, kernel="")
        yield lambda done, total, name: bar.update(task, completed=done, total=total, kernel=name)


def _contents(module: IRModule) -> list[tuple[str, str]]:
    """The numbers of parameters and of operators of a module."""
    from compiler.relay import Call, Constant, Op
    from compiler.relay.language.visit import post_order

    found = {id(e): e for function in module.functions.values() for e in post_order(function)}.values()
    arrays = [e.data for e in found if type(e) is Constant and e.data.size > 1]
    operators = sum(type(e) is Call and type(e.function) is Op for e in found)
    size = _bytes(sum(array.nbytes for array in arrays))
    return [
        ("parameters", f"{sum(array.size for array in arrays):,} ({size})"),
        ("operators", f"{operators}"),
    ]


def _places(program: Any) -> list[tuple[str, str]]:
    """The groups of operators of a program, and the memory of a call, of a program of data flow alone."""
    if not hasattr(program, "calls"):
        return [("groups", "chosen by control flow in each call")]
    kernels = len({call.kernel for call in program.calls if call.kernel >= 0})
    plan = program.plan
    return [
        ("groups", f"{len(program.calls)}, of {kernels} kernels"),
        ("arena", f"{_bytes(plan.peak)}, {plan.share:.0%} of {_bytes(plan.tensors)} of all tensors"),
    ]


def _profile_table(found: Any, top: int) -> Table:
    """The rows of a profile with the greatest times, and the sum of all."""
    from rich import box
    from rich.table import Table

    total = found.seconds or 1.0
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("operators", overflow="fold")
    table.add_column("node", no_wrap=True)
    for name in ("calls", "us", "share", "GFLOP/s"):
        table.add_column(name, justify="right", no_wrap=True)
    rows = found.places
    for row in rows[:top]:
        per = 1e-9 / row.seconds if row.seconds else 0.0
        speed = f"{row.flops * per:.1f}" if row.flops else "-"
        # the names come from a file: no markup
        names = [text.replace("[", r"\[") for text in (row.name, _end(row.origin))]
        times = (str(row.calls), f"{row.seconds * 1e6:.1f}", f"{row.seconds / total:.1%}")
        table.add_row(*names, *times, speed)
    if rest := sum(row.seconds for row in rows[top:]):
        calls = sum(row.calls for row in rows[top:])
        more = f"{len(rows) - top} more"
        table.add_row(more, "", str(calls), f"{rest * 1e6:.1f}", f"{rest / total:.1%}", "")
    table.rows[-1].end_section = True
    flops = sum(row.flops for row in rows)
    last = (str(len(found.rows)), f"{total * 1e6:.1f}", "", f"{flops * 1e-9 / total:.1f}")
    table.add_row("total", "", *last)
    return table


def _end(name: str, width: int = 24) -> str:
    """The end of a name that is too long: what is before are the graphs that a node is in."""
    return name if len(name) <= width else f"...{name[3 - width :]}"


def _print_facts(facts: Sequence[tuple[str, str]], console: Console) -> None:
    width = max(len(name) for name, _ in facts)
    for name, text in facts:
        _print(f"{name:{width}}  {text}", console)


def _print(text: str, console: Console) -> None:
    console.print(text, highlight=False, markup=False, soft_wrap=True)


def _bytes(count: int) -> str:
    for unit, size in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} bytes"
