"""Modules by the kind of their back end: files of the version before, and of kinds that are not there."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import compiler
from compiler.backend import Target
from compiler.runtime import Artifact, ModuleFileError

# saved by the version that had only one back end, for any 64-bit x86 CPU
OLD = Path(__file__).parent / "modules" / "turn.module"


def header(path: Path) -> dict:
    data = path.read_bytes()
    return json.loads(data[24 : 24 + int.from_bytes(data[20:24], "little")])


def test_a_file_without_a_kind_is_for_a_cpu() -> None:
    assert "kind" not in header(OLD)
    artifact = Artifact.load(OLD)
    assert artifact.kind == "llvm"
    assert artifact.workspace_bytes == 1600
    assert artifact.details["needs"] == []


def test_an_old_file_runs() -> None:
    here = Target.host().option("-mtriple")
    if not (here.startswith("x86_64") and "linux" in here):
        pytest.skip("the file holds machine code for x86-64 Linux")
    a, b = np.arange(12, dtype="f").reshape(3, 4), np.zeros((3, 4), "f")
    module = compiler.load_module(OLD)
    module(a, b)
    np.testing.assert_array_equal(b.ravel(), (a + 1).ravel()[::-1])
    assert "define void @turn" in module.source("llvm")
    assert "turn.compute:" in module.source("asm")


def test_a_new_file_names_its_kind(tmp_path: Path) -> None:
    Artifact.load(OLD).save(tmp_path / "new")
    assert header(tmp_path / "new") == {"kind": "llvm", **header(OLD)}


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("lvm", "was built for .*: unknown target kind 'lvm'; did you mean 'llvm'"),
        ("cuda", "was built for .*: the target 'cuda' is not supported"),
    ],
)
def test_a_file_of_a_kind_without_a_back_end(kind: str, message: str, tmp_path: Path) -> None:
    replace(Artifact.load(OLD), kind=kind).save(tmp_path / "other")
    with pytest.raises(ModuleFileError, match=message):
        compiler.load_module(tmp_path / "other")
