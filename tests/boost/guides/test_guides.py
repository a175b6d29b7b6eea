"""Scripts as users of XGBoost write them: run with XGBoost and with `boost`, only the import changed.

A script collects what it found in `answers`. Those of the two runs agree within a relative error of 1e-4, or
within that which the script's `close` states for an answer that depends on random draws. Its `differs` names
the answers that are to differ, and says why.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

SCRIPTS = sorted(Path(__file__).parent.glob("*/*.py"))
IMPORT, OURS = "import xgboost as xgb\n", "import boost as xgb\n"
# Float32 gradients in XGBoost, rounded integers here; small values are differences of large ones.
RELATIVE, ABSOLUTE = 1e-4, 1e-5


def run(source: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    folder.mkdir()
    monkeypatch.chdir(folder)
    names: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(source, folder.name, "exec"), names)
    return names


def compare(ours: Any, theirs: Any, error: float, where: str) -> list[str]:
    """Return a line for each answer that differs."""
    if isinstance(theirs, dict):
        if not isinstance(ours, dict) or list(ours) != list(theirs):
            return [f"{where}: keys {list(ours)} for {list(theirs)}"]
        return [line for key in theirs for line in compare(ours[key], theirs[key], error, f"{where}/{key}")]
    if isinstance(theirs, (list, tuple)) and not _numeric(theirs):
        if len(ours) != len(theirs):
            return [f"{where}: {len(ours)} entries for {len(theirs)}"]
        pairs = enumerate(zip(ours, theirs, strict=True))
        return [line for i, (a, b) in pairs for line in compare(a, b, error, f"{where}[{i}]")]
    if _numeric(theirs):
        a, b = np.asarray(ours, dtype=np.float64), np.asarray(theirs, dtype=np.float64)
        if a.shape != b.shape:
            return [f"{where}: shape {a.shape} for {b.shape}"]
        far = ~np.isclose(a, b, rtol=error, atol=ABSOLUTE, equal_nan=True)
        return (
            [f"{where}: {far.sum()} of {far.size} differ, {a[far][:3]} for {b[far][:3]}"] if far.any() else []
        )
    return [] if np.all(ours == theirs) else [f"{where}: {ours!r} for {theirs!r}"]


def _numeric(value: Any) -> bool:
    try:
        return np.asarray(value).dtype.kind in "biuf"
    except ValueError:
        return False


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_same_answers(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("xgboost", minversion="3.2")
    source = path.read_text(encoding="utf-8")
    assert IMPORT in source
    theirs = run(source, tmp_path / "xgboost", monkeypatch)
    ours = run(source.replace(IMPORT, OURS), tmp_path / "boost", monkeypatch)
    close, stated = theirs.get("close", {}), theirs.get("differs", {})
    found = {
        name: compare(ours["answers"][name], answer, close.get(name, RELATIVE), name)
        for name, answer in theirs["answers"].items()
    }
    differing = [line for name, lines in found.items() if name not in stated for line in lines]
    assert not differing, "\n".join(differing)
    assert all(found[name] for name in stated), f"no longer differs: {[n for n in stated if not found[n]]}"
