"""The structural rules of this repository, checked on its source text; `make check` runs them in seconds.

Each rule is a function from sources (path to text) to violations, so that the rule itself is tested on a
source that breaks it. Ruff, mypy and the order of the packages are checked in `test_tools.py`.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from functools import cache
from itertools import pairwise
from pathlib import Path, PurePosixPath

import pytest

from boost.jit import KERNEL_SOURCES

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("sketch", "boost", "compiler", "costmodel")

MAX_FILES = 15
MAX_TEST_FILES = 20
# One pass a file, and the list of passes grows with the back ends.
FOLDERS_WITHOUT_LIMIT = {"compiler/passes", "tests/compiler/passes"}

MAX_LINES = 500

MAX_PARAMETERS = 8
# Functions whose signature is given from outside, or whose options are keyword-only.
WIDE_FACES = {
    "boost/predictions.py:Predictions.predict": "XGBoost's signature",
    "boost/show/plot_tree.py:to_graphviz": "XGBoost's signature",
    "boost/data/dmatrix.py:DMatrix.__init__": "XGBoost's signature",
    "boost/data/meta_info.py:MetaInfo.set_info": "XGBoost's signature",
    "boost/estimator/classifier.py:Classifier.fit": "XGBoost's signature",
    "boost/estimator/ranker.py:NamedRanker.fit": "XGBoost's signature",
    "boost/estimator/ranker.py:Ranker.fit": "XGBoost's signature",
    "boost/estimator/base.py:XGBModel.fit": "XGBoost's signature",
    "boost/runs/cv.py:cv": "XGBoost's signature",
    "boost/runs/train.py:train": "XGBoost's signature",
    "boost/show/plots/contributions.py:plot_contributions": "options of a plot",
    "boost/show/plots/dependence.py:plot_dependence": "options of a plot",
    "boost/show/plots/fit.py:plot_calibration": "options of a plot",
    "boost/show/plots/fit.py:plot_residuals": "options of a plot",
    "compiler/driver.py:build": "options of a compilation",
    "compiler/ops/knobs.py:Knobs.split": "options of a split, by name",
    "boost/show/plots/overview.py:plot_importance": "XGBoost's signature",
    "boost/show/plots/overview.py:plot_metric": "XGBoost's signature",
    "costmodel/measure/measurer.py:Measurer.__init__": "keyword-only options of a constructor",
    "costmodel/budget.py:tune_all": "keyword-only options of the entry point",
    "costmodel/tune.py:tune": "keyword-only options of the entry point",
}

FORBIDDEN_NAMES = {"utils", "util", "helpers", "helper", "common", "misc"}

# The end of an import line that may close a circle: `# circle: why`.
EXCUSE = re.compile(r"#\s*circle:\s*\S")
MAX_EXCUSES = 3

KERNEL_DECORATORS = {"kernel", "njit", "jit", "vectorize", "guvectorize"}


@cache
def sources() -> Mapping[str, str]:
    """Every Python file of the repository by its path, benchmarks, examples and tests included."""
    folders = (*PACKAGES, "benchmarks", "docs", "examples", "tests")
    return {
        path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
        for folder in folders
        for path in sorted((ROOT / folder).rglob("*.py"))
    }


def of_packages(files: Mapping[str, str]) -> dict[str, str]:
    """The files of the four packages alone."""
    return {path: text for path, text in files.items() if path.split("/")[0] in PACKAGES}


def none(violations: Collection[str]) -> None:
    """Fail with all violations, one a line."""
    if violations:
        pytest.fail(f"{len(violations)} violation(s):\n" + "\n".join(violations), pytrace=False)


@cache
def parsed(text: str) -> ast.Module:
    """The syntax tree of a source text."""
    return ast.parse(text)


# ------------------------------------------------------------------------------------------------ circles


def module_name(path: str) -> str:
    """The dotted name of a file; that of its folder for ``__init__.py``."""
    parts = PurePosixPath(path).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: str, text: str, modules: set[str]) -> Iterator[tuple[str, bool]]:
    """The modules of ours that a file imports anywhere, and whether a comment excuses the import.

    ``from a import b`` is an import of ``a.b`` where that is a module, and of ``a`` otherwise.
    """
    lines = text.splitlines()
    own = module_name(path)
    for node in ast.walk(parsed(text)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                package = own.split(".") if path.endswith("__init__.py") else own.split(".")[:-1]
                base = ".".join([*package[: len(package) - node.level + 1], *([base] if base else [])])
            names = [
                f"{base}.{alias.name}" if f"{base}.{alias.name}" in modules else base for alias in node.names
            ]
        else:
            continue
        last = node.end_lineno or node.lineno
        excused = any(EXCUSE.search(line) for line in lines[node.lineno - 1 : last])
        yield from ((name, excused) for name in names if name in modules and name != own)


def circles(files: Mapping[str, str]) -> list[str]:
    """Groups of files that import one another, excused imports left out."""
    modules = {module_name(path) for path in files}
    graph = {
        module_name(path): {name for name, excused in imports(path, text, modules) if not excused}
        for path, text in files.items()
    }
    return [" <-> ".join(sorted(group)) for group in components(graph) if len(group) > 1]


def components(graph: Mapping[str, set[str]]) -> list[list[str]]:
    """Strongly connected components (Tarjan, 1972), without recursion."""
    number: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    result: list[list[str]] = []
    for start in graph:
        if start in number:
            continue
        work = [(start, iter(sorted(graph[start])))]
        number[start] = low[start] = len(number)
        stack.append(start)
        while work:
            node, rest = work[-1]
            for child in rest:
                if child not in number:
                    number[child] = low[child] = len(number)
                    stack.append(child)
                    work.append((child, iter(sorted(graph[child]))))
                    break
                if child in stack:
                    low[node] = min(low[node], number[child])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[node])
                if low[node] == number[node]:
                    at = stack.index(node)
                    result.append(stack[at:])
                    del stack[at:]
    return result


def excuses(files: Mapping[str, str]) -> list[str]:
    """The imports that a comment excuses from the rule about circles."""
    modules = {module_name(path) for path in files}
    return [
        f"{path} -> {name}"
        for path, text in files.items()
        for name, excused in imports(path, text, modules)
        if excused
    ]


def test_no_two_files_import_each_other() -> None:
    none(circles(of_packages(sources())))


def test_circles_are_excused_at_most_three_times() -> None:
    assert len(excuses(of_packages(sources()))) <= MAX_EXCUSES


def test_the_rule_about_circles_can_fail() -> None:
    files = {
        "boost/a.py": "def f():\n    from boost import b\n",
        "boost/b.py": "from boost.c import (\n    x,\n)\n",
        "boost/c.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from .a import f\n",
        "boost/d.py": "import boost.a\n",
    }
    assert circles(files) == ["boost.a <-> boost.b <-> boost.c"]
    files["boost/b.py"] = "from boost.c import (  # circle: a printer is needed by str() alone\n    x,\n)\n"
    assert circles(files) == []
    assert excuses(files) == ["boost/b.py -> boost.c"]


# ------------------------------------------------------------------------------------------ sizes, names


def crowded_folders(files: Mapping[str, str]) -> list[str]:
    """Folders that hold too many files."""
    count = Counter(str(PurePosixPath(path).parent) for path in files)
    return [
        f"{folder}: {number} files"
        for folder, number in sorted(count.items())
        if folder not in FOLDERS_WITHOUT_LIMIT
        and number > (MAX_TEST_FILES if folder.split("/")[0] == "tests" else MAX_FILES)
    ]


def long_files(files: Mapping[str, str]) -> list[str]:
    """Files of too many lines."""
    lines = {path: len(text.splitlines()) for path, text in files.items()}
    return [f"{path}: {number} lines" for path, number in sorted(lines.items()) if number > MAX_LINES]


def repeated_folders(files: Mapping[str, str]) -> list[str]:
    """Names that two folders of the packages and of the benchmarks share."""
    folders = {
        PurePosixPath(*parts[:depth])
        for parts in (PurePosixPath(path).parts for path in files)
        if parts[0] in (*PACKAGES, "benchmarks")
        for depth in range(1, len(parts))
    }
    ordered = sorted(folders, key=lambda folder: (folder.name, str(folder)))
    return [f"{a} and {b}" for a, b in pairwise(ordered) if a.name == b.name]


def forbidden_names(files: Mapping[str, str]) -> list[str]:
    """Files and folders whose name does not say what they hold."""
    return [
        path
        for path in files
        if FORBIDDEN_NAMES & {part.lower() for part in PurePosixPath(path).with_suffix("").parts}
    ]


def folders_without_init(files: Mapping[str, str]) -> list[str]:
    """Folders that a wheel would lack."""
    folders = {str(PurePosixPath(path).parent) for path in files}
    return sorted(folder for folder in folders if f"{folder}/__init__.py" not in files)


def test_every_folder_of_a_package_is_a_package() -> None:
    assert folders_without_init({"boost/__init__.py": "", "boost/data/a.py": ""}) == ["boost/data"]
    none(folders_without_init(of_packages(sources())))


def test_folders_are_not_crowded() -> None:
    none(crowded_folders(sources()))


def test_files_are_short() -> None:
    none(long_files(sources()))


def test_a_folder_has_a_name_of_its_own() -> None:
    none(repeated_folders(sources()))


def test_no_file_is_a_drawer() -> None:
    none(forbidden_names(sources()))


def test_exceptions_are_still_needed() -> None:
    files = sources()
    assert sorted(set(WIDE_FACES) - set(wide_functions(files))) == []


def test_the_rules_about_sizes_and_names_can_fail() -> None:
    many = {f"boost/data/m{n}.py": "" for n in range(16)}
    assert crowded_folders(many) == ["boost/data: 16 files"]
    assert crowded_folders({f"tests/boost/m{n}.py": "" for n in range(20)}) == []
    assert crowded_folders({f"tests/boost/m{n}.py": "" for n in range(21)}) == ["tests/boost: 21 files"]
    assert long_files({"boost/a.py": "x = 1\n" * 501, "boost/b.py": "x = 1\n" * 500}) == [
        "boost/a.py: 501 lines"
    ]
    folders = {"boost/grow/kernels/a.py": "", "sketch/kernels/b.py": "", "tests/sketch/kernels/c.py": ""}
    assert repeated_folders(folders) == ["boost/grow/kernels and sketch/kernels"]
    assert forbidden_names({"boost/utils.py": "", "boost/useful.py": ""}) == ["boost/utils.py"]


# ------------------------------------------------------------------------------------ functions, kernels


def functions(path: str, text: str) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    """Functions and methods of a file by their qualified name, ``path:Class.method``."""

    def visit(node: ast.AST, prefix: str) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)):
                yield f"{path}:{prefix}{child.name}", child
                yield from visit(child, f"{prefix}{child.name}.")
            elif isinstance(child, ast.ClassDef):
                yield from visit(child, f"{prefix}{child.name}.")
            else:
                yield from visit(child, prefix)

    yield from visit(parsed(text), "")


def wide_functions(files: Mapping[str, str]) -> dict[str, int]:
    """Functions of too many parameters, with their number; ``self`` and ``cls`` do not count."""
    wide = {}
    for path, text in files.items():
        for name, function in functions(path, text):
            a = function.args
            names = [arg.arg for arg in (*a.posonlyargs, *a.args, *a.kwonlyargs)]
            number = (
                len(names)
                + (a.vararg is not None)
                + (a.kwarg is not None)
                - (names[:1] in (["self"], ["cls"]))
            )
            if number > MAX_PARAMETERS:
                wide[name] = number
    return wide


def decorators(function: ast.FunctionDef | ast.AsyncFunctionDef) -> set[str]:
    """The last names of a function's decorators: ``njit`` of ``@numba.njit(cache=True)``."""
    names = set()
    for node in function.decorator_list:
        called = node.func if isinstance(node, ast.Call) else node
        if isinstance(called, ast.Attribute):
            names.add(called.attr)
        elif isinstance(called, ast.Name):
            names.add(called.id)
    return names


def bare_columns(files: Mapping[str, str]) -> list[str]:
    """Subscripts of kernels that end in a bare number, such as ``nodes[n, 3]``."""
    return [
        f"{name}, line {node.lineno}: {ast.unparse(node)}"
        for path, text in files.items()
        for name, function in functions(path, text)
        if decorators(function) & KERNEL_DECORATORS
        for node in ast.walk(function)
        if isinstance(node, ast.Subscript)
        and isinstance(node.slice, ast.Tuple)
        and len(node.slice.elts) > 1
        and is_number(node.slice.elts[-1])
    ]


def is_number(node: ast.expr) -> bool:
    """Whether an expression is a whole number, with or without a sign."""
    if isinstance(node, ast.UnaryOp):
        node = node.operand
    return isinstance(node, ast.Constant) and isinstance(node.value, int)


def test_functions_take_few_parameters() -> None:
    code = {path: text for path, text in sources().items() if not path.startswith("tests/")}
    wide = wide_functions(code)
    none([f"{name}: {number} parameters" for name, number in wide.items() if name not in WIDE_FACES])


def test_columns_of_kernels_have_names() -> None:
    none(bare_columns(of_packages(sources())))


def test_kernels_are_in_the_sources_that_their_cache_is_stamped_with() -> None:
    # what kernels import is below them in the order of the folders, which import-linter checks
    order = (ROOT / "pyproject.toml").read_text().split('containers = ["boost"]')[1].split("]\n")[0]
    names = [set(re.findall(r"\w+", layer)) for layer in re.findall(r'^    "(.*)",$', order, re.MULTILINE)]
    below = set().union(*names[names.index({"grow"}) :])
    assert {part.removesuffix(".py") for part in KERNEL_SOURCES} == below
    none(
        [
            name
            for path, text in of_packages(sources()).items()
            if path.startswith("boost/") and PurePosixPath(path).parts[1] not in KERNEL_SOURCES
            for name, function in functions(path, text)
            if decorators(function) & KERNEL_DECORATORS
        ]
    )


def test_the_rules_about_functions_can_fail() -> None:
    text = (
        "class A:\n"
        "    def narrow(self, a, b, c, d, e, f, g, h): ...\n"
        "    def wide(self, a, b, c, d, e, f, *g, h, **i): ...\n"
        "@kernel()\n"
        "def bad(x):\n"
        "    return x[0, 1] + x[0, -1] + x[0] + x[1, G]\n"
        "@numba.njit\n"
        "def good(x):\n"
        "    return x[0, G]\n"
    )
    assert wide_functions({"boost/a.py": text}) == {"boost/a.py:A.wide": 9}
    assert bare_columns({"boost/a.py": text}) == [
        "boost/a.py:bad, line 6: x[0, 1]",
        "boost/a.py:bad, line 6: x[0, -1]",
    ]


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_tells_that_it_is_typed(package: str) -> None:
    assert (ROOT / package / "py.typed").is_file()
