"""The benchmarks whose numbers come from processes of their own, small."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.coldstart import firstfit
from benchmarks.trees import batches, memory

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.slow


def test_memory_of_a_fit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("resource")
    monkeypatch.chdir(ROOT)
    memory.run(memory.MAKE.format(folder=str(tmp_path), rows=20_000))
    assert np.load(tmp_path / "X.npy").shape == (20_000, 28)
    before, after = memory.run(memory.FIT.format(name="espalier", folder=str(tmp_path), rounds=2))
    assert 20 < before <= after < 2_000


def test_memory_of_batches(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("resource")
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(batches, "LIBRARIES", {"espalier": batches.LIBRARIES["espalier"]})
    monkeypatch.setattr(sys, "argv", ["batches", "--turns", "1", "--rows", "3000", "--size", "700"])
    batches.main()
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[0] for line in lines[-2:]] == ["espalier whole", "espalier batches"]


def test_the_same_rows_whole_and_in_batches() -> None:
    x, y = batches.whole(1000, 300)
    parts = list(batches.batches(1000, 300))
    np.testing.assert_array_equal(x, np.concatenate([p[0] for p in parts]))
    np.testing.assert_array_equal(y, np.concatenate([p[1] for p in parts]))


def test_first_fits_with_kernels_in_the_cache(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(firstfit, "FITS", {"boost": firstfit.FITS["boost"]})
    monkeypatch.setattr(sys, "argv", ["firstfit", "--turns", "1", "--cold", "0"])
    firstfit.main()
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[0] for line in lines[-2:]] == ["boost", "NumPy alone"]


def test_first_fits_with_an_empty_cache(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(firstfit, "FIRST", "import os; os.listdir(os.environ['NUMBA_CACHE_DIR']) {change}")
    monkeypatch.setattr(sys, "argv", ["firstfit", "--turns", "0", "--features", "regression"])
    firstfit.main()
    *_, line = capsys.readouterr().out.splitlines()
    assert line.startswith("regression") and len(line.split()) == 3
