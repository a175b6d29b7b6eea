"""Packages whose names are imported at their first use: each is what its module defines, no more."""

from __future__ import annotations

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

PACKAGES = ("compiler", "compiler.backend", "compiler.te", "compiler.relay", "compiler.relay.importer")


def typed(package: str) -> dict[str, str]:
    """The names that type checkers see, and the modules that they are from."""
    path = Path(str(import_module(package).__file__))
    found = {}
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            for inner in node.body:
                assert isinstance(inner, ast.ImportFrom) and inner.module is not None
                found.update({alias.name: inner.module for alias in inner.names})
    return found


@pytest.mark.parametrize("package", PACKAGES)
def test_each_name_is_what_its_module_defines(package: str) -> None:
    module, names = import_module(package), typed(package)
    assert {name: home for name, home in names.items() if home != package} == module._homes
    for name, home in names.items():
        expected = (
            import_module(f"{package}.{name}") if home == package else getattr(import_module(home), name)
        )
        assert getattr(module, name) is expected
    assert set(module.__all__) <= set(dir(module))
    assert set(names) <= set(module.__all__)
    with pytest.raises(AttributeError, match=f"module '{package}' has no attribute 'nothing'"):
        _ = module.nothing


@pytest.mark.parametrize(
    ("first", "name"),
    [
        ("compiler.relay.optimize.fuse", "compiler.relay:optimize"),
        ("compiler.relay.gradient.first_order", "compiler.relay:gradient"),
        ("compiler.backend.build", "compiler.backend:build"),
    ],
)
def test_a_function_goes_before_the_folder_of_its_name(first: str, name: str) -> None:
    package, _, function = name.partition(":")
    code = f"import {first}\nfrom {package} import {function}\nassert callable({function}), {function}"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_importing_a_package_imports_no_compiler() -> None:
    code = (
        "import sys, compiler.relay, compiler.backend\n"
        "found = {'compiler.passes', 'compiler.ops', 'compiler.lowering'}.intersection(sys.modules)\n"
        "assert not found, found"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
