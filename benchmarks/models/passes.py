"""What does each pass of the optimiser bring: the time of a model without it, against that with all passes?

The models are those of `benchmarks/models/zoo.py` that are in the folder `--models`; without any, two
networks that are made here: convolutions with batch normalization and parallel branches, and a layer of a
transformer. Programs come from the cache on disk where an earlier run has compiled them.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, cast
from unittest.mock import patch

import numpy as np

from benchmarks.interleave import interleave
from benchmarks.models.zoo import MODELS, file_of
from benchmarks.report import heading, table
from compiler.relay import (
    Call,
    Expr,
    Function,
    IRModule,
    TensorType,
    TupleGetItem,
    Var,
    build,
    constant,
    from_onnx,
    op,
)
from compiler.relay.execute.planning import compile as planning
from compiler.relay.execute.settings import FUSE
from compiler.relay.optimize.pipeline import PASSES

QUESTION = "Time of models without a pass, as a multiple of the time with all"
NAMES = tuple(p.name for p in PASSES)
LEFT_OUT = {
    "fusion": (FUSE,),
    "simplification of inference": ("simplify_inference",),
    "constant folding": ("fold_constant", "fold_constants_again"),
    "recognition of patterns": ("recognize",),
    "folding of scales into weights": ("fold_scale_axis",),
    "combining of parallel operators": ("combine_parallel",),
    "canonical forms": ("canonicalize", "canonicalize_again"),
    "common subexpressions": ("eliminate_common_subexpressions",),
    "all passes, fusion too": (*NAMES, FUSE),
}
IN_PLACE = "results in the memory of arguments"


def weight(rng: np.random.Generator, *shape: int) -> Expr:
    """A constant of the scale that keeps the variance."""
    return constant((rng.standard_normal(shape) / np.sqrt(np.prod(shape[1:]) or 1)).astype("float32"))


def normalized(rng: np.random.Generator, x: Expr, channels: int) -> Expr:
    """Batch normalization and ReLU."""
    ones = [constant(rng.uniform(0.5, 1.5, channels).astype("float32")) for _ in range(4)]
    return op("nn.relu")(TupleGetItem(op("nn.batch_norm")(x, *ones), 0))


def convolutions(rng: np.random.Generator) -> IRModule:
    """Two blocks of parallel convolutions with batch normalization, and a classifier."""
    x = Var("x", TensorType((1, 3, 64, 64)))
    y: Expr = normalized(rng, op("nn.conv2d")(x, weight(rng, 32, 3, 3, 3), padding=(1, 1, 1, 1)), 32)
    for _ in range(2):
        branches = [op("nn.conv2d")(y, weight(rng, 32, 32, 3, 3), padding=(1, 1, 1, 1)) for _ in range(2)]
        y = op("add")(*(normalized(rng, branch, 32) for branch in branches))
        y = normalized(rng, op("nn.conv2d")(y, weight(rng, 32, 1, 3, 3), groups=32, padding=(1, 1, 1, 1)), 32)
    y = op("mean")(y, axis=(2, 3))
    return IRModule.from_expr(Function((x,), op("nn.softmax")(op("nn.dense")(y, weight(rng, 10, 32)))))


def transformer(rng: np.random.Generator) -> IRModule:
    """A layer of a transformer."""
    length, width, heads = 128, 128, 4
    x = Var("x", TensorType((length, width)))

    def project(value: Expr, size: int) -> Call:
        return op("nn.bias_add")(op("nn.dense")(value, weight(rng, size, width)), weight(rng, size), axis=-1)

    parts = [project(x, width) for _ in range(3)]
    split = [
        op("transpose")(op("reshape")(p, newshape=(length, heads, width // heads)), axes=(1, 0, 2))
        for p in parts
    ]
    scores = op("multiply")(
        op("nn.batch_matmul")(split[0], split[1]), constant(np.float32((width / heads) ** -0.5))
    )
    mixed = op("nn.batch_matmul")(op("nn.softmax")(scores, axis=-1), split[2], transpose_b=False)
    joined = op("reshape")(op("transpose")(mixed, axes=(1, 0, 2)), newshape=(length, width))
    scale, shift = constant(np.ones(width, "float32")), constant(np.zeros(width, "float32"))
    y = op("nn.layer_norm")(op("add")(x, project(joined, width)), scale, shift, axis=-1)
    inner = op("nn.gelu")(project(y, 4 * width))
    return IRModule.from_expr(
        Function((x,), op("add")(y, op("nn.dense")(inner, weight(rng, width, 4 * width))))
    )


def models(options: argparse.Namespace) -> Iterator[tuple[str, IRModule, list[np.ndarray]]]:
    """Names, modules, and the arrays of a call."""
    found = [m for m in MODELS if any(part in m.name for part in options.only.split(","))]
    found = [m for m in found if options.models is not None and file_of(m, options.models).is_file()]
    for model in found:
        feed = model.inputs(np.random.default_rng(0))
        module = from_onnx(str(file_of(model, options.models)), shapes={n: a.shape for n, a in feed.items()})
        yield model.name, module, [feed[param.name] for param in module.main.params]
    if not found:
        for name, make in (("convolutions", convolutions), ("transformer", transformer)):
            module = make(np.random.default_rng(0))
            shape = cast(TensorType, module.main.params[0].annotation).dims
            yield name, module, [np.random.default_rng(1).standard_normal(shape).astype("float32")]


def programs(module: IRModule) -> Iterator[tuple[str, Any]]:
    """The compiled program with all passes, then without each."""
    yield "", build(module)
    for name, without in LEFT_OUT.items():
        yield name, build(module, without=without)
    with patch.object(planning, "in_place", lambda *_: None):
        yield IN_PLACE, build(module, cache=False)


def measure(name: str, module: IRModule, arrays: list[np.ndarray], rounds: int) -> list[list[str]]:
    """The rows of a model."""
    made = dict(programs(module))
    expected = made[""](*arrays)
    for program in made.values():
        _compare(program(*arrays), expected)
    ways: dict[str, Callable[[], Any]] = {key: partial(program, *arrays) for key, program in made.items()}
    times = interleave(ways, rounds=rounds, min_seconds=0.01)
    rows = []
    for key, program in made.items():
        ratio = times[""].speedup_over(times[key])
        rows.append(
            [
                f"{name}: {f'without {key}' if key else 'with all passes'}",
                times[key].spread.scaled(1e3).format(2),
                ratio.format(2),
                str(len(program.calls)),
                f"{program.plan.peak / made[''].plan.peak:.2f}",
            ]
        )
        print(" | ".join(rows[-1]), flush=True)
    return rows


def _compare(found: Any, expected: Any) -> None:
    """Passes change the rounding alone."""
    if isinstance(expected, tuple):
        for a, b in zip(found, expected, strict=True):
            _compare(a, b)
    elif expected.size:
        scale = float(np.abs(expected.astype(float)).max())
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-3 * scale)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=Path, help="the folder of the real models")
    parser.add_argument(
        "--only", default="orinet,rec,MiniLM", help="parts of models' names, with commas between"
    )
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--compile-only", action="store_true", help="fill the cache on disk, time nothing")
    options = parser.parse_args()
    heading(QUESTION)
    rows: list[list[str]] = []
    for name, module, arrays in models(options):
        if options.compile_only:
            print(name, len(dict(programs(module))), flush=True)
        else:
            rows += measure(name, module, arrays, options.rounds)
    if rows:
        table(("model", "ms", "times as long", "kernels", "arena, relative"), rows, threads=1)


if __name__ == "__main__":
    main()
