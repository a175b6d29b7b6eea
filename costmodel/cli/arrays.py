"""Arrays on the command line: inputs of a model from files or at random, and outputs to files or as text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from compiler.suggest import unknown

if TYPE_CHECKING:
    import numpy as np


def parse_shape(text: str) -> tuple[str, tuple[int, ...]]:
    """An input and its shape, of ``NAME=1x3x224x224``; no number is the shape of a scalar.

    Raises
    ------
    ValueError
        For another form.
    """
    name, equals, dims = text.rpartition("=")
    parts = [part.strip() for part in dims.split("x")] if dims.strip() else []
    if not equals or not name or not all(part.isdigit() for part in parts):
        raise ValueError(f"--shape {text!r}: an input and its shape are needed, as in x=1x3x224x224")
    return name, tuple(map(int, parts))


def parse_value(text: str) -> tuple[str, np.ndarray]:
    """An input and its value, of ``NAME=FILE.npy`` or of ``NAME=3``, which is an int64.

    Raises
    ------
    ValueError
        For another form, and a file that is no array.
    OSError
        For a file that cannot be read.
    """
    import numpy as np

    name, equals, content = text.rpartition("=")
    if not equals or not name:
        raise ValueError(f"--value {text!r}: an input and its value are needed, as in k=k.npy or k=3")
    if content.endswith(".npy"):
        return name, read_array(Path(content))
    try:
        return name, np.array(int(content), np.int64)
    except ValueError:
        raise ValueError(f"--value {text!r}: a file .npy or a whole number is needed") from None


def read_array(path: Path) -> np.ndarray:
    """The array of a file ``.npy``.

    Raises
    ------
    ValueError
        If there is no array of numbers in it.
    OSError
        If it cannot be read.
    """
    import numpy as np

    if not path.is_file():
        raise ValueError(f"{path}: no such file")
    try:
        array = np.load(path, allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise ValueError(f"{path} holds no array that NumPy reads without pickle: {error}") from error
    if not isinstance(array, np.ndarray):
        raise ValueError(f"{path} holds several arrays; a file .npz is given without a name")
    return array


def read_arrays(inputs: Iterable[str], names: Sequence[str]) -> dict[str, np.ndarray]:
    """The arrays of the option ``--input``, by the names of a model's inputs.

    Parameters
    ----------
    inputs : iterable of str
        ``NAME=FILE.npy``, or ``FILE.npy`` for the first input that is not named, or ``FILE.npz``, whose
        arrays have the names of inputs.
    names : sequence of str
        The inputs of the model.

    Raises
    ------
    ValueError
        For a name that does not exist or is given twice, more arrays than inputs, and a file that is no
        array.
    OSError
        For a file that cannot be read.
    """
    import numpy as np

    found: dict[str, np.ndarray] = {}
    unnamed: list[tuple[str, np.ndarray]] = []
    for text in inputs:
        # a name may hold "=", a file after it hardly does; but an existing file of the whole text is meant
        name, _, file = ("", "", text) if Path(text).is_file() else text.rpartition("=")
        if not name and file.endswith(".npz"):
            if not Path(file).is_file():
                raise ValueError(f"{file}: no such file")
            with np.load(file, allow_pickle=False) as archive:
                pairs = [(key, archive[key]) for key in archive.files]
        elif not name:
            unnamed.append((text, read_array(Path(file))))
            continue
        else:
            pairs = [(name, read_array(Path(file)))]
        for key, array in pairs:
            if key not in names:
                raise ValueError(f"--input {text}: {unknown('input', key, names)}")
            if key in found:
                raise ValueError(f"--input {text}: the input {key!r} is given twice")
            found[key] = array
    free = [name for name in names if name not in found]
    if len(unnamed) > len(free):
        raise ValueError(f"--input {unnamed[len(free)][0]}: the model has no more than {len(names)} input(s)")
    return {**found, **{name: array for name, (_, array) in zip(free, unnamed, strict=False)}}


def arguments(
    arrays: Mapping[str, np.ndarray], parameters: Sequence[tuple[str, Any]], rng: np.random.Generator | None
) -> list[np.ndarray]:
    """The arguments of a program, in order.

    Parameters
    ----------
    arrays : mapping of str to ndarray
    parameters : sequence of (str, Type)
    rng : numpy.random.Generator or None
        Draws what is not given: standard normal numbers; zeros for integers, which may be indices.

    Raises
    ------
    ValueError
        For an input that is missing; says what the program takes.
    """
    missing = [(name, type_) for name, type_ in parameters if name not in arrays]
    if missing and rng is None:
        lines = ", ".join(f"{name}: {type_}" for name, type_ in missing)
        raise ValueError(f"missing inputs ({lines}): give --input {missing[0][0]}=FILE.npy, or --random")
    drawn = {name: _drawn(name, type_, rng) for name, type_ in missing if rng is not None}
    return [drawn[name] if name in drawn else arrays[name] for name, _ in parameters]


def _drawn(name: str, type_: Any, rng: np.random.Generator) -> np.ndarray:
    import numpy as np

    from compiler.relay import TensorType
    from compiler.runtime.array import numpy_dtype

    if not isinstance(type_, TensorType) or not type_.concrete:
        raise ValueError(
            f"the input {name!r} is {type_}, of which nothing can be drawn: give --input {name}=FILE.npy"
        )
    shape, dtype = tuple(map(int, type_.dims)), str(type_.dtype)
    if dtype.startswith("float"):
        return rng.standard_normal(shape).astype(dtype)
    return np.zeros(shape, numpy_dtype(dtype))


def check_output(path: Path | None, count: int | None = None) -> None:
    """Raise ValueError, before anything is computed, for a file that outputs cannot be written to."""
    if path is None:
        return
    if path.suffix not in (".npz", ".npy"):
        raise ValueError(f"{path}: outputs are written to .npz, or to .npy if there is one")
    if not path.parent.is_dir():
        raise ValueError(f"{path}: there is no folder {path.parent}")
    if path.suffix == ".npy" and count not in (None, 1):
        raise ValueError(f"{path}: the model has {count} outputs: name a file .npz")


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write the outputs of a model: by their names to a file ``.npz``, or the only one to a file ``.npy``."""
    from io import BytesIO

    import numpy as np

    from compiler.runtime.file import write_file

    data = BytesIO()
    if path.suffix == ".npy":
        np.save(data, next(iter(arrays.values())))
    else:
        np.savez(data, **dict(arrays))  # type: ignore[arg-type]
    write_file(path, data.getvalue())


def described(name: str, array: np.ndarray) -> str:
    """An array as text: name, type, least, mean and greatest value, and some of its elements."""
    import numpy as np

    text = f"{name}: {array.dtype}[{', '.join(map(str, array.shape))}]"
    plain = array.dtype.kind in "fiub"
    if plain and array.size:
        numbers = array.astype(np.float64)
        finite = numbers[np.isfinite(numbers)]
        if finite.size:
            text += f"  min {finite.min():.5g}  mean {finite.mean():.5g}  max {finite.max():.5g}"
        if finite.size < array.size:
            text += f"  not finite: {array.size - finite.size}"
    shown = np.array2string(array, threshold=12, edgeitems=3, precision=5, max_line_width=78)
    return f"{text}\n{shown}"
