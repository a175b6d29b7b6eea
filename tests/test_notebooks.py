"""Every notebook runs from top to bottom in an empty folder; outputs that are stored are those of the run."""

from __future__ import annotations

import re
from importlib import util
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parent.parent / "notebooks"
NOTEBOOKS = sorted(ROOT.glob("*.ipynb"))
spec = util.spec_from_file_location("store_outputs", ROOT / "store_outputs.py")
assert spec is not None and spec.loader is not None
store_outputs = util.module_from_spec(spec)
spec.loader.exec_module(store_outputs)

NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?(?:e[+-]?\d+)?")
# Differences between machines, which round functions differently: relative, and absolute.
RELATIVE, ABSOLUTE = 0.05, 0.02


def test_there_is_a_notebook() -> None:
    assert [path.name for path in NOTEBOOKS][:1] == ["01_quickstart.ipynb"]


def texts(cell: nbformat.NotebookNode) -> str:
    """The text that a cell printed or showed; empty for a cell whose text varies."""
    if "varies" in cell.metadata.get("tags", []):
        return ""
    printed = [out.text for out in cell.outputs if out.get("name") == "stdout"]
    shown = [out.data["text/plain"] for out in cell.outputs if "text/plain" in out.get("data", {})]
    return "\n".join(printed + [text for text in shown if "<Figure" not in text])


def assert_same(stored: str, run: str) -> None:
    """The same words, and numbers that are close."""
    assert NUMBER.sub("#", run).split() == NUMBER.sub("#", stored).split()
    for old, new in zip(NUMBER.findall(stored), NUMBER.findall(run), strict=True):
        a, b = (float(text.replace(",", "")) for text in (old, new))
        assert b == pytest.approx(a, rel=RELATIVE, abs=ABSOLUTE), f"{old} is stored, the run has {new}"


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_runs_from_top_to_bottom(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ESPALIER_CACHE", "off")
    monkeypatch.delenv("MPLBACKEND", raising=False)
    stored = nbformat.read(path, as_version=4)
    notebook = store_outputs.run(path)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    figures = [out for cell in cells for out in cell.outputs if "image/png" in out.get("data", {})]
    assert figures, "the notebook shows no plot"
    if path.stem in store_outputs.STORED:
        for old, new in zip(stored.cells, notebook.cells, strict=True):
            if new.cell_type == "code":
                assert_same(texts(old), texts(new))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_outputs_are_stored_or_cleared(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    cells = [(n, cell) for n, cell in enumerate(notebook.cells) if cell.cell_type == "code"]
    if path.stem not in store_outputs.STORED:
        left = [n for n, cell in cells if cell.outputs or cell.execution_count is not None]
        assert not left, f"{path.name}: clear the outputs of cells {left}"
        return
    assert [cell.execution_count for _, cell in cells] == list(range(1, len(cells) + 1))
    kinds = [out.output_type for _, cell in cells for out in cell.outputs]
    assert "error" not in kinds and not any(
        out.get("name") == "stderr" for _, c in cells for out in c.outputs
    )
    assert sum("image/png" in out.get("data", {}) for _, c in cells for out in c.outputs) >= 6
    assert path.stat().st_size < 600_000


def test_stored_numbers_that_differ_are_found() -> None:
    assert_same("AUC 0.853 of 1,000 rows", "AUC 0.861 of 1,001 rows")
    for other in (
        "AUC 0.753 of 1,000 rows",
        "AUC 0.853 of 2,000 rows",
        "AUC 0.853 of 1,000 lines",
        "AUC 0.853",
    ):
        with pytest.raises(AssertionError):
            assert_same("AUC 0.853 of 1,000 rows", other)
