"""`GraphImport`: the nodes of a graph in order, by their operators' conversions; all problems are kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from compiler.relay.importer.builder import Builder, is_constant
from compiler.relay.importer.converter import (  # noqa: F401 - they declare the conversions
    control,
    elementwise,
    images,
    indexing,
    layers,
    normalization,
    quantized,
    recurrent,
    reduction,
    shapes,
    signal,
)
from compiler.relay.importer.converter.table import Captures, NodeView, converter_of
from compiler.relay.importer.errors import Needed, NeedsValues, OnnxError, Unsupported
from compiler.relay.importer.model import DEEPEST, node_name, opsets
from compiler.relay.importer.tensors import ELEMENT_TYPES, TYPE_NAMES, array_of
from compiler.relay.importer.weights import Origin
from compiler.relay.language.expr import Span, Var
from compiler.relay.language.visit import free_vars

FAILED: Any = Unsupported("a value that a problem keeps from being made")
"""Takes the place of a value that was not made; None is an optional input that is left out."""


class Problems:
    """What keeps a model from being imported, all of it."""

    def __init__(self) -> None:
        self.unsupported: list[str] = []
        self.wrong: list[str] = []
        self.needed: dict[str, None] = {}
        self.needing: list[str] = []

        self.inputs: frozenset[Var] = frozenset()

    def check(self, params: Sequence[Var]) -> None:
        """Raise the error that says all of it, if there is a problem."""
        if self.wrong:
            raise OnnxError("the model is wrong:", [*self.wrong, *self.unsupported])
        if self.unsupported:
            raise OnnxError("the model uses what is not supported:", self.unsupported)
        if self.needing:
            raise NeedsValues([p.name for p in params if p.name in self.needed], self.needing)


class GraphImport:
    """The conversion of one graph; of a graph in a node, or the body of a function, with another around it.

    Parameters
    ----------
    builder : Builder
    problems : Problems
    origin : Origin
        Where external data are.
    versions : mapping
        Domain -> opset.
    functions : mapping
        (domain, name) -> FunctionProto of the model.
    """

    def __init__(
        self,
        builder: Builder,
        problems: Problems,
        origin: Origin,
        versions: Mapping[str, int],
        functions: Mapping[tuple[str, str], Any],
    ) -> None:
        self.builder = builder
        self.problems = problems
        self.origin = origin
        self.versions = versions
        self.functions = functions
        self.outer: GraphImport | None = None
        self.depth = 0
        self.prefix = ""
        self.values: dict[str, Any] = {}
        self.captures: Captures | None = None
        self.attributes: Mapping[str, Any] | None = None

    def _nested(self, versions: Mapping[str, int], prefix: str) -> GraphImport:
        found = GraphImport(self.builder, self.problems, self.origin, versions, self.functions)
        found.depth, found.prefix = self.depth + 1, f"{prefix} / "
        if found.depth > DEEPEST:
            raise OnnxError(f"functions and graphs are nested more than {DEEPEST} deep")
        return found

    def subgraph(
        self, graph: Any, inputs: Sequence[Any], prefix: str, captures: Captures | None = None
    ) -> list[Any]:
        """The outputs of a graph that is an attribute of a node; `FAILED` for one that was not made.

        Parameters
        ----------
        graph : GraphProto
        inputs : sequence of Expr
        prefix : str
            What the names of its nodes begin with in messages.
        captures : Captures, optional
            Where the graph becomes the body of a function.
        """
        if len(inputs) != len(graph.input):
            raise OnnxError(
                f"the graph {graph.name!r} has {len(graph.input)} inputs; {len(inputs)} are needed"
            )
        inner = self._nested(self.versions, prefix)
        inner.outer, inner.captures, inner.attributes = self, captures, self.attributes
        inner.initializers(graph)
        inner.values.update(zip((v.name for v in graph.input), inputs, strict=True))
        inner.nodes(graph.node)
        return [inner.lookup(v.name) for v in graph.output]

    def lookup(self, name: str) -> Any:
        """The value of a name; `FAILED` if it was not made because of a problem."""
        if name in self.values:
            return self.values[name]
        if self.outer is None:
            raise OnnxError(f"the value {name!r} is made by no node")
        found = self.outer.lookup(name)
        if self.captures is None or found is FAILED or found is None or is_constant(found):
            return found
        return self.captures.of(name, found)

    def initializers(self, graph: Any) -> None:
        """Bind the constants of a graph."""
        for tensor in graph.initializer:
            try:
                self.values[tensor.name] = self.builder.constant(array_of(tensor, self.origin))
            except Unsupported as error:
                self._fail(tensor.name, self.problems.unsupported, f"initializer {tensor.name}: {error}")
            except OnnxError as error:
                self._fail(tensor.name, self.problems.wrong, f"initializer {tensor.name}: {error}")
        for sparse in graph.sparse_initializer:
            name = sparse.values.name
            self._fail(
                name, self.problems.unsupported, f"initializer {name}: sparse tensors are not supported"
            )

    def _fail(self, name: str, into: list[str], text: str) -> None:
        into.append(text)
        self.values[name] = FAILED

    def nodes(self, nodes: Sequence[Any]) -> None:
        """Convert nodes in their order."""
        for number, node in enumerate(nodes):
            self.node(node, number)

    def node(self, proto: Any, number: int) -> None:
        """Convert a node; where that fails the problem is kept, and what depends on the node is left out."""
        name = node_name(proto, number, self.prefix)
        problems, before = self.problems, self.builder.span
        outputs: Sequence[Any] = (FAILED,) * len(proto.output)
        try:
            inputs = [self.lookup(i) if i else None for i in proto.input]
            if any(value is FAILED for value in inputs):
                self._check_known(proto)  # an unknown operator is reported even if its inputs are missing
            else:
                self.builder.span = Span(name)
                outputs = self._converted(proto, name, inputs)
        except Needed as need:
            self._need(need, name)
        except Unsupported as error:
            problems.unsupported.append(f"{name}: {error}")
        except Exception as error:
            text = str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"
            problems.wrong.append(f"{name}: {text}")
        finally:
            self.builder.span = before
        for index, output in enumerate(proto.output):
            if output:
                self.values[output] = outputs[index] if index < len(outputs) else FAILED

    def _need(self, need: Needed, name: str) -> None:
        names = {var.name: None for var in self.origins(need.expr)}
        self.problems.needed.update(names)
        about = f"{name}: {need.what}"
        if names:
            self.problems.needing.append(f"{about} depends on the value of {', '.join(map(repr, names))}")
        else:
            self.problems.unsupported.append(
                f"{about} depends on a value that is computed in a loop, or is large"
            )

    def origins(self, expr: Any) -> list[Var]:
        """The inputs of the model that an expression depends on."""
        found: dict[Var, None] = {}
        for var in free_vars(expr):
            if var in self.problems.inputs:
                found[var] = None
                continue
            scope: GraphImport | None = self
            while scope is not None:
                if scope.captures is not None and scope.outer is not None:
                    source = scope.captures.source(var)
                    for cause in scope.captures.causes if source is None else [source]:
                        found.update(dict.fromkeys(scope.outer.origins(cause)))
                    if source is not None:
                        break
                scope = scope.outer
        return list(found)

    def _check_known(self, proto: Any) -> None:
        domain = domain_of(proto)
        if converter_of(domain, proto.op_type, self.versions.get(domain, 1)) is not None:
            return
        schema = self._schema(proto)
        expands = schema is not None and (schema.has_function or schema.has_context_dependent_function)
        if (domain, proto.op_type) not in self.functions and not expands:
            raise Unsupported(f"the operator {_words(proto)} is not supported")

    def _schema(self, proto: Any) -> Any:
        domain = domain_of(proto)
        return schema_of(domain, proto.op_type, self.versions.get(domain, 1))

    def _converted(self, proto: Any, name: str, inputs: list[Any]) -> Sequence[Any]:
        domain = domain_of(proto)
        if self.attributes is not None:
            proto = _with_references(proto, self.attributes)
        function = self.functions.get((domain, proto.op_type))
        if function is not None:
            return self._expanded(function, proto, name, inputs)
        if domain not in self.versions:
            raise OnnxError(f"the opset of the domain {domain or 'ai.onnx'!r} is not given by the model")
        opset, schema = self.versions[domain], self._schema(proto)
        converter = converter_of(domain, proto.op_type, opset)
        if converter is None:
            body = self._body(schema, proto, inputs) if schema is not None else None
            if body is None:
                raise Unsupported(f"the operator {_words(proto)} of opset {opset} is not supported")
            return self._expanded(body, proto, name, inputs)
        if schema is not None:
            _check_node(proto, schema, inputs)
        made = converter(NodeView(proto, name, opset, self.builder, schema, self), *inputs)
        outputs = list(made) if isinstance(made, (list, tuple)) else [made]
        if any(proto.output[len(outputs) :]):
            raise Unsupported(
                f"{_words(proto)} with {len(proto.output)} outputs; {len(outputs)} are supported"
            )
        return outputs

    def _body(self, schema: Any, proto: Any, inputs: Sequence[Any]) -> Any:
        """The function that defines an operator, where the standard has one."""
        from onnx import FunctionProto

        newest = max(self.versions[domain_of(proto)], schema.since_version)
        plain = [v for v in schema.function_opset_versions if v <= newest]
        by_types = [v for v in schema.context_dependent_function_opset_versions if v <= newest]
        if plain:
            data = schema.get_function_with_opset_version(max(plain))
        elif by_types:
            types = [_type_proto(i).SerializeToString() for i in inputs]
            data = schema.get_context_dependent_function_with_opset_version(
                max(by_types), proto.SerializeToString(), types
            )
        else:
            return None
        if not data:
            return None
        body = FunctionProto()
        body.ParseFromString(data)
        for attribute in schema.attributes.values():
            if attribute.default_value.type:
                body.attribute_proto.append(attribute.default_value)
        return body

    def _expanded(self, function: Any, proto: Any, name: str, inputs: Sequence[Any]) -> list[Any]:
        """The outputs of a function's body on these inputs."""
        if len(inputs) > len(function.input):
            raise OnnxError(f"{len(inputs)} inputs are given; the function has {len(function.input)}")
        inner = self._nested({**self.versions, **opsets(function)}, name)
        inner.values = dict.fromkeys(function.input)
        inner.values.update(zip(function.input, inputs, strict=False))
        inner.attributes = {a.name: a for a in [*function.attribute_proto, *proto.attribute]}
        inner.nodes(function.node)
        used = [*map(bool, proto.output), *[False] * len(function.output)]
        return [inner.lookup(o) if u else FAILED for o, u in zip(function.output, used, strict=False)]


def domain_of(proto: Any) -> str:
    """The domain of a node; the default one has two names."""
    return "" if proto.domain == "ai.onnx" else str(proto.domain)


def _words(proto: Any) -> str:
    return f"{proto.domain}.{proto.op_type}" if domain_of(proto) else str(proto.op_type)


@lru_cache(maxsize=4096)
def schema_of(domain: str, name: str, opset: int) -> Any:
    """The schema of an operator at an opset, if it has one."""
    from onnx import defs

    try:
        return defs.get_schema(name, opset, domain)
    except defs.SchemaError:
        return None


@lru_cache(maxsize=4096)
def _limits(schema: Any) -> tuple[Any, ...]:
    """What a node is checked against: numbers of inputs and outputs, attributes, types of inputs."""
    allowed = {c.type_param_str: frozenset(c.allowed_type_strs) for c in schema.type_constraints}
    inputs = [(i.name, i.type_str, i.option.name, allowed.get(i.type_str)) for i in schema.inputs]
    counts = schema.min_input, schema.max_input, schema.min_output, schema.max_output
    return (*counts, frozenset(schema.attributes), inputs)


def _check_node(proto: Any, schema: Any, inputs: Sequence[Any]) -> None:
    """Raise OnnxError for a node that its operator's schema does not allow."""
    least, most, least_out, most_out, attributes, formal = _limits(schema)
    if not least <= len(inputs) <= most:
        raise OnnxError(f"{len(inputs)} inputs are given; {proto.op_type} has {least} to {most}")
    if not least_out <= len(proto.output) <= most_out:
        raise OnnxError(f"{len(proto.output)} outputs; {proto.op_type} has {least_out} to {most_out}")
    for attribute in proto.attribute:
        if attribute.name not in attributes:
            raise Unsupported(f"the attribute {attribute.name} does not exist at this opset")
    seen: dict[str, str] = {}
    for number, value in enumerate(inputs):
        name, parameter, option, allowed = formal[min(number, len(formal) - 1)]
        if value is None:
            if option == "Single":
                raise OnnxError(f"the input {name} is missing")
            continue
        kind = TYPE_NAMES.get(getattr(value.checked_type, "dtype", ""), "a tuple")
        if allowed is not None and kind not in allowed:
            raise OnnxError(f"the input {name} is {kind}; {', '.join(sorted(allowed))} are allowed")
        variadic_types = option == "Variadic" and parameter.startswith("V")  # of Loop, Scan: each has its own
        if allowed is not None and not variadic_types and seen.setdefault(parameter, kind) != kind:
            raise OnnxError(
                f"the input {name} is {kind}; another one is {seen[parameter]}, and they have one type"
            )


def _with_references(proto: Any, attributes: Mapping[str, Any]) -> Any:
    """A node of a function's body with the attributes that the function was given."""
    if not any(a.ref_attr_name for a in proto.attribute):
        return proto
    changed = type(proto)()
    changed.CopyFrom(proto)
    del changed.attribute[:]
    for attribute in proto.attribute:
        if not attribute.ref_attr_name:
            changed.attribute.append(attribute)
        elif attribute.ref_attr_name in attributes:
            given = changed.attribute.add()
            given.CopyFrom(attributes[attribute.ref_attr_name])
            given.name = attribute.name
    return changed


def _type_proto(expr: Any) -> Any:
    """The type of a value as the definitions of functions read it."""
    from onnx import TypeProto

    made = TypeProto()
    if expr is None:
        return made
    made.tensor_type.elem_type = _NUMBERS[expr.checked_type.dtype]
    made.tensor_type.shape.SetInParent()
    for dim in expr.checked_type.shape:
        entry = made.tensor_type.shape.dim.add()
        if type(dim) is int:
            entry.dim_value = dim
    return made


_NUMBERS = {name: number for number, name in ELEMENT_TYPES.items()}
