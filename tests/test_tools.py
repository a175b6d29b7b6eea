"""Ruff, mypy and import-linter find nothing; `make check` runs them too."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# NumPy's last types for Python 3.10 are less exact than those that the code is written for
OLD_TYPES = pytest.mark.skipif(
    sys.version_info < (3, 11), reason="types are checked on Python 3.11 and newer"
)

CHECKS = {
    "import order": ["-c", "from importlinter.cli import lint_imports_command as main; main()", "--no-logo"],
    "ruff check": ["-m", "ruff", "check"],
    "ruff format": ["-m", "ruff", "format", "--check", "--diff"],
    "mypy": ["-m", "mypy"],
}


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[OLD_TYPES, pytest.mark.slow] if name == "mypy" else []) for name in CHECKS],
)
def test_the_tools_find_nothing(name: str) -> None:
    done = subprocess.run(
        [sys.executable, *CHECKS[name]], cwd=ROOT, capture_output=True, text=True, timeout=600
    )
    if done.returncode != 0:
        pytest.fail(f"{name} found something:\n{done.stdout}\n{done.stderr}", pytrace=False)
