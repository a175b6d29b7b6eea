"""How kernels are compiled and kept; in fresh processes, because it happens once in a process."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import sketch
from sketch.jit import by_type, is_none, kernel

PROGRAM = """
import numpy as np
from sketch import Summary
from sketch.jit import NOTICE
{before}
print(Summary.from_values(np.float32([3, 1, 2])).value.astype(int).tolist(), NOTICE.count)
"""


def run(package: Path, cache: Path, before: str = "") -> tuple[str, str]:
    """Summarise 3, 1, 2 with a copy of the package; return what went to stdout and to stderr."""
    environment = {**os.environ, "PYTHONPATH": str(package.parent), "NUMBA_CACHE_DIR": str(cache)}
    program = PROGRAM.format(before=before)
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        check=True,
        text=True,
        capture_output=True,
        cwd=cache,
    )
    return done.stdout.strip(), done.stderr


@pytest.fixture
def package(tmp_path: Path) -> Path:
    copy = tmp_path / "copy" / "sketch"
    shutil.copytree(Path(sketch.__file__).parent, copy, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "cache").mkdir()
    return copy


@pytest.mark.slow
def test_what_is_compiled_is_kept_announced_and_compiled_anew_after_an_edit(
    package: Path, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    found, notice = run(package, cache)
    first, last = notice.splitlines()
    assert found == "[1, 2, 3] 1" and first == "espalier: compiling kernels for this machine, once"
    assert last.startswith("espalier: compiled 1 kernel in ")
    assert run(package, cache) == ("[1, 2, 3] 0", "")  # from the cache
    radix = package / "radix.py"
    radix.write_text(radix.read_text().replace("keys[j - 1] > key", "keys[j - 1] < key"))
    assert run(package, cache, "NOTICE.quiet = True") == ("[3, 2, 1] 1", "")  # a callee in another file


def test_numba_is_left_as_it_was() -> None:
    program = """
import numba.core.event as event
from numba.core import config
def listeners():
    return {kind: list(found) for kind, found in event._registered.items() if found}
before = config.SLP_VECTORIZE, listeners()
import sketch.kernels, boost.grow.hist
assert (config.SLP_VECTORIZE, listeners()) == before
"""
    subprocess.run([sys.executable, "-c", program], check=True)


@kernel()
def _half(x, n):
    return x / 2 if n > 1 else x


@kernel()
def _zero(x, n):
    return 0.0


@by_type
def half_or_zero(x, n):
    return _zero if is_none(x) else _half


@kernel(lazy=True)
def call(x, n):
    size = 0
    while size < n:  # a literal while types are inferred, then an integer
        size += 1
    return half_or_zero(x, size)


def test_a_callee_is_chosen_by_type_and_typed_once() -> None:
    assert call(3.0, 2) == 1.5 and call(None, 2) == 0.0
    # none where `call` came from the cache
    assert list(map(str, _half.signatures)) in (["(float64, int64)"], [])


def test_given_signatures_are_compiled_at_the_first_call() -> None:
    double = kernel("float64(float64)", "float64(float64[:])")(lambda x: 2.0)
    assert not double.signatures
    assert double(1) == 2.0 and len(double.signatures) == 1
    assert double(np.ones(2)) == 2.0 and double(3) == 2.0
    with pytest.raises(TypeError, match=r"has no kernel for \(unicode_type\)|No matching definition"):
        double("text")


MODULE = """
from sketch.jit import by_type, is_none, kernel

@kernel(allocates=False)
def half(x):
    return x / 2

@kernel(allocates=False)
def zero(x):
    return 0.0

@by_type
def half_or_zero(x):
    return zero if is_none(x) else half

@kernel(lazy=True, allocates=False)
def once(x):
    return half_or_zero(x)

@kernel("float64(float64)", allocates=False)
def twice(x):
    return half_or_zero(x) + once(x)
"""


def run_module(folder: Path, program: str) -> list[str]:
    """Run a program next to `MODULE`, in a fresh process; return the words that it prints."""
    (folder / "halves.py").write_text(MODULE)
    (folder / "cache").mkdir(exist_ok=True)
    root = Path(sketch.__file__).parent.parent
    environment = {
        **os.environ,
        "PYTHONPATH": f"{folder}{os.pathsep}{root}",
        "NUMBA_CACHE_DIR": str(folder / "cache"),
    }
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, check=True, text=True, capture_output=True
    )
    return done.stdout.split()


def test_another_entry_links_what_an_earlier_process_kept(tmp_path: Path) -> None:
    counts = "sum(half._cache_hits.values()), sum(half._cache_misses.values())"
    assert run_module(tmp_path, f"from halves import *; print(once(3.0), {counts})") == ["1.5", "0", "1"]
    assert run_module(tmp_path, f"from halves import *; print(twice(3), {counts})") == ["3.0", "1", "0"]


def test_kernels_of_an_untested_numba_are_compiled_by_its_own_pipeline(tmp_path: Path) -> None:
    program = (
        "import numba; numba.__version__ = '9.9.0'\n"
        "import sketch.jit\n"
        "from halves import *\n"
        "from sketch import Summary\n"
        "import numpy as np\n"
        "values = Summary.from_values(np.float32([3, 1, 2])).value.astype(int).tolist()\n"
        "print(sketch.jit._ENTRY.__name__, once(3.0), once(None), twice(3), *values)\n"
        "print(sketch.jit.NOTICE.count)\n"
    )
    assert run_module(tmp_path, program) == ["Compiler", "1.5", "0.0", "3.0", "1", "2", "3", "4"]
    assert run_module(tmp_path, program)[-1] == "0"  # from the cache
