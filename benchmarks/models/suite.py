"""The test suite that comes with the package `onnx`: its cases, and whether a session passes them."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

KINDS = ("node", "simple", "pytorch-converted", "pytorch-operator", "real")
"""Nodes; small models; models of old PyTorch; networks whose weights are generated."""


@dataclass(frozen=True)
class Case:
    """A model with inputs and the outputs that it should give.

    Parameters
    ----------
    name : str
    model : bytes or Path
    data : list of (inputs, outputs)
    rtol, atol : float
        What the suite allows.
    """

    name: str
    model: bytes | Path
    data: list[tuple[list[Any], list[Any]]]
    rtol: float
    atol: float


def cases(kind: str, pattern: str = "") -> Iterator[Case]:
    """The cases of a kind whose names a regular expression finds."""
    import onnx
    from onnx.backend.test.loader import load_model_tests

    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        found = load_model_tests(kind=kind)
    root = Path(str(onnx.__file__)).resolve().parent.parent
    case: Any
    for case in found:
        if not re.search(pattern, case.name):
            continue
        if kind == "node":
            data = [([_array(v) for v in i], [_array(v) for v in o]) for i, o in case.data_sets]
            yield Case(case.name, case.model.SerializeToString(), data, case.rtol, case.atol)
        elif case.model_dir is not None:
            folder = Path(case.model_dir)
            sets = sorted(folder.glob("test_data_set*"))
            data = [(_files(s, "input"), _files(s, "output")) for s in sets]
            yield Case(case.name, folder / "model.onnx", data, case.rtol, case.atol)
        else:
            path = root / case.url
            yield Case(case.name, path, [_generated(path)], case.rtol, case.atol)


def _array(value: Any) -> Any:
    from onnx import TensorProto, numpy_helper

    if isinstance(value, TensorProto):
        return numpy_helper.to_array(value)
    return np.asarray(value) if np.isscalar(value) else value


def _read(path: Path) -> Any:
    from onnx import TensorProto, numpy_helper

    tensor = TensorProto()
    try:
        tensor.ParseFromString(path.read_bytes())
        return numpy_helper.to_array(tensor)
    except Exception:
        return None


def _files(folder: Path, kind: str) -> list[Any]:
    count = len(list(folder.glob(f"{kind}_*.pb")))
    return [_read(folder / f"{kind}_{i}.pb") for i in range(count)]


def _generated(path: Path) -> tuple[list[Any], list[Any]]:
    """The inputs that the suite makes for a network, and the outputs that are stored beside it."""
    import onnx

    graph = onnx.load(path).graph
    given = {t.name for t in graph.initializer}
    inputs = []
    for value in graph.input:
        if value.name not in given:
            shape = tuple(d.dim_value for d in value.type.tensor_type.shape.dim)
            size = int(np.prod(shape))
            inputs.append((np.arange(size) / size).reshape(shape).astype("float32"))
    outputs = [_read(path.with_name(f"{path.stem}_output_{i}.pb")) for i in range(len(graph.output))]
    return inputs, outputs


def difference(expected: Any, given: Any, rtol: float, atol: float) -> str:
    """What is wrong with an output; empty if nothing is."""
    if not isinstance(expected, np.ndarray):
        return f"the suite expects {type(expected).__name__}"
    if expected.dtype != given.dtype or expected.shape != given.shape:
        return f"{given.dtype}{given.shape} instead of {expected.dtype}{expected.shape}"
    if expected.dtype.kind in "biu":
        return "" if np.array_equal(expected, given) else "other values"
    if np.allclose(given, expected, rtol=rtol, atol=atol, equal_nan=True):
        return ""
    return f"other values, by up to {np.nanmax(np.abs(given.astype(float) - expected.astype(float))):.3g}"


def outcome(case: Case, session: Callable[[Any], Any]) -> tuple[str, str]:
    """Whether a case passes: ``"pass"``, ``"fail"`` or ``"left out"``, and the reason.

    Parameters
    ----------
    case : Case
    session : callable
        ``session(model)`` makes what runs it, with onnxruntime's interface.
    """
    from compiler.relay.importer import OnnxError

    try:
        running = session(case.model)
        names = [i.name for i in running.get_inputs()]
        for inputs, outputs in case.data:
            given = running.run(None, dict(zip(names, inputs, strict=False)))
            for expected, value in zip(outputs, given, strict=True):
                if wrong := difference(expected, value, case.rtol, case.atol):
                    return "fail", wrong
    except OnnxError as error:
        text = "; ".join(error.problems) or str(error)
        refused = "not support" in str(error)
        return ("left out" if refused else "fail"), text
    except Exception as error:
        return "fail", f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
    return "pass", ""


def reason(text: str) -> str:
    """A reason without the names of nodes and values, so that equal ones are counted together."""
    text = re.sub(r"the (input|output) '[^']*'", r"an \1", text.split("; ")[0])
    return re.sub(
        r"^.*?(?=the operator|the element type|has the element|dropout)", "", re.sub(r"-> \S+:?", "", text)
    )
