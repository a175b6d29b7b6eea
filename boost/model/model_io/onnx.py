"""`model_to_onnx`: a model as an ONNX graph, its trees as the operator TreeEnsemble."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from boost.atomic import new_file
from boost.encoding.encoding import ATTRIBUTE as ENCODING
from boost.errors import ModelError
from boost.model.model import Model
from boost.model.model_io.onnx_trees import sets_of, tree_attributes
from boost.objective.expectile import NARROWEST
from boost.objective.normal import FURTHEST

# Versions of the operators: the oldest that has TreeEnsemble, and one of the same time.
OPSET, TREES_OPSET, IR_VERSION = 21, 5, 10


class _Graph:
    """Nodes and constants of a graph; every value is named by what makes it."""

    def __init__(self, onnx: Any) -> None:
        self.onnx, self.nodes, self.constants = onnx, [], []  # type: Any, list[Any], list[Any]

    def constant(self, values: Any) -> str:
        """Return the name of an array."""
        name = f"constant{len(self.constants)}"
        array = np.asarray(values)
        array = array.astype(object) if array.dtype.kind in "US" else array
        self.constants.append(self.onnx.numpy_helper.from_array(array, name))
        return name

    def node(self, kind: str, *inputs: str, name: str = "", **attributes: Any) -> str:
        """Return the name of the result of an operator."""
        made = name or f"{kind.lower()}{len(self.nodes)}"
        self.nodes.append(self.onnx.helper.make_node(kind, list(inputs), [made], **attributes))
        return made

    def column(self, value: str, first: int, last: int) -> str:
        """Return the columns ``first`` to ``last - 1``."""
        bounds = [self.constant(np.array([k], np.int64)) for k in (first, last, 1)]
        return self.node("Slice", value, *bounds)


def _same(graph: _Graph, margin: str, model: Model) -> str:
    return margin


def _sigmoid(graph: _Graph, margin: str, model: Model) -> str:
    return graph.node("Sigmoid", margin)


def _exp(graph: _Graph, margin: str, model: Model) -> str:
    return graph.node("Exp", margin)


def _sorted(graph: _Graph, margin: str, model: Model) -> str:
    """The margins in order, at the places of their levels."""
    levels: list[float] = model.objective.levels  # type: ignore[attr-defined]
    if len(levels) == 1:
        return margin
    values, places = f"{margin}_sorted", f"{margin}_places"
    count = graph.constant(np.array([len(levels)], np.int64))
    graph.nodes.append(
        graph.onnx.helper.make_node("TopK", [margin, count], [values, places], axis=1, largest=0, sorted=1)
    )
    return graph.node("Gather", values, graph.constant(np.argsort(np.argsort(levels))), axis=1)


def _sums(graph: _Graph, margin: str, model: Model) -> str:
    """The lowest expectile and the gaps above it."""
    outputs = model.objective.n_outputs
    if outputs == 1:
        return margin
    above = graph.column(margin, 1, outputs)
    # softplus without overflow; onnxruntime has no Softplus of float64
    small = graph.node("Exp", graph.node("Neg", graph.node("Abs", above)))
    small = graph.node("Log", graph.node("Add", small, graph.constant(np.float64(1))))
    gaps = graph.node("Add", graph.node("Max", above, graph.constant(np.float64(0))), small)
    gaps = graph.node("Add", gaps, graph.constant(np.float64(NARROWEST)))
    parts = graph.node("Concat", graph.column(margin, 0, 1), gaps, axis=1)
    return graph.node("CumSum", parts, graph.constant(np.int64(1)))


def _normal(graph: _Graph, margin: str, model: Model) -> str:
    """The mean, and the exponential of the second margin."""
    bounds = [graph.constant(np.float64(b)) for b in (-FURTHEST, FURTHEST)]
    spread = graph.node("Exp", graph.node("Clip", graph.column(margin, 1, 2), *bounds))
    return graph.node("Concat", graph.column(margin, 0, 1), spread, axis=1)


def _probabilities(graph: _Graph, margin: str, model: Model) -> str:
    """The probabilities of all classes."""
    if model.objective.name.startswith("multi:"):
        return graph.node("Softmax", margin, axis=1)
    one = graph.node("Sigmoid", margin)
    return graph.node("Concat", graph.node("Sub", graph.constant(np.float64(1)), one), one, axis=1)


Transform = Callable[[_Graph, str, Model], str]
# From margins to predictions, by the objective.
TRANSFORMS: dict[str, Transform] = {
    **dict.fromkeys(("reg:squarederror", "reg:squaredlogerror", "reg:pseudohubererror"), _same),
    **dict.fromkeys(("reg:absoluteerror", "binary:logitraw"), _same),
    **dict.fromkeys(("rank:pairwise", "rank:ndcg", "rank:map"), _same),
    "reg:logistic": _sigmoid,
    **dict.fromkeys(("count:poisson", "reg:gamma", "reg:tweedie", "survival:cox", "survival:aft"), _exp),
    "reg:quantileerror": _sorted,
    "reg:expectileerror": _sums,
    "reg:normal": _normal,
    **dict.fromkeys(("binary:logistic", "multi:softprob", "multi:softmax"), _probabilities),
}
CLASSES = ("binary:logistic", "binary:hinge", "multi:softprob", "multi:softmax")


def model_to_onnx(model: Any, path: Any = None, *, input_name: str = "X") -> Any:
    """Return a model as an ONNX model, which onnxruntime 1.20 and later run.

    The trees are the operator TreeEnsemble of ai.onnx.ml, version 5, in float64, with the thresholds and the
    default directions of missing values as they are; results are cast to float32. A row is float32, NaN where
    a value is missing, and a column of categories holds their codes: the property "features" of the file, in
    JSON, has names, types and categories of the columns. Sets of categories become columns of zeros and ones,
    and trees whose leaves have several values are repeated for each output.

    The output is ``prediction``, float32 of shape (rows, outputs), what `Booster.predict` returns. For
    classification the outputs are ``label`` of shape (rows,), int64 or the classes of an estimator, and
    ``probabilities``, float32 of shape (rows, classes), which binary:hinge does not have.

    Parameters
    ----------
    model : Booster, or fitted estimator
        All its rounds; an estimator's are those that it predicts with.
    path : path, optional
        Also write the file, completely or not at all.
    input_name : str
        Name of the input, float32 of shape (rows, features).

    Returns
    -------
    onnx.ModelProto

    Raises
    ------
    ImportError
        Without the package onnx.
    ModelError
        For a model that was not trained, a custom loss, and columns that are derived from others.
    """
    onnx = _onnx()
    classes = getattr(model, "classes_", None)
    trained: Model = (_booster_of(model) if hasattr(model, "get_booster") else model).model
    _check(trained)
    graph = _Graph(onnx)
    margin = _margins(graph, trained, input_name)
    outputs = _outputs(graph, margin, trained, classes)
    tensor, helper = onnx.TensorProto, onnx.helper
    given = helper.make_tensor_value_info(input_name, tensor.FLOAT, ["rows", trained.n_features])
    infos = [helper.make_tensor_value_info(name, kind, shape) for name, kind, shape in outputs]
    body = helper.make_graph(graph.nodes, "trees", [given], infos, graph.constants)
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", TREES_OPSET)]
    made = helper.make_model(body, opset_imports=opsets, ir_version=IR_VERSION, producer_name="espalier")
    described = {
        "objective": trained.objective.name,
        "names": trained.feature_names,
        "types": trained.feature_types,
        "categories": {str(f): list(map(str, values or [])) for f, values in trained.categories.items()},
    }
    helper.set_model_props(made, {"features": json.dumps(described, ensure_ascii=False)})
    onnx.checker.check_model(made)
    if path is not None:
        with new_file(path) as file:
            file.write(made.SerializeToString())
    return made


def _onnx() -> Any:
    try:
        import onnx
        import onnx.numpy_helper
    except ImportError as error:
        raise ImportError("ONNX models need the package onnx: pip install 'espalier[onnx]'") from error
    return onnx


def _booster_of(estimator: Any) -> Any:
    """Return the booster of an estimator, with the rounds that it predicts with."""
    booster = estimator.get_booster()
    best = booster.model.best_iteration
    return booster if best is None else booster[: best + 1]


def _check(model: Model) -> None:
    if not model.n_features:
        raise ModelError("the model was not trained: it has no trees to export")
    if model.objective.name not in TRANSFORMS and model.objective.name != "binary:hinge":
        raise ModelError(
            f"{model.objective.name} has no form in ONNX, only {', '.join(sorted(TRANSFORMS))} have"
        )
    if model.attributes.get(ENCODING):
        raise ModelError(
            "columns of the model are derived from others (parts of dates, statistics of categories), which "
            "have no form in ONNX: train without them, or compile the model with costmodel.ensemble"
        )


def _margins(graph: _Graph, model: Model, input_name: str) -> str:
    """Return the margins, float64 of shape (rows, outputs)."""
    onnx = graph.onnx
    x = graph.node("Cast", input_name, to=onnx.TensorProto.DOUBLE)
    start = graph.constant(model.start_margin())
    if not model.forest.trees:
        zeros = graph.node("Mul", graph.column(x, 0, 1), graph.constant(np.zeros(1)))
        zeros = graph.node("Where", graph.node("IsNaN", zeros), graph.constant(np.zeros(1)), zeros)
        return graph.node("Add", zeros, start)
    sets = sets_of(model.forest)
    members = [_members(graph, x, feature, codes) for feature, codes in sets.items()]
    if members:
        x = graph.node("Concat", x, *members, axis=1)
    attributes = {
        name: onnx.numpy_helper.from_array(value, name) if isinstance(value, np.ndarray) else value
        for name, value in tree_attributes(model.forest, model.n_features, sets).items()
    }
    trees = graph.node("TreeEnsemble", x, domain="ai.onnx.ml", **attributes)
    return graph.node("Add", trees, start)


def _members(graph: _Graph, x: str, feature: int, sets: list[NDArray[np.int32]]) -> str:
    """Return a column for each set: 1 for its categories, 0 for others, NaN where the value is missing."""
    count = max(int(codes[-1]) for codes in sets) + 1
    table = np.zeros((count + 2, len(sets)))  # the last rows: no category, and a missing value
    for k, codes in enumerate(sets):
        table[codes, k] = 1
    table[-1] = np.nan
    value = graph.column(x, feature, feature + 1)
    above = graph.node("GreaterOrEqual", value, graph.constant(np.float64(0)))
    known = graph.node("And", above, graph.node("Less", value, graph.constant(np.float64(count))))
    code = graph.node("Where", known, value, graph.constant(np.float64(count)))
    code = graph.node("Where", graph.node("IsNaN", value), graph.constant(np.float64(count + 1)), code)
    code = graph.node("Cast", code, to=graph.onnx.TensorProto.INT64)
    code = graph.node("Squeeze", code, graph.constant(np.array([1], np.int64)))
    return graph.node("Gather", graph.constant(table), code, axis=0)


def _outputs(graph: _Graph, margin: str, model: Model, classes: Any) -> list[tuple[str, int, list[Any]]]:
    """Add the predictions; return names, types and shapes of the outputs."""
    tensor, name, outputs = graph.onnx.TensorProto, model.objective.name, model.objective.n_outputs
    if name not in CLASSES:
        values = TRANSFORMS[name](graph, margin, model)
        graph.node("Cast", values, name="prediction", to=tensor.FLOAT)
        return [("prediction", tensor.FLOAT, ["rows", outputs])]
    if name.startswith("multi:"):
        label = graph.node("ArgMax", margin, axis=1, keepdims=0)
    else:
        above = graph.node("Greater", margin, graph.constant(np.float64(0)))
        label = graph.node("Cast", above, to=tensor.INT64)
        label = graph.node("Squeeze", label, graph.constant(np.array([1], np.int64)))
    known = np.arange(max(2, outputs)) if classes is None else np.asarray(classes)
    text = known.dtype.kind not in "iub"
    graph.node("Gather", graph.constant(known.astype(str if text else np.int64)), label, name="label")
    made: list[tuple[str, int, list[Any]]] = [("label", tensor.STRING if text else tensor.INT64, ["rows"])]
    if name in TRANSFORMS:
        values = TRANSFORMS[name](graph, margin, model)
        graph.node("Cast", values, name="probabilities", to=tensor.FLOAT)
        made.append(("probabilities", tensor.FLOAT, ["rows", max(2, outputs)]))
    return made
