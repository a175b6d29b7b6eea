"""`InferenceSession`: runs a model, with the interface of onnxruntime's class of that name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from compiler.relay.importer.errors import NeedsValues, OnnxError
from compiler.relay.importer.model import declared_type, kind_text, read_model
from compiler.relay.importer.onnx import import_model, model_inputs
from compiler.relay.importer.tensors import ELEMENT_TYPES, TYPE_NAMES, type_text
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
    of those inputs on which shapes depend. It is kept for the next call.

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
        self._proto, self._folder = read_model(path_or_bytes)
        self._options = sess_options or SessionOptions()
        self._interpret = interpret
        self._inputs = model_inputs(self._proto.graph)
        self._deciding: dict[str, None] = {}  # inputs whose values decide shapes
        self._programs: dict[Any, Any] = {}
        self._declared = {name: declared_type(value) for name, value in self._inputs.items()}
        if all(_static(declared) for declared in self._declared.values()):
            self._first()

    def _first(self) -> None:
        """Compile at once, if the shapes of all inputs are known and decide everything."""
        shapes = {name: tuple(declared[1] or ()) for name, declared in self._declared.items() if declared}
        try:
            with self._threads():
                self._program(shapes, {})
        except NeedsValues as needs:
            self._deciding.update(dict.fromkeys(needs.names))

    def get_inputs(self) -> list[NodeArg]:
        """The inputs of the model that a call gives."""
        return [_argument(value) for value in self._inputs.values()]

    def get_outputs(self) -> list[NodeArg]:
        """The outputs of the model."""
        return [_argument(value) for value in self._proto.graph.output]

    def get_modelmeta(self) -> ModelMetadata:
        """What the file says about the model."""
        proto = self._proto
        return ModelMetadata(
            proto.producer_name,
            proto.graph.name,
            proto.domain,
            proto.doc_string,
            proto.graph.doc_string,
            proto.model_version,
            {entry.key: entry.value for entry in proto.metadata_props},
        )

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
        known = [value.name for value in self._proto.graph.output]
        for name in output_names or ():
            if name not in known:
                raise ValueError(unknown("output of the model", name, known))
        arrays = self._checked(input_feed)
        with self._threads():
            program = self.program(arrays)
            results = program(*(array for name, array in arrays.items() if name not in self._deciding))
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
            values = {name: arrays[name] for name in self._deciding}
            shapes = {name: array.shape for name, array in arrays.items() if name not in values}
            try:
                return self._program(shapes, values)
            except NeedsValues as needs:
                new = [name for name in needs.names if name not in values]
                if not new:
                    raise
                self._deciding.update(dict.fromkeys(new))

    def _threads(self) -> AbstractContextManager[None]:
        """The threads of the options, for a block."""
        count = self._options.intra_op_num_threads
        return _threads(count) if count and count != num_threads() else nullcontext()

    def _program(self, shapes: Mapping[str, tuple[Any, ...]], values: Mapping[str, np.ndarray]) -> Any:
        key = (
            tuple(shapes.items()),
            tuple((name, array.shape, array.tobytes()) for name, array in values.items()),
        )
        found = self._programs.get(key)
        if found is None:
            module = import_model(self._proto, self._folder, shapes, values)
            found = self._made(module)
            while len(self._programs) >= PROGRAMS:
                del self._programs[next(iter(self._programs))]
            self._programs[key] = found
        return found

    def _made(self, module: Any) -> Any:
        if self._interpret:
            from compiler.relay.interpret.evaluate import evaluate

            return lambda *arrays: evaluate(module, *arrays)
        from compiler.relay.execute.build import build

        return build(module, level=self._options.optimization_level)

    def _checked(self, feed: Mapping[str, Any]) -> dict[str, np.ndarray]:
        if feed.keys() != self._inputs.keys():
            for name in feed:
                if name not in self._inputs:
                    raise ValueError(unknown("input of the model", name, self._inputs))
            missing = ", ".join(repr(name) for name in self._inputs if name not in feed)
            raise ValueError(f"the inputs {missing} are missing")
        arrays: dict[str, np.ndarray] = {}
        extents: dict[str, tuple[str, int]] = {}
        for name, declared in self._declared.items():
            if declared is None:
                raise OnnxError(
                    f"the input {name!r} is {kind_text(self._inputs[name])}, which is not supported"
                )
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


def _static(declared: Any) -> bool:
    return declared is not None and declared[1] is not None and all(type(d) is int for d in declared[1])


def _argument(value: Any) -> NodeArg:
    declared = declared_type(value)
    if declared is None:
        return NodeArg(value.name, [], kind_text(value))
    kind = ELEMENT_TYPES.get(declared[0])
    text = TYPE_NAMES[kind] if kind else f"tensor({type_text(declared[0]).lower()})"
    return NodeArg(value.name, list(declared[1] or []), text)


def _check_input(name: str, array: np.ndarray, declared: Any, extents: dict[str, tuple[str, int]]) -> None:
    """Raise ValueError where an array is not what an input of the model has to be."""
    number, dims = declared
    if array.dtype != _DTYPES.get(number):
        needed = ELEMENT_TYPES.get(number) or type_text(number)
        raise ValueError(f"the input {name!r} is {array.dtype.name}; {needed} is needed")
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
        elif dim is not None and dim.isidentifier():
            other, first = extents.setdefault(dim, (name, extent))
            if first != extent:
                raise ValueError(
                    f"the input {name!r} has {extent} for the dimension {dim!r}, and {other!r} has {first}"
                )


def _words(dims: Sequence[Any]) -> str:
    return f"({', '.join('?' if d is None else str(d) for d in dims)})"


_DTYPES = {number: np.dtype(name) for number, name in ELEMENT_TYPES.items()}
