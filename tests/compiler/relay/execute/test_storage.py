"""Saved programs and the cache: the same results, nothing compiled, and an error for each kind of damage."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import compiler.relay.operator  # noqa: F401  the rows
from compiler.backend.llvm.backend import LLVM
from compiler.ops.chosen import chosen_by
from compiler.relay.execute import build as building
from compiler.relay.execute import cache
from compiler.relay.execute.build import build
from compiler.relay.execute.load import load
from compiler.relay.language.expr import Constant, Function, If, Tuple, Var, constant
from compiler.relay.language.module import IRModule
from compiler.relay.language.op import op
from compiler.relay.language.types import ANY, TensorType
from compiler.runtime import ModuleFileError

X = np.random.default_rng(0).standard_normal((4, 16)).astype("float32")


def module(rows: Any = 4, branch: bool = False) -> IRModule:
    x = Var("x", TensorType((rows, 16)))
    weight = Constant(np.random.default_rng(1).standard_normal((16, 16)).astype("float32"))
    value: Any = op("tanh")(op("nn.dense")(x, weight))
    if branch:
        value = If(op("greater")(op("sum")(value), constant(0.0)), op("exp")(value), op("negative")(value))
        return IRModule.from_expr(Function((x,), value))
    return IRModule.from_expr(Function((x,), Tuple((value, op("sort")(value, axis=-1)))))


MODULES = {"flow": module(), "control": module(branch=True), "dynamic": module(ANY)}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, Any]]:
    """A file of each form, and the result of the program that was saved."""
    folder = tmp_path_factory.mktemp("programs")
    found = {}
    for form, given in MODULES.items():
        program = build(given, cache=False)
        result = program(X)
        program.save(folder / form)
        found[form] = folder / form, result
    return found


def equal(a: Any, b: Any) -> bool:
    if isinstance(a, tuple):
        return len(a) == len(b) and all(map(equal, a, b))
    return a.dtype == b.dtype and np.array_equal(a, b)


@pytest.mark.parametrize("form", MODULES)
def test_loaded_without_compiling(files: Any, form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("it compiles")

    monkeypatch.setattr(LLVM, "compile", refuse)
    path, expected = files[form]
    program = load(path)
    assert equal(program(X), expected)
    assert [name for name, _ in program.parameters] == ["x"]


def test_a_loaded_dynamic_program_takes_other_shapes(files: Any) -> None:
    found = load(files["dynamic"][0])(X[:3])
    expected = build(module(3), cache=False)(X[:3])
    np.testing.assert_allclose(found[0], expected[0], rtol=1e-6)


@pytest.mark.parametrize("form", MODULES)
def test_saved_again_it_is_the_same(files: Any, form: str, tmp_path: Path) -> None:
    load(files[form][0]).save(tmp_path / "again")
    assert equal(load(tmp_path / "again")(X), files[form][1])


@pytest.mark.parametrize("form", MODULES)
def test_damage(files: Any, form: str, tmp_path: Path) -> None:
    data = files[form][0].read_bytes()
    path = tmp_path / "damaged"
    rng = np.random.default_rng(0)
    for at in rng.integers(28, len(data) - 32, 20):
        changed = bytearray(data)
        changed[at] ^= 1 << int(rng.integers(8))
        path.write_bytes(changed)
        with pytest.raises(ModuleFileError, match="cut off or damaged: its checksum does not match"):
            load(path)
    for length in (0, 10, 40, len(data) // 2, len(data) - 1):
        path.write_bytes(data[:length])
        with pytest.raises(ModuleFileError, match="cut off|not a compiled program"):
            load(path)


def test_other_files(files: Any, tmp_path: Path) -> None:
    path = tmp_path / "other"
    path.write_text("a text that is no program, and is longer than the least length of one " * 3)
    with pytest.raises(ModuleFileError, match="is not a compiled program"):
        load(path)
    data = bytearray(files["flow"][0].read_bytes())
    data[16] = 9
    path.write_bytes(data)
    with pytest.raises(ModuleFileError, match="version 9 of the format, and this is of version 1"):
        load(path)
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "none")


def edited(data: bytes, change: Any) -> bytes:
    """A file with another header and a valid checksum."""
    length = int.from_bytes(data[20:28], "little")
    header = json.loads(data[28 : 28 + length])
    change(header["program"])
    text = json.dumps(header).encode()
    start, old = -(-(28 + len(text)) // 64) * 64, -(-(28 + length) // 64) * 64
    whole = data[:20] + len(text).to_bytes(8, "little") + text + bytes(start - 28 - len(text)) + data[old:-32]
    return whole + hashlib.sha256(whole).digest()


EDITS: dict[str, tuple[Any, str]] = {
    "nothing": (lambda p: None, ""),
    "a place behind the arena": (
        lambda p: p["places"].append(["arena", 1 << 40, [4], "float32"]),
        "outside of its memory",
    ),
    "a field that is missing": (lambda p: p.pop("calls"), "cannot be loaded: 'calls'"),
    "an unknown form": (lambda p: p.update(form="other"), "cannot be loaded"),
    "fewer operands": (lambda p: p["calls"][0][3].pop(), "operands"),
    "another machine": (
        lambda p: p.update(target="llvm -mcpu=cortex-a72 -mtriple=aarch64-linux-gnu"),
        "which cannot run here: it is for aarch64 linux",
    ),
}


@pytest.mark.parametrize("name", EDITS)
def test_edited_headers(files: Any, name: str, tmp_path: Path) -> None:
    change, message = EDITS[name]
    path = tmp_path / "edited"
    path.write_bytes(edited(files["flow"][0].read_bytes(), change))
    if not message:
        assert equal(load(path)(X), files["flow"][1])
        return
    with pytest.raises(ModuleFileError, match=message):
        load(path)


@pytest.fixture()
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ESPALIER_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(cache, "LEAST_SECONDS", 0.0)
    return tmp_path / "cache"


def test_the_second_build_loads(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = build(module())(X)
    assert len(list(kept.iterdir())) == 1
    monkeypatch.setattr(building, "compiled", lambda *_: pytest.fail("it compiles"))
    assert equal(build(module())(X), expected)


def test_what_makes_another_program(kept: Path) -> None:
    settings: list[dict[str, Any]] = [
        {},
        {"level": 1},
        {"without": ("fuse_ops",)},
        {"target": "llvm -mcpu=x86-64"},
    ]
    for count, given in enumerate(settings, 1):
        build(module(), **given)
        assert len(list(kept.iterdir())) == count
    with chosen_by(lambda *_: None):  # what it would choose is unknown
        build(module(branch=True))
    assert len(list(kept.iterdir())) == len(settings)


def test_a_damaged_entry_is_made_again(kept: Path) -> None:
    expected = build(module())(X)
    (entry,) = kept.iterdir()
    entry.write_bytes(entry.read_bytes()[:-5])
    assert equal(build(module())(X), expected)
    assert equal(load(entry)(X), expected)


def test_the_least_recently_used_goes_first(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build(module())
    (old,) = kept.iterdir()
    os.utime(old, (1, 1))
    monkeypatch.setattr(cache, "MOST_BYTES", old.stat().st_size + 100)
    build(module(), level=1)
    assert old not in kept.iterdir() and len(list(kept.iterdir())) == 1


def test_an_unwritable_folder_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ESPALIER_CACHE", "/dev/null/nowhere")
    monkeypatch.setattr(cache, "LEAST_SECONDS", 0.0)
    assert build(module())(X)[0].shape == (4, 16)
