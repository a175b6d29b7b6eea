"""A reduction over whole tiles, and copies of its operands in the order in which tiles read them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from math import prod

from compiler.ir.address import in_type
from compiler.ir.calls import call
from compiler.ir.expr import Expr, Var, binary, const, minimum
from compiler.ir.visit import substitute
from compiler.ops.derive.access import extents, shape_of
from compiler.ops.derive.blocking import Choices
from compiler.ops.derive.graph import Element, Rewriting
from compiler.ops.derive.tile import Operand, Tile, needs_copy
from compiler.ops.tiles import covering
from compiler.te.axis import IterVar, new_axis
from compiler.te.reducer import Reduction
from compiler.te.tensor import Compute, Operation, ReadRewriter, TensorRead


@dataclass(frozen=True)
class Tiled:
    """A reduction over whole tiles, with its packed operands."""

    op: Compute
    packed: tuple[tuple[Compute, str], ...]
    """Each packed operand, and where it is computed."""
    counts: tuple[int, ...]
    """The extents of the reduction itself."""

    def element(self, index: int, tile: Tile) -> Element:
        """The element of a tensor of the reduction among the tiles."""

        outputs, counts = self.op.output(index), self.counts

        def at(indices: tuple[Expr, ...]) -> Expr:
            outer = [i // f if f > 1 else i for i, f in zip(indices, tile.factors, strict=True)]
            value = outputs[(*outer, *(indices[d] % tile.factors[d] for d in tile.inner()))]
            for d in tile.inner():
                if tile.factors[d] > counts[d]:
                    # never chosen; but bound inference must see that the tile is computed to its end
                    last = [indices[e] % f if e != d else const(f - 1) for e, f in within]
                    value = call("if_then_else", indices[d] < counts[d], value, outputs[(*outer, *last)])
            return value

        within = [(d, tile.factors[d]) for d in tile.inner()]
        return at


def tiled(
    op: Compute, choices: Choices, wanted: Mapping[TensorRead, str], single: Set[Operation] = frozenset()
) -> Tiled:
    """The reduction over whole tiles: the last tile along an axis may extend past the end of it.

    Parameters
    ----------
    op : Compute
    choices : Choices
    wanted : mapping of TensorRead to str
        Where to compute the packed copy of each operand, or ``"none"``.
    single : set of Operation
        Those that are computed in the copies of what they define.
    """
    tile = choices.tile
    counts = extents(op.axes)
    blocks = [
        choices.blocks(d, covering(n, f)) for d, (n, f) in enumerate(zip(counts, tile.factors, strict=True))
    ]
    # whole blocks: without a condition around the sums of a tile, they stay in registers
    outer = [new_axis(f"{a.name}_t", prod(b)) for a, b in zip(op.axes, blocks, strict=True)]
    inner = {d: new_axis(f"{op.axes[d].name}_i", tile.factors[d]) for d in tile.inner()}
    values: dict[Var, Expr] = {}
    for d, (axis, count, factor) in enumerate(zip(op.axes, counts, tile.factors, strict=True)):
        place: Expr = outer[d].var
        if outer[d].extent > covering(count, factor):
            place = minimum(place, covering(count, factor) - 1)
        if d in inner:
            place = binary("+", binary("*", place, factor), inner[d].var)
            if count % factor:
                place = minimum(place, count - 1)
        values[axis.var] = in_type(place, axis.dtype)
    packed: list[tuple[Compute, str]] = []
    copies: dict[TensorRead, TensorRead] = {}

    def read(node: TensorRead) -> Expr:
        where = wanted.get(node, "none")
        operand = Operand.of(op, node)
        if not operand.can_pack(tile) or (where == "none" and not needs_copy(op, operand, tile)):
            return node
        if node not in copies:
            made, copy = _packed(op, operand, tile, outer, inner, values)
            source = node.tensor.op
            if source in single and isinstance(source, Compute):
                inside = Rewriting()
                inside.inline(source, source)
                inlined = inside(made)
                assert isinstance(inlined, Compute)
                copy = TensorRead(inlined.output(), copy.indices)
                made = inlined
            packed.append((made, "block" if where == "none" else where))
            copies[node] = copy
        return copies[node]

    replace = ReadRewriter(read)

    def rewrite(expr: Expr) -> Expr:
        return substitute(replace(expr), values)

    reduction = op.reduction
    assert reduction is not None
    condition = None if reduction.condition is None else rewrite(reduction.condition)
    body = tuple(map(rewrite, op.body))
    made = Compute.of(
        f"{op.name}_tile",
        (*outer, *inner.values()),
        body,
        Reduction(reduction.reducer, reduction.axes, condition),
    )
    return Tiled(made, tuple(packed), counts)


def _packed(
    op: Compute,
    operand: Operand,
    tile: Tile,
    outer: Sequence[IterVar],
    inner: Mapping[int, IterVar],
    values: Mapping[Var, Expr],
) -> tuple[Compute, TensorRead]:
    """A copy in which the elements that a tile reads in one step are adjacent, and the read of it."""
    tensor, indices = operand.read.tensor, operand.read.indices
    divided = {k: d for k, d in operand.axes.items() if tile.factors[d] > 1}
    whole = [k for k in range(len(indices)) if k not in divided]
    first = [k for k in whole if k in operand.axes]
    rest = [k for k in whole if k not in operand.axes]
    last = sorted(divided, key=lambda k: tile.inner().index(divided[k]))
    kept = {k: new_axis(f"d{k}", shape_of(tensor)[k]) for k in whole}
    tiles = {k: new_axis(f"t{k}", outer[d].extent) for k, d in divided.items()}
    within = {k: new_axis(f"i{k}", tile.factors[d]) for k, d in divided.items()}
    places: list[Expr] = []
    conditions = []
    for k in range(len(indices)):
        if k in kept:
            places.append(kept[k].var)
            continue
        place = binary("+", binary("*", tiles[k].var, tile.factors[divided[k]]), within[k].var)
        places.append(place)
        count = op.axes[divided[k]].extent
        if count < outer[divided[k]].extent * tile.factors[divided[k]]:
            conditions.append(binary("<", place, count))
    value: Expr = tensor[tuple(places)]
    for condition in conditions:
        value = call("if_then_else", condition, value, const(0, value.dtype))
    axes = [*(kept[k] for k in first), *tiles.values(), *(kept[k] for k in rest), *(within[k] for k in last)]
    copy = Compute.of(f"{tensor.name}_packed", tuple(axes), (value,))
    at = [
        *(substitute(indices[k], values) for k in first),
        *(outer[d].var for d in divided.values()),
        *(substitute(indices[k], values) for k in rest),
        *(inner[divided[k]].var for k in last),
    ]
    return copy, TensorRead(copy.output(), tuple(at))
