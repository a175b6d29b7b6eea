"""Compile the kernels of common fits ahead of time, so that a wheel can carry their machine code.

Run with ``python -m boost.kernel_library [FOLDER]`` before the wheel is built. Small fits of regression,
binary and multiclass classification and ranking, and one of a large table, show which kernels are needed, for
which types; these are then compiled for each level of x86-64 (v2, v3, v4), on any x86-64 CPU. A machine that
installs the wheel loads the code of its own level, see `sketch.kernel_cache.use_library`, as long as the
sources, Python, Numba and llvmlite are those of the build. Else, and for kernels that are not there, it
compiles.
"""

from __future__ import annotations

import argparse
import importlib
import os
import pickle
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import boost
from sketch.jit import ENTRIES
from sketch.kernel_cache import LEVELS

FOLDER = Path(__file__).parent / "machine_code"


def fits() -> Iterator[tuple[dict[str, Any], boost.DMatrix]]:
    """Yield parameters and tables that meet the kernels of common fits."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((3000, 12)).astype(np.float32)
    y = x[:, 0] * x[:, 1] + x[:, 2]
    classes = np.clip(np.round(y), -1, 1) + 1
    missing = np.where(rng.random(x.shape) < 0.2, np.float32(np.nan), x)
    yield {}, boost.DMatrix(x, label=y)
    yield {"objective": "binary:logistic"}, boost.DMatrix(missing, label=y > 0, weight=rng.random(3000))
    yield {"objective": "multi:softprob", "num_class": 3}, boost.DMatrix(x, label=classes)
    yield {"objective": "rank:ndcg"}, boost.DMatrix(x, label=classes, group=[30] * 100)
    large = rng.standard_normal((70_000, 12)).astype(np.float32)
    yield {"nthread": 2}, boost.DMatrix(large, label=large[:, 0])


def needed() -> list[tuple[str, str, tuple[Any, ...]]]:
    """Return module, name and types of the kernels that common fits need, in this process."""
    for params, data in fits():
        model = boost.train({"verbosity": 0, **params}, data, 2)
        model.predict(data)
        model.predict(data, pred_leaf=True)
    return [(k.py_func.__module__, k.py_func.__name__, types) for k in ENTRIES for types in list(k.overloads)]


def export(folder: Path, level: str, kernels: list[tuple[str, str, tuple[Any, ...]]]) -> None:
    """Compile kernels for the level that this process was started for."""
    for module, name, types in kernels:
        getattr(importlib.import_module(module), name).export(types, folder, level)


def build(folder: Path, levels: list[str]) -> None:
    """Write the machine code of some levels, in place of all that the folder held."""
    shutil.rmtree(folder, ignore_errors=True)
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "kernels"
        file.write_bytes(pickle.dumps(needed()))
        for level in levels:
            environment = {
                **os.environ,
                "NUMBA_CPU_NAME": level,
                "NUMBA_CPU_FEATURES": "",
                "NUMBA_CACHE_DIR": str(Path(scratch) / level),
            }
            command = [sys.executable, "-m", "boost.kernel_library", str(folder)]
            subprocess.run([*command, "--level", level, "--kernels", str(file)], env=environment, check=True)
            size = sum(f.stat().st_size for f in (folder / level).rglob("*") if f.is_file())
            print(f"{level}: {size / 1e6:.1f} MB in {folder / level}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", nargs="?", type=Path, default=FOLDER)
    parser.add_argument("--levels", nargs="+", choices=list(LEVELS), default=list(LEVELS))
    parser.add_argument("--level", choices=list(LEVELS), help=argparse.SUPPRESS)
    parser.add_argument("--kernels", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.level:
        export(options.folder, options.level, pickle.loads(options.kernels.read_bytes()))
    else:
        build(options.folder, options.levels)


if __name__ == "__main__":
    main()
