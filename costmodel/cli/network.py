"""The commands about models: compile, run and profile; and what `tune` does with one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from costmodel.cli.errors import clean_errors
from costmodel.cli.terminal import new_console

if TYPE_CHECKING:
    import numpy as np

    from compiler.relay import IRModule


def model_options(command: Any) -> Any:
    """Add the options that say what a model is compiled for."""
    for option in reversed(
        (
            click.option(
                "--shape",
                multiple=True,
                metavar="NAME=1x3x224x224",
                help="Shape of an input whose dimensions the file leaves open; may be repeated.",
            ),
            click.option(
                "--value",
                multiple=True,
                metavar="NAME=FILE.npy",
                help="Value of an input on which shapes depend, a file or a number; may be repeated.",
            ),
            click.option(
                "--level", type=click.IntRange(0, 3), default=3, show_default=True, help="How far it is optimised."
            ),
            click.option("--target", default="llvm", show_default=True, help="What to compile for."),
            click.option(
                "--records",
                type=click.Path(dir_okay=False, path_type=Path),
                metavar="FILE",
                help="Records of a search, as `espalier tune MODEL.onnx` writes them, whose best are used.",
            ),
        )
    ):
        command = option(command)
    return command


@click.command("compile")
@click.argument("model", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="[default: MODEL.module]")
@model_options
@clean_errors
def compile_model(model: Path, output: Path | None, **options: Any) -> None:
    """Compile an ONNX model to a file that `espalier run` runs without compiling."""
    program = compiled(model, **options)
    path = output or model.with_suffix(".module")
    program.save(path)
    console = new_console()
    console.print(f"{path}: {path.stat().st_size / 2**20:.1f} MiB", highlight=False, soft_wrap=True)
    for name, type_ in program.parameters:
        console.print(f"input {name}: {type_}", highlight=False, markup=False, soft_wrap=True)


@click.command("run")
@click.argument("program", type=click.Path(path_type=Path))
@click.option(
    "--input",
    "inputs",
    multiple=True,
    metavar="[NAME=]FILE",
    help="An input, .npy, in order or by name; or a .npz with inputs by name. May be repeated.",
)
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Write the outputs: .npz, or .npy for one."
)
@model_options
@clean_errors
def run_model(program: Path, inputs: tuple[str, ...], output: Path | None, **options: Any) -> None:
    """Run a compiled model, or an ONNX model, which is compiled first, on arrays from files."""
    import numpy as np

    arrays = read_arrays(inputs)
    loaded = _program(program, arrays, options)
    results = loaded(*in_order(arrays, loaded.parameters))
    outputs = list(results) if isinstance(results, tuple) else [results]
    console = new_console()
    for number, array in enumerate(outputs):
        text = np.array2string(array, threshold=12, edgeitems=3, precision=5)
        console.print(f"output {number}: {array.dtype}{list(array.shape)}\n{text}", highlight=False, markup=False)
    if output is not None:
        _write(output, outputs)
        console.print(f"outputs: {output}", highlight=False, soft_wrap=True)


@click.command("profile")
@click.argument("program", type=click.Path(path_type=Path))
@click.option("--input", "inputs", multiple=True, metavar="[NAME=]FILE", help="As of run; random by default.")
@click.option("--repeat", type=click.IntRange(min=1), default=10, show_default=True, help="Number of runs.")
@click.option(
    "--trace",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the times of the last run for Perfetto or chrome://tracing.",
)
@model_options
@clean_errors
def profile_model(
    program: Path, inputs: tuple[str, ...], repeat: int, trace: Path | None, **options: Any
) -> None:
    """Time the operators of a compiled model, or of an ONNX model, the slowest first."""
    arrays = read_arrays(inputs)
    loaded = _program(program, arrays, options)
    if not hasattr(loaded, "profile"):
        raise ValueError(f"{program} has control flow, whose operators are not timed one by one")
    given = in_order(arrays, loaded.parameters) if arrays else [drawn(t) for _, t in loaded.parameters]
    found = loaded.profile(*given, repeat=repeat)
    console = new_console()
    console.print(str(found), highlight=False, markup=False, soft_wrap=True)
    if trace is not None:
        found.save_trace(trace)
        console.print(f"trace: {trace}", highlight=False, soft_wrap=True)


def imported(
    model: Path, shape: tuple[str, ...], value: tuple[str, ...], arrays: dict[str, np.ndarray] | None = None
) -> IRModule:
    """The module of an ONNX file for the shapes and values of the options, and for arrays that are given.

    Raises
    ------
    ValueError
        For an option that is wrong, and for inputs whose dimensions stay open: names the option to give.
    """
    from compiler.relay import from_onnx
    from compiler.relay.importer import NeedsValues

    if not model.is_file():
        raise ValueError(f"{model}: no such file")
    known = {name: a for name, a in (arrays or {}).items() if not name.isdigit()}
    shapes: dict[str, Any] = {name: a.shape for name, a in known.items()}
    shapes.update(dict(map(_shape, shape)))
    values = dict(map(_value, value))
    _check_open(model, {**shapes, **values})
    try:
        return from_onnx(model, {n: s for n, s in shapes.items() if n not in values}, values)
    except NeedsValues as needs:
        given = " ".join(f"--value {name}=FILE.npy" for name in needs.names)
        raise ValueError(f"shapes depend on the values of inputs: give {given}") from needs


def _check_open(model: Path, given: dict[str, Any]) -> None:
    """Raise ValueError where a dimension of an input is not known."""
    from compiler.relay.importer.model import declared_type, read_model
    from compiler.relay.importer.onnx import model_inputs
    from compiler.suggest import unknown

    inputs = model_inputs(read_model(model)[0].graph)
    for name in given:
        if name not in inputs:
            raise ValueError(unknown("input of the model", name, inputs))
    for name, declaration in inputs.items():
        _, dims = declared_type(declaration) or (0, [])
        if name not in given and (dims is None or not all(type(d) is int for d in dims)):
            text = "unknown" if dims is None else ", ".join("?" if d is None else str(d) for d in dims)
            example = "x".join(str(d) if type(d) is int else "1" for d in dims or [1])
            raise ValueError(f"the input {name!r} has open dimensions ({text}): give --shape {name}={example}")


def _shape(text: str) -> tuple[str, tuple[int, ...]]:
    name, equals, dims = text.rpartition("=")
    parts = [part.strip() for part in dims.split("x")] if dims else []
    if not equals or not name or not all(part.isdigit() for part in parts):
        raise ValueError(f"--shape {text!r}: an input and its shape are needed, as in x=1x3x224x224")
    return name, tuple(map(int, parts))


def _value(text: str) -> tuple[str, Any]:
    import numpy as np

    name, equals, content = text.rpartition("=")
    if not equals or not name:
        raise ValueError(f"--value {text!r}: an input and its value are needed, as in k=k.npy or k=3")
    if content.endswith(".npy"):
        return name, _load(Path(content))
    try:
        return name, np.array(int(content))
    except ValueError:
        raise ValueError(f"--value {text!r}: a file .npy or a whole number is needed") from None


def compiled(
    model: Path,
    *,
    shape: tuple[str, ...] = (),
    value: tuple[str, ...] = (),
    level: int,
    target: str,
    records: Path | None,
    arrays: dict[str, np.ndarray] | None = None,
) -> Any:
    """The program of an ONNX file, by the best records if there are any; shows how far it is."""
    from compiler.relay import build
    from costmodel.history import apply_history_best

    module = imported(model, shape, value, arrays)
    tuned = apply_history_best(records) if records is not None else nullcontext()
    with tuned, progress(f"compiling {model.name}") as advance:
        return build(module, target, level, progress=advance, cache=records is None)


@contextmanager
def progress(title: str) -> Iterator[Any]:
    """A bar on standard error that follows ``advance(done, total, name)``."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn(title), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=new_console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda done, total, name: bar.update(task, completed=done, total=total, description=name)


def _program(path: Path, arrays: dict[str, np.ndarray], options: dict[str, Any]) -> Any:
    """A program from its file, or compiled from an ONNX model."""
    if path.suffix == ".onnx":
        return compiled(path, arrays=arrays, **options)
    from compiler.relay.execute.load import load

    given = [f"--{name}" for name in ("shape", "value", "records") if options[name]]
    if given:
        raise ValueError(f"{', '.join(given)}: {path} is compiled already; the option is for an ONNX model")
    return load(path)


def read_arrays(inputs: tuple[str, ...]) -> dict[str, np.ndarray]:
    """The arrays of the option ``--input``, by name; those without a name by their place.

    Raises
    ------
    ValueError
        For a file that is no array, and a name that is given twice.
    """
    import numpy as np

    found: dict[str, Any] = {}
    for number, text in enumerate(inputs):
        name, _, file = text.rpartition("=")
        path = Path(file)
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as archive:
                pairs = [(key, archive[key]) for key in archive.files]
        else:
            pairs = [(name or str(number), _load(path))]
        for key, array in pairs:
            if key in found:
                raise ValueError(f"--input: {key!r} is given twice")
            found[key] = array
    return found


def _load(path: Path) -> np.ndarray:
    import numpy as np

    try:
        array = np.load(path, allow_pickle=False)
    except ValueError as error:
        raise ValueError(f"{path}: no array of NumPy: {error}") from error
    if not isinstance(array, np.ndarray):
        raise ValueError(f"{path}: one array is needed; a file .npz is given without a name")
    return array


def in_order(arrays: dict[str, np.ndarray], parameters: Any) -> list[np.ndarray]:
    """The arrays in the order of a program's parameters.

    Raises
    ------
    ValueError
        For one that is missing or that the program does not have; says what is expected.
    """
    names = [name for name, _ in parameters]
    expected = ", ".join(f"{name}: {type_}" for name, type_ in parameters)
    places = {str(i): name for i, name in enumerate(names)}
    named = {name if name in names else places.get(name, name): array for name, array in arrays.items()}
    missing, extra = [n for n in names if n not in named], [n for n in named if n not in names]
    if missing or extra:
        what = f"the inputs {', '.join(missing)} are missing" if missing else f"there is no input {extra[0]!r}"
        raise ValueError(f"{what}; the program has {expected}")
    return [named[name] for name in names]


def drawn(type_: Any) -> np.ndarray:
    """A random array of a type: standard normal numbers, or zeros for integers, which may be indices."""
    import numpy as np

    if type_.dtype.startswith("float"):
        return np.random.default_rng(0).standard_normal(type_.dims).astype(type_.dtype)
    return np.zeros(type_.dims, type_.dtype)


def _write(path: Path, outputs: list[np.ndarray]) -> None:
    from io import BytesIO

    import numpy as np

    from compiler.runtime.file import write_file

    data = BytesIO()
    if path.suffix == ".npy":
        if len(outputs) != 1:
            raise ValueError(f"{path}: the model has {len(outputs)} outputs: name a file .npz")
        np.save(data, outputs[0])
    else:
        np.savez(data, *outputs)
    write_file(path, data.getvalue())


def model_tasks(model: Path, shapes: tuple[str, ...], target: str) -> dict[Any, float]:
    """The tasks of an ONNX file and how often each occurs.

    Raises
    ------
    ValueError
        If there are none.
    """
    from costmodel.extract import extract_tasks

    found = extract_tasks(imported(model, shapes, ()), target)
    if not found:
        raise ValueError(f"{model}: no operator of it has a template that could be tuned")
    return found
