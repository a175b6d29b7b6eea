"""Where compiled kernels are kept."""

from __future__ import annotations

import pickle
from pathlib import Path

from sketch.kernel_cache import cache_file


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
