"""The plot of tuning curves."""

from __future__ import annotations

import numpy as np
import pytest

from costmodel.report import plot_curves


def test_curves_are_written_whole(tmp_path):
    pytest.importorskip("matplotlib")
    path = tmp_path / "curves.png"
    curves = {"model": np.array([1.0, 2.0, 3.0]), "random": np.array([1.0, 1.5])}
    plot_curves(path, {"one": (curves, {"NumPy": 2.5}), "two": (curves, {})})
    assert path.read_bytes().startswith(b"\x89PNG")
    assert list(tmp_path.iterdir()) == [path]
