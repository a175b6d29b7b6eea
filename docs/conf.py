"""Configuration of Sphinx for the API reference; ``make docs`` builds it."""

from __future__ import annotations

import sys
from importlib import metadata
from pathlib import Path
from types import BuiltinFunctionType, MethodDescriptorType
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

project = "Espalier"
author = "The authors of Espalier"
copyright = "the authors of Espalier"
try:
    release = metadata.version("espalier")
except metadata.PackageNotFoundError:
    release = "unreleased"

extensions = ["sphinx.ext.autodoc", "sphinx.ext.autosummary", "numpydoc"]
templates_path = ["_templates"]
exclude_patterns = ["_build"]

autosummary_generate = True
autosummary_ignore_module_all = False
autodoc_typehints = "none"  # docstrings give the types, with shapes and units
numpydoc_show_class_members = False  # the template of a class lists them
default_role = "py:obj"

html_theme = "furo"
html_title = "Espalier"


def skip_builtins(app: Any, what: str, name: str, obj: Any, skip: bool, options: Any) -> bool | None:
    """Leave out what a class inherits from a builtin type or from scikit-learn."""
    inherited = isinstance(obj, (BuiltinFunctionType, MethodDescriptorType))
    foreign = str(getattr(obj, "__module__", "")).startswith("sklearn.")
    return True if inherited or foreign or name.endswith("_request") else None


def setup(app: Any) -> None:
    app.connect("autodoc-skip-member", skip_builtins)
