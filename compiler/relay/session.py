"""`InferenceSession`: runs a model, with the interface of onnxruntime's class of that name."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from compiler.relay.execute.cache import cached, digest, folder, keep_note
from compiler.relay.execute.cache import note as noted
from compiler.relay.importer.description import Declared, Description, described
from compiler.relay.importer.errors import NeedsValues, OnnxError
from compiler.relay.importer.model import model_bytes, origin_of, read_model
from compiler.relay.importer.weights import Origin
from compiler.runtime.threads import num_threads, set_num_threads
from compiler.suggest import unknown

PROGRAMS = 32
"""Programs that a session keeps, for as many combinations of shapes and of values that decide shapes."""


@dataclass(frozen=True)
class NodeArg:
    """An input or output of a model.

    Parameters
    ----------
    name : str
    shape : list of int, str or None
        An extent, or its name; None where the file says nothing.
    type : str
        As ``"tensor(float)"``.
    """

    name: str
    shape: list[int | str | None]
    type: str


@dataclass
class ModelMetadata:
    """What a model file says about itself."""

    producer_name: str = ""
    graph_name: str = ""
    domain: str = ""
    description: str = ""
    graph_description: str = ""
    version: int = 0
    custom_metadata_map: dict[str, str] = field(default_factory=dict)


@dataclass
class SessionOptions:
    """Options of a session.

    Parameters
    ----------
    intra_op_num_threads : int
        Threads of an operator; 0 means as many as there are cores.
    optimization_level : int
        0 to 3, see `compiler.relay.optimize`.
    """

    intra_op_num_threads: int = 0
    optimization_level: int = 3


class InferenceSession:
    """Runs a model. A script that uses onnxruntime changes one import.

    A program is compiled for the shapes of the inputs, when they come for the first time; and for the values
    of those inputs on which shapes depend. It is kept for the next call, and on disk for the next session
    (`compiler.relay.execute.cache`), which then imports no compiler. The file of the model is read only to
    compile, and must not have changed by then.

    Parameters
    ----------
    path_or_bytes : path, bytes or ModelProto
    sess_options : SessionOptions, optional
    providers : object, optional
        Accepted for the sake of scripts, and ignored: programs run on the CPU.
    interpret : bool
        Whether the model is interpreted, by the operators' definitions, instead of compiled: slow, and for
        finding out which of the two is wrong.

    Raises
    ------
    OnnxError
        For a damaged model. One that uses what is not supported is refused by the first `run`, or here if all
        its shapes are known.
    """

    def __init__(
        self,
        path_or_bytes: Any,
        sess_options: SessionOptions | None = None,
        providers: Any = None,
        *,
        interpret: bool = False,
    ) -> None:
        self._options = sess_options or SessionOptions()
        self._interpret = interpret
        self._file = _File(path_or_bytes, mapped=not interpret and folder() is not None)
        self._key = digest("model", self._file.digest)
        note = None if interpret else noted(self._key)
        model = None
        if note is None:
            model = self._file.read()
            self._description = described(model[0])
            self._note()
        else:
            self._description = Description.of_record(note)
        self._data = self._file.digests(self._description.external)
        self._inputs = {declared.name: declared for declared in self._description.inputs}
        self._programs: dict[Any, Any] = {}
        if all(declared.is_static for declared in self._description.inputs):
            self._first(model)

    def _first(self, model: Any) -> None:
        """Compile at once, if the shapes of all inputs are known and decide everything."""
        if self._description.deciding:
            return
        shapes = {name: declared.dims or () for name, declared in self._inputs.items()}
        try:
            with self._threads():
                self._program(shapes, {}, model)
        except NeedsValues as needs:
            self._decide(needs.names)
        else:
            self._file.forget()  # no other program is ever needed

    def _note(self) -> None:
        """Keep what the model says, for sessions to come."""
        if not self._interpret:
            keep_note(self._key, self._description.record())

    def _decide(self, names: Iterable[str]) -> None:
        """Shapes depend on the values of more inputs."""
        self._description.deciding += names
        self._note()

    def get_inputs(self) -> list[NodeArg]:
        """The inputs of the model that a call gives."""
        return [_argument(declared) for declared in self._description.inputs]

    def get_outputs(self) -> list[NodeArg]:
        """The outputs of the model."""
        return [_argument(declared) for declared in self._description.outputs]

    def get_modelmeta(self) -> ModelMetadata:
        """What the file says about the model."""
        return ModelMetadata(**self._description.metadata)

    def get_providers(self) -> list[str]:
        """Where programs run."""
        return ["CPUExecutionProvider"]

    def run(
        self, output_names: Sequence[str] | None, input_feed: Mapping[str, Any], run_options: Any = None
    ) -> list[np.ndarray]:
        """The outputs of the model for some inputs.

        Parameters
        ----------
        output_names : sequence of str or None
            None means all outputs, in the order of the model.
        input_feed : mapping of str to array
        run_options : object, optional
            Ignored.

        Returns
        -------
        list of ndarray

        Raises
        ------
        ValueError
            For an input or output that does not exist, an input that is missing, and one of the wrong element
            type, number of dimensions or extent; says what is expected.
        """
        known = [declared.name for declared in self._description.outputs]
        for name in output_names or ():
            if name not in known:
                raise ValueError(unknown("output of the model", name, known))
        arrays = self._checked(input_feed)
        with self._threads():
            program = self.program(arrays)
            results = program(
                *(array for name, array in arrays.items() if name not in self._description.deciding)
            )
        outputs = dict(zip(known, results if isinstance(results, tuple) else (results,), strict=True))
        return [outputs[name] for name in (known if output_names is None else output_names)]

    def program(self, arrays: Mapping[str, np.ndarray]) -> Any:
        """The program for inputs like these, compiled if there is none yet.

        Parameters
        ----------
        arrays : mapping of str to ndarray
            All inputs, in their order.
        """
        while True:
            values = {name: arrays[name] for name in self._description.deciding}
            shapes = {name: array.shape for name, array in arrays.items() if name not in values}
            try:
                return self._program(shapes, values)
            except NeedsValues as needs:
                new = [name for name in needs.names if name not in values]
                if not new:
                    raise
                self._decide(new)

    def _threads(self) -> AbstractContextManager[None]:
        """The threads of the options, for a block."""
        count = self._options.intra_op_num_threads
        return _threads(count) if count and count != num_threads() else nullcontext()

    def _program(
        self, shapes: Mapping[str, tuple[Any, ...]], values: Mapping[str, np.ndarray], model: Any = None
    ) -> Any:
        """The program of shapes and values; `model` is what the file has, if it was read."""
        key = (
            tuple(shapes.items()),
            tuple((name, array.shape, array.tobytes()) for name, array in values.items()),
        )
        found = self._programs.get(key)
        if found is None:
            found = (
                self._interpreted(shapes, values)
                if self._interpret
                else self._compiled(key, shapes, values, model)
            )
            while len(self._programs) >= PROGRAMS:
                del self._programs[next(iter(self._programs))]
            self._programs[key] = found
        return found

    def _interpreted(self, shapes: Mapping[str, Any], values: Mapping[str, np.ndarray]) -> Any:
        from compiler.relay.importer.onnx import import_model
        from compiler.relay.interpret.evaluate import evaluate

        proto, origin = self._file.read()
        module = import_model(proto, origin, shapes, values)
        return lambda *arrays: evaluate(module, *arrays)

    def _compiled(
        self, key: Any, shapes: Mapping[str, Any], values: Mapping[str, np.ndarray], model: Any
    ) -> Any:
        """The program of a key, from the cache on disk where it is there: the file is not read then."""
        level = str(self._options.optimization_level)
        place = digest("session", self._file.digest, *self._data, level, repr(key))

        def make() -> Any:
            from compiler.relay.execute.build import build
            from compiler.relay.importer.onnx import import_model

            proto, origin = model or self._file.read()
            module = import_model(proto, origin, shapes, values)
            return build(module, level=self._options.optimization_level, cache=False)

        return cached(place, make)

    def _checked(self, feed: Mapping[str, Any]) -> dict[str, np.ndarray]:
        if feed.keys() != self._inputs.keys():
            for name in feed:
                if name not in self._inputs:
                    raise ValueError(unknown("input of the model", name, self._inputs))
            missing = ", ".join(repr(name) for name in self._inputs if name not in feed)
            raise ValueError(f"the inputs {missing} are missing")
        arrays: dict[str, np.ndarray] = {}
        extents: dict[str, tuple[str, int]] = {}
        for name, declared in self._inputs.items():
            if not declared.is_tensor:
                raise OnnxError(f"the input {name!r} is {declared.type}, which is not supported")
            array = np.asarray(feed[name])
            _check_input(name, array, declared, extents)
            arrays[name] = array
        return arrays


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """Another number of threads for a block."""
    before = num_threads()
    set_num_threads(count)
    try:
        yield
    finally:
        set_num_threads(before)


class _File:
    """The file of a model, read when something has to be compiled.

    Parameters
    ----------
    source : path, bytes or ModelProto
    mapped : bool
        Whether it is mapped into memory instead of read, as no program refers to it in the end.
    """

    def __init__(self, source: Any, mapped: bool) -> None:
        self._source = bytes(source) if isinstance(source, (bytearray, memoryview)) else source
        self._mapped = mapped
        self._path = os.fsdecode(source) if isinstance(source, (str, os.PathLike)) else ""
        self._state = self._stat()
        if self._path:
            self.digest = _file_digest(self._path)
        else:
            data = self._source if isinstance(self._source, bytes) else model_bytes(source)
            self.digest = hashlib.sha256(data).hexdigest()

    def _stat(self) -> Any:
        if not self._path:
            return None
        stat = os.stat(self._path)
        return stat.st_ino, stat.st_size, stat.st_mtime_ns

    def digests(self, names: Iterable[str]) -> list[str]:
        """Of files with data of the model; an empty one where there is no such file in its folder."""
        root = os.path.dirname(os.path.realpath(self._path))
        paths = [os.path.realpath(os.path.join(root, name)) for name in names] if self._path else []
        return [_file_digest(p) if p.startswith(root) and os.path.isfile(p) else "" for p in paths]

    def read(self) -> tuple[Any, Origin]:
        """The message of the model, and where its tensors are.

        Raises
        ------
        OnnxError
            If the file is not what it was.
        """
        if not self._path:
            return read_model(self._source)
        if self._stat() != self._state and _file_digest(self._path) != self.digest:
            raise OnnxError(f"the file {self._path} was changed since the session was made")
        return read_model(origin_of(self._path, self._mapped))

    def forget(self) -> None:
        """Let go of the model: it is not read again."""
        self._source = None


def _file_digest(path: str) -> str:
    result = hashlib.sha256()
    with open(path, "rb") as file:
        while piece := file.read(1 << 20):
            result.update(piece)
    return result.hexdigest()


def _argument(declared: Declared) -> NodeArg:
    return NodeArg(declared.name, list(declared.dims or ()), declared.type)


def _check_input(
    name: str, array: np.ndarray, declared: Declared, extents: dict[str, tuple[str, int]]
) -> None:
    """Raise ValueError where an array is not what an input of the model has to be."""
    if declared.dtype is None or array.dtype != np.dtype(declared.dtype):
        raise ValueError(
            f"the input {name!r} is {array.dtype.name}; {declared.dtype or declared.type} is needed"
        )
    dims = declared.dims
    if dims is None:
        return
    if array.ndim != len(dims):
        raise ValueError(
            f"the input {name!r} has the shape {array.shape}; {len(dims)} dimensions are needed: "
            f"{_words(dims)}"
        )
    for dim, extent in zip(dims, array.shape, strict=True):
        if type(dim) is int:
            if dim != extent:
                raise ValueError(f"the input {name!r} has the shape {array.shape}; {_words(dims)} is needed")
        elif isinstance(dim, str) and dim.isidentifier():
            other, first = extents.setdefault(dim, (name, extent))
            if first != extent:
                raise ValueError(
                    f"the input {name!r} has {extent} for the dimension {dim!r}, and {other!r} has {first}"
                )


def _words(dims: Sequence[Any]) -> str:
    return f"({', '.join('?' if d is None else str(d) for d in dims)})"
