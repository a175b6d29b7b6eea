"""Module files: saved, loaded in another process, and refused when something is wrong with them."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import compiler
from compiler.backend import Target, build
from compiler.ir.expr import Buffer, Load, Var
from compiler.ir.function import PrimFunc
from compiler.ir.stmt import Allocate, For, Seq, Store
from compiler.runtime import Module, ModuleFileError
from compiler.runtime.artifact import MAGIC, VERSION, Artifact

i, j = Var("i"), Var("j")


def program() -> PrimFunc:
    """With a size, a workspace and a parallel loop: B[n - 1 - i] = A[i] + 1."""
    n = Var("n", bounds=(1, 100))
    a, b, s = Buffer("A", (n, 4)), Buffer("B", (n, 4)), Buffer("S", (400,))
    first = For(i, n * 4, "parallel", Store(s, (i,), Load(a, (i,)) + 1.0))
    second = For(j, n * 4, "serial", Store(b, (n * 4 - 1 - j,), Load(s, (j,))))
    return PrimFunc("turn", (a, b), Allocate(s, Seq((first, second))))


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("modules") / "turn.module"
    build(program()).save(path)
    return path


def check(module: Module) -> None:
    a, b = np.arange(12, dtype="f").reshape(3, 4), np.zeros((3, 4), "f")
    module(a, b)
    np.testing.assert_array_equal(b.ravel(), (a + 1).ravel()[::-1])


def test_a_loaded_module_is_the_module(saved: Path) -> None:
    built, loaded = build(program()), compiler.load_module(saved)
    check(loaded)
    assert repr(loaded) == repr(built)
    assert loaded.object_code == built.object_code
    for kind in ("llvm", "asm"):
        assert loaded.source(kind) == built.source(kind)
    with pytest.raises(
        ValueError, match="turn: argument 2, 'B', has the dynamic extent 'n' = 4, but it is 3 by argument 1"
    ):
        loaded(np.zeros((3, 4), "f"), np.zeros((4, 4), "f"))


def test_another_process_runs_it_without_compiling(saved: Path) -> None:
    code = (
        "import sys, numpy as np, compiler\n"
        "import compiler.backend.llvm.codegen, compiler.backend.llvm.compile as c\n"
        "c.optimise = c.emit_object = None\n"
        f"module = compiler.load_module({str(saved)!r})\n"
        "a, b = np.arange(12, dtype='f').reshape(3, 4), np.zeros((3, 4), 'f')\n"
        "module(a, b)\n"
        "assert (b.ravel() == (a + 1).ravel()[::-1]).all()\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_a_loaded_module_can_be_saved_again(saved: Path, tmp_path: Path) -> None:
    compiler.load_module(saved).save(tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == saved.read_bytes()


def test_a_file_is_replaced_whole_or_not_at_all(
    saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "m"
    path.write_bytes(b"before")
    module = build(program())

    def fail(*paths: object) -> None:
        raise OSError("disk full")

    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", fail)
        with pytest.raises(OSError, match="disk full"):
            module.save(path)
    assert path.read_bytes() == b"before"
    assert os.listdir(tmp_path) == ["m"]
    module.save(path)
    check(compiler.load_module(path))


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        build(program()).save(tmp_path / "none" / "m")
    with pytest.raises(FileNotFoundError):
        compiler.load_module(tmp_path / "none")


def detailed(saved: Path, **changes: object) -> Artifact:
    """The file's artifact with other details of its back end."""
    artifact = Artifact.load(saved)
    return replace(artifact, details={**artifact.details, **changes})


def host_cpu() -> str:
    import llvmlite.binding as llvm

    return llvm.get_host_cpu_name()


def changed(saved: Path, tmp_path: Path, **changes: object) -> Path:
    """The file with other fields in its header, and a valid checksum."""
    data = saved.read_bytes()
    length = int.from_bytes(data[20:24], "little")
    header = json.loads(data[24 : 24 + length])
    for name, value in changes.items():
        if value is None:
            del header[name]
        else:
            header[name] = value
    encoded = json.dumps(header).encode()
    body = MAGIC + VERSION.to_bytes(4, "little") + len(encoded).to_bytes(4, "little") + encoded
    body += data[24 + length : -32]
    path = tmp_path / "changed"
    path.write_bytes(body + hashlib.sha256(body).digest())
    return path


@pytest.mark.parametrize(
    "changes",
    [
        {"name": 3},
        {"kind": 3},
        {"name": None},
        {"workspace_bytes": -1},
        {"workspace_bytes": True},
        {"params": [{"name": "A", "dtype": "float99", "scope": "global", "shape": []}]},
        {"params": [{"name": "A", "dtype": "int8", "scope": "?", "shape": []}]},
        {"params": [{"name": "A", "dtype": "int8", "scope": "global", "shape": [-1]}]},
        {"params": [{"name": "A", "dtype": "int8", "scope": "global", "shape": [{"size": 9}]}]},
        {"params": 7},
        {"sizes": [{"name": "n", "dtype": "int32", "bounds": [5, 2]}]},
        {"sizes": [{"name": "n", "dtype": "float32", "bounds": [1, 2]}]},
        {"stored": [5]},
        {"needs": "avx2"},
        {"needs": [2]},
        {"entry": None},
        {"is_parallel": 1},
        {"lengths": [1, 2]},
        {"lengths": [-5, 10]},
    ],
    ids=str,
)
def test_an_invalid_header(saved: Path, tmp_path: Path, changes: dict) -> None:
    with pytest.raises(ModuleFileError, match="changed has an invalid header"):
        compiler.load_module(changed(saved, tmp_path, **changes))


@pytest.mark.parametrize("text", [b"", b"hello", b"\x7fELF" * 20, b"\x93NUMPY" + bytes(100)])
def test_a_file_that_is_not_a_module(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "x"
    path.write_bytes(text)
    with pytest.raises(ModuleFileError, match="x is not a saved module"):
        compiler.load_module(path)


def test_a_file_that_is_cut_off(saved: Path, tmp_path: Path) -> None:
    data, path = saved.read_bytes(), tmp_path / "cut"
    for length in (*range(1, 60), *range(60, len(data), 97), len(data) - 1):
        path.write_bytes(data[:length])
        with pytest.raises(ModuleFileError, match="cut is cut off"):
            compiler.load_module(path)


def test_a_file_with_a_bit_that_flipped(saved: Path, tmp_path: Path) -> None:
    data, path = saved.read_bytes(), tmp_path / "flipped"
    rng = np.random.default_rng(0)
    for position in (*range(64), *rng.integers(0, len(data), 200), *range(len(data) - 32, len(data))):
        bad = bytearray(data)
        bad[position] ^= 1 << int(rng.integers(8))
        path.write_bytes(bad)
        with pytest.raises(ModuleFileError, match="not a saved module|cut off or damaged|newer Espalier"):
            compiler.load_module(path)


def test_a_file_of_a_newer_version(saved: Path, tmp_path: Path) -> None:
    data, path = bytearray(saved.read_bytes()), tmp_path / "newer"
    data[16] = VERSION + 1
    path.write_bytes(data)
    with pytest.raises(ModuleFileError, match=f"has version {VERSION + 1} of the format.*update this one"):
        compiler.load_module(path)


def test_a_module_for_a_cpu_with_more_features(saved: Path, tmp_path: Path) -> None:
    detailed(saved, needs=["avx1024", "sse2"], cpu="tomorrow").save(tmp_path / "more")
    with pytest.raises(ModuleFileError, match=r"which cannot run here: this CPU \(.*\) lacks avx1024"):
        compiler.load_module(tmp_path / "more")


def test_a_module_for_a_cpu_that_is_known_by_name(saved: Path, tmp_path: Path) -> None:
    detailed(saved, needs=None, cpu="tomorrow").save(tmp_path / "named")
    with pytest.raises(ModuleFileError, match="it is for the CPU tomorrow, and this one is"):
        compiler.load_module(tmp_path / "named")
    detailed(saved, needs=None, cpu=host_cpu()).save(tmp_path / "named")
    check(compiler.load_module(tmp_path / "named"))


def test_a_module_for_another_machine_is_saved_for_it(tmp_path: Path) -> None:
    other = "riscv64" if Target.host().option("-mtriple").startswith("aarch64") else "aarch64"
    build(program(), f"llvm -mtriple={other}-linux-gnu").save(tmp_path / "other")
    assert Artifact.load(tmp_path / "other").code[:4] == b"\x7fELF"
    with pytest.raises(ModuleFileError, match=f"cannot run here: it is for {other} linux, and this is"):
        compiler.load_module(tmp_path / "other")
