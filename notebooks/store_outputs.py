"""Run the notebooks whose outputs are stored, and store them again: ``make outputs``."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient

# Notebooks that are kept with their outputs; the others are kept without.
STORED = ("02_boosted_trees",)


def run(path: Path) -> nbformat.NotebookNode:
    """Return a notebook with the outputs of a run from top to bottom in an empty folder."""
    notebook = nbformat.read(path, as_version=4)
    with tempfile.TemporaryDirectory() as folder:
        NotebookClient(
            notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": folder}}
        ).execute()
    return notebook


def store(path: Path) -> None:
    """Run a notebook and write it with its outputs, without times and messages on standard error."""
    notebook = run(path)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.metadata.pop("execution", None)
            cell.outputs = [out for out in cell.outputs if out.get("name") != "stderr"]
    notebook.metadata.language_info = {"name": "python"}
    nbformat.write(notebook, path)


if __name__ == "__main__":
    os.environ.pop("MPLBACKEND", None)
    for name in STORED:
        store(Path(__file__).parent / f"{name}.ipynb")
        print(f"{name}.ipynb: outputs stored")
