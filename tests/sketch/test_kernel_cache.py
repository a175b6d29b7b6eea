"""Where compiled kernels are kept."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from sketch import kernel_cache
from sketch.kernel_cache import cache_file, source_stamp, stamp_sources


def test_an_index_of_other_sources_is_not_read(tmp_path: Path) -> None:
    # the rest of the index names a class that is not there any more
    names_nothing = b"cno_such_module\nRecord\n."
    file = cache_file(tmp_path, "kernel")
    (tmp_path / "kernel.nbi").write_bytes(pickle.dumps("0.0 other sources") + names_nothing)
    assert file.load("key") is None


def test_what_was_saved_is_loaded(tmp_path: Path) -> None:
    cache_file(tmp_path, "kernel").save("key", [1, 2])
    assert cache_file(tmp_path, "kernel").load("key") == [1, 2]
    assert cache_file(tmp_path, "kernel").load("other") is None


def test_only_an_edit_of_a_source_of_kernels_changes_the_stamp(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kernel_cache, "_SOURCES", {})
    (tmp_path / "grow").mkdir()
    for name in ("grow/kernels.py", "jit.py", "plots.py"):
        (tmp_path / name).write_text("before")

    def stamp() -> str:
        stamp_sources("package", tmp_path, ("grow", "jit.py"))
        return source_stamp()

    try:
        seen = [stamp()]
        for name in ("grow/kernels.py", "jit.py", "plots.py"):
            (tmp_path / name).write_text("after")
            seen.append(stamp())
    finally:
        source_stamp.cache_clear()
    assert seen[0] != seen[1] != seen[2] == seen[3]
