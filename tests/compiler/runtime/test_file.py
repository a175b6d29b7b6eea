"""The writer of files: completely or not at all, with the permissions of any new file."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from compiler.runtime.file import write_file

ROOT = Path(__file__).parents[3]


def test_the_parts_replace_a_file(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"before")
    write_file(path, b"one", b"", b"two")
    assert path.read_bytes() == b"onetwo"
    assert os.listdir(tmp_path) == ["x"]


@pytest.mark.parametrize("failing", ["replace", "fdopen"])
def test_a_failure_leaves_the_file_unchanged(
    failing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"before")

    def fail(*args: object) -> None:
        raise OSError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(os, failing, fail)
        with pytest.raises(OSError, match="disk full"):
            write_file(path, b"after")
    assert path.read_bytes() == b"before"
    assert os.listdir(tmp_path) == ["x"]


@pytest.mark.skipif(os.name != "posix", reason="permissions")
@pytest.mark.parametrize(("umask", "mode"), [("022", 0o644), ("077", 0o600), ("0", 0o666)])
def test_the_umask_of_the_process_is_respected(umask: str, mode: int, tmp_path: Path) -> None:
    code = (
        f"import os; os.umask(0o{umask}); from compiler.runtime.file import write_file;"
        f"write_file({str(tmp_path / 'x')!r}, b'x'); assert os.umask(0) == 0o{umask}"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=60)
    assert stat.S_IMODE((tmp_path / "x").stat().st_mode) == mode
