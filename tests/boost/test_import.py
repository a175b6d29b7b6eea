"""What importing `boost` loads, and the notice about compilation."""

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


def test_the_first_compilation_is_announced_once(tmp_path: Path) -> None:
    root = Path(boost.__file__).parents[1]
    model = root / "tests" / "boost" / "models" / "espalier-regression.json"
    code = f"import boost; boost.Booster(model_file={str(model)!r}).predict([[0.0, 1.0, 2.0]])"
    notices = []
    for _ in range(2):
        out = subprocess.run(
            [sys.executable, "-c", code],
            cwd=root,
            env={"NUMBA_CACHE_DIR": str(tmp_path), "PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            check=True,
        )
        notices.append(out.stderr.count("compiling kernels"))
    assert notices == [1, 0]
