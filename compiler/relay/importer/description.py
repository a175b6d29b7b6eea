"""`Description`: what a model file says about its inputs, outputs and itself, as plain data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from compiler.relay.importer.model import declared_type, graphs_of, kind_text, model_inputs
from compiler.relay.importer.tensors import ELEMENT_TYPES, TYPE_NAMES, type_text
from compiler.relay.importer.weights import HERE


@dataclass(frozen=True)
class Declared:
    """An input or output of a model.

    Parameters
    ----------
    name : str
    dtype : str, optional
        The element type; None for one that NumPy lacks, and for what is no tensor.
    dims : tuple of int, str or None, optional
        Extents or their names; None where the file does not even say how many.
    type : str
        As ``"tensor(float)"``.
    is_tensor : bool
    """

    name: str
    dtype: str | None
    dims: tuple[int | str | None, ...] | None
    type: str
    is_tensor: bool = True

    @property
    def is_static(self) -> bool:
        """Whether this is a tensor all of whose extents are known."""
        return self.is_tensor and self.dims is not None and all(type(d) is int for d in self.dims)


@dataclass
class Description:
    """What a model file says.

    Parameters
    ----------
    inputs, outputs : list of Declared
        Inputs without those that have a default.
    metadata : dict of str to object
        The fields of `ModelMetadata`.
    external : list of str
        Files in the model's folder that have data of it.
    deciding : list of str
        Inputs on whose values shapes depend, as far as that was found out.
    """

    inputs: list[Declared]
    outputs: list[Declared]
    metadata: dict[str, Any] = field(default_factory=dict)
    external: list[str] = field(default_factory=list)
    deciding: list[str] = field(default_factory=list)

    def record(self) -> dict[str, Any]:
        """It as JSON has it."""
        return asdict(self)

    @staticmethod
    def of_record(record: Mapping[str, Any]) -> Description:
        """The description of a record.

        Raises
        ------
        KeyError, TypeError
            If it is none.
        """

        def declared(entry: Mapping[str, Any]) -> Declared:
            dims = entry["dims"]
            return Declared(**{**entry, "dims": None if dims is None else tuple(dims)})

        sides = {side: [declared(entry) for entry in record[side]] for side in ("inputs", "outputs")}
        return Description(**{**record, **sides})


def described(proto: Any) -> Description:
    """The description of a ModelProto."""
    graph = proto.graph
    return Description(
        [_declared(value) for value in model_inputs(graph).values()],
        [_declared(value) for value in graph.output],
        {
            "producer_name": proto.producer_name,
            "graph_name": graph.name,
            "domain": proto.domain,
            "description": proto.doc_string,
            "graph_description": graph.doc_string,
            "version": proto.model_version,
            "custom_metadata_map": {entry.key: entry.value for entry in proto.metadata_props},
        },
        sorted(set(_external(graph))),
    )


def _declared(value: Any) -> Declared:
    found = declared_type(value)
    if found is None:
        return Declared(value.name, None, (), kind_text(value), False)
    number, dims = found
    dtype = ELEMENT_TYPES.get(number)
    text = TYPE_NAMES[dtype] if dtype else f"tensor({type_text(number).lower()})"
    return Declared(value.name, dtype, None if dims is None else tuple(dims), text)


def _external(graph: Any) -> Iterator[str]:
    for tensor in graph.initializer:
        if tensor.data_location == 1:
            places = [entry.value for entry in tensor.external_data if entry.key == "location"]
            yield from (place for place in places if place != HERE)
    for node in graph.node:
        for inner in graphs_of(node):
            yield from _external(inner)
