"""The benchmarks whose numbers come from processes of their own, small."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import firstfit, memory

ROOT = Path(__file__).resolve().parents[2]


def test_memory_of_a_fit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("resource")
    monkeypatch.chdir(ROOT)
    memory.run(memory.MAKE.format(folder=str(tmp_path), rows=20_000))
    assert np.load(tmp_path / "X.npy").shape == (20_000, 28)
    before, after = memory.run(memory.FIT.format(name="espalier", folder=str(tmp_path), rounds=2))
    assert 20 < before <= after < 2_000


def test_first_fits(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(firstfit, "FITS", {"boost": firstfit.FITS["boost"]})
    monkeypatch.setattr(sys, "argv", ["firstfit", "--turns", "1"])
    firstfit.main()
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[0] for line in lines[-2:]] == ["boost", "NumPy alone"]
