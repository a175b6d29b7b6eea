"""How fast do trees that our compiler has compiled score tables and single rows, beside other scorers?

Run with ``python -m benchmarks scorer`` on a machine that does nothing else; with ``ESPALIER_CPU=x86-64-v3``
all of ours is held to AVX2. Compared are the margins of 500 trees on one thread. Of our trees of depth 6: our
own prediction, treelite (its C code if tl2cgen and a C compiler are installed, else its interpreter GTIL) and
XGBoost; of LightGBM's trees of 31 leaves: lleaves, which compiles them with LLVM too, and LightGBM. What is
to be reached is half of our own prediction's time, and 1.2 times as fast as treelite and lleaves.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from benchmarks.interleave import interleave
from benchmarks.report import heading, table
from benchmarks.trees import datasets
from compiler.runtime import set_num_threads

ROUNDS = 500
SINGLE_ROWS = 200
OURS, OWN = "compiled", "our predict"
Predict = Callable[[np.ndarray], Any]


def depth_wise(rows: int, folder: Path) -> dict[str, Predict]:
    """What scores our trees of depth 6; ours is first."""
    import boost
    from costmodel.ensemble import compile_ensemble

    path = folder / "model.json"
    if not path.exists():
        problem = datasets.collisions(rows)
        params = {"objective": "binary:logistic", "max_depth": 6, "learning_rate": 0.1}
        trained = boost.train(params, boost.DMatrix(problem.X, problem.y), ROUNDS, verbose_eval=False)
        trained.save_model(path)
    model = boost.Booster({"nthread": 1}, model_file=path)
    ways: dict[str, Predict] = {
        OURS: partial(compile_ensemble(model).predict, output_margin=True),
        OWN: partial(model.inplace_predict, predict_type="margin"),
    }
    ways |= _treelite(path, folder)
    try:
        import xgboost
    except ImportError:
        return ways
    theirs = xgboost.Booster({"nthread": 1}, model_file=path)
    return {**ways, "xgboost": partial(theirs.inplace_predict, predict_type="margin")}


def leaf_wise(rows: int, folder: Path) -> dict[str, Predict]:
    """What scores LightGBM's trees of 31 leaves; ours is first."""
    import lightgbm

    import boost
    from costmodel.ensemble import compile_ensemble

    path = folder / "model.txt"
    if not path.exists():
        problem = datasets.collisions(rows)
        params = {"objective": "binary", "num_leaves": 31, "learning_rate": 0.1, "verbose": -1}
        lightgbm.train(params, lightgbm.Dataset(problem.X, problem.y), ROUNDS).save_model(path)
    model = boost.Booster({"nthread": 1}, model_file=path)
    theirs = lightgbm.Booster(model_file=path)
    ways: dict[str, Predict] = {
        OURS: partial(compile_ensemble(model).predict, output_margin=True),
        OWN: partial(model.inplace_predict, predict_type="margin"),
    }
    with suppress(ImportError):
        ways["lleaves"] = partial(_lleaves(path, folder / "lleaves.bin").predict, n_jobs=1)
    return {**ways, "lightgbm": partial(theirs.predict, num_threads=1, raw_score=True)}


def _treelite(path: Path, folder: Path) -> dict[str, Predict]:
    """treelite's compiled code or its interpreter, as far as they are installed."""
    try:
        import treelite
    except ImportError:
        return {}
    loaded = treelite.frontend.load_xgboost_model(str(path))
    with suppress(ImportError):
        import tl2cgen

        if shutil.which("gcc"):
            library = folder / "treelite.so"
            if not library.exists():
                tl2cgen.export_lib(loaded, "gcc", str(library), params={"parallel_comp": 8})
            compiled = tl2cgen.Predictor(str(library), nthread=1)
            return {"treelite C": lambda x: compiled.predict(tl2cgen.DMatrix(x), pred_margin=True)}
    return {"treelite GTIL": lambda x: treelite.gtil.predict(loaded, x, nthread=1, pred_margin=True)}


def _lleaves(path: Path, cache: Path) -> Any:
    """A compiled model of lleaves, whose two calls that newer llvmlite has not are given their successors."""
    import lleaves
    import lleaves.llvm_binding as binding
    import llvmlite.binding as llvm
    from lleaves.compiler import tree_compiler

    class Passes:
        """The passes of level 3, by the new pass manager."""

        def populate(self, manager: Any) -> None:
            pass

        def run(self, module: Any) -> None:
            machine = llvm.Target.from_default_triple().create_target_machine(llvm.get_host_cpu_name())
            options = llvm.create_pipeline_tuning_options(speed_level=3)
            options.inlining_threshold = 1
            builder = llvm.create_pass_builder(machine, options)
            builder.getModulePassManager().run(module, builder)

    if not hasattr(llvm, "PassManagerBuilder"):
        names = {name: getattr(llvm, name) for name in dir(llvm) if not name.startswith("__")}
        names |= {"PassManagerBuilder": Passes, "ModulePassManager": Passes, "initialize": lambda: None}
        tree_compiler.llvm = binding.llvm = SimpleNamespace(**names)
    model = lleaves.Model(model_file=str(path))
    model.compile(cache=str(cache), raw_score=True)
    return model


def compare(title: str, ways: dict[str, Predict], X: np.ndarray, turns: int) -> None:
    """Print two tables: all rows at once, and some of them one after the other."""
    arrays = {name: X.astype(np.float64) if name == "lleaves" else X for name in ways}
    some = {name: np.ravel(way(arrays[name][:2000])) for name, way in ways.items()}
    for name, margins in some.items():
        np.testing.assert_allclose(margins, some[OWN], rtol=1e-3, atol=1e-3, err_msg=name)

    def singly(way: Predict, rows: list[np.ndarray]) -> None:
        for row in rows:
            way(row)

    for case, factor, unit in ((f"{len(X):,} rows", 1e3, "ms"), ("1 row", 1e6 / SINGLE_ROWS, "us")):
        calls = {
            name: partial(way, arrays[name])
            if unit == "ms"
            else partial(singly, way, [arrays[name][i : i + 1] for i in range(SINGLE_ROWS)])
            for name, way in ways.items()
        }
        times = interleave(calls, rounds=turns, min_seconds=0.0)
        table(
            ("", f"{unit} [quartiles]", "ours is faster by"),
            [
                (
                    name,
                    times[name].spread.scaled(factor).format(2),
                    "" if name == OURS else times[OURS].speedup_over(times[name]).format(),
                )
                for name in ways
            ],
            title=f"{title}, {case}",
            threads=1,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rows", type=int, default=100_000, help="rows to score at once")
    parser.add_argument("--turns", type=int, default=9, help="times that each scores them")
    parser.add_argument("--keep", type=Path, help="folder for the models, which are read from it again")
    options = parser.parse_args()
    set_num_threads(1)
    heading("Compiled trees beside other scorers", "xgboost", "lightgbm", "treelite", "tl2cgen", "lleaves")
    X = datasets.collisions(options.rows).X
    with tempfile.TemporaryDirectory() as made:
        folder = options.keep or Path(made)
        title = f"{ROUNDS} trees of depth 6"
        compare(title, depth_wise(options.rows, folder), X, options.turns)
        try:
            ways = leaf_wise(options.rows, folder)
        except ImportError:
            return
        compare(f"{ROUNDS} trees of 31 leaves", ways, X, options.turns)


if __name__ == "__main__":
    main()
