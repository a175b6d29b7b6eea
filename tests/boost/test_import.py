"""Importing `boost` is quick: it loads no kernels and no large package."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import boost


def test_import_is_light() -> None:
    code = (
        "import sys, boost; print([m for m in ('numba', 'pandas', 'scipy', 'sklearn') if m in sys.modules])"
    )
    root = Path(boost.__file__).parents[1]
    out = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
