"""Files appear complete or not at all, with the mode that `open` would give them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from boost.atomic import new_file, write_bytes, write_text


def test_the_file_has_the_content_and_nothing_else_is_left(tmp_path: Path) -> None:
    path = tmp_path / "model.json"
    write_text(path, "größer\n")
    assert path.read_bytes() == "größer\n".encode()
    write_bytes(os.fsencode(path), b"second", durable=True)
    assert path.read_bytes() == b"second"
    assert os.listdir(tmp_path) == ["model.json"]


def test_an_error_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    write_text(path, "old")
    with pytest.raises(KeyboardInterrupt), new_file(path) as file:
        file.write(b"half")
        assert path.read_text() == "old" and len(os.listdir(tmp_path)) == 2
        raise KeyboardInterrupt
    assert path.read_text() == "old" and os.listdir(tmp_path) == ["table.csv"]


def test_a_missing_folder_is_reported_with_the_given_name(tmp_path: Path) -> None:
    path = tmp_path / "nowhere" / "model.json"
    with pytest.raises(FileNotFoundError, match=str(path)):
        write_text(path, "")


@pytest.mark.parametrize("mask", [0o022, 0o027, 0o077])
def test_the_mode_is_that_of_open(tmp_path: Path, mask: int) -> None:
    # In another process: the umask belongs to all threads of this one.
    program = (
        f"import os; os.umask({mask})\n"
        "from boost.atomic import write_text\n"
        "write_text('ours', ''); open('theirs', 'w').close()\n"
        f"assert os.umask(0) == {mask}, 'the umask has changed'"
    )
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True, env=environment)
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "theirs").stat().st_mode
