from __future__ import annotations

import linecache
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from compiler import ops
from costmodel.measure.origin import OriginError, _Sources, origins

ROOT = Path(__file__).resolve().parents[3]

TEMPLATE = """
from compiler import te
from costmodel import Measurer, Task, register

print("module body")
FACTOR = 2.0


@register(reference=lambda a, n: a * FACTOR, flops=lambda n: n)
def scale(knobs, n):
    factor = knobs.choice("factor", [FACTOR])
    A = te.placeholder((n,), "A")
    B = te.compute((n,), lambda i: A[i] * factor, "B")
    return te.create_schedule(B.op), [A, B]
"""

MEASURE = """
measurer = Measurer(min_repeat_ms=1.0, builders=2)
print([r.reason.name for r in measurer.measure_many(Task("scale", [64]), [0, 0])])
measurer.close()
"""


def run(path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {"PYTHONPATH": str(ROOT), "PATH": ""}
    command = [sys.executable, *arguments, *([] if arguments else [str(path)])]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=300, env=environment, cwd=path.parent
    )


def guarded(text: str) -> str:
    return '\nif __name__ == "__main__":\n' + textwrap.indent(text, "    ")


@pytest.mark.parametrize("as_module", [False, True], ids=["script", "python -m"])
def test_a_template_in_a_script_is_measured_and_its_main_part_does_not_run_again(tmp_path, as_module):
    script = tmp_path / "my_script.py"
    script.write_text(TEMPLATE + guarded(MEASURE))
    done = run(script, *(["-m", "my_script"] if as_module else []))
    assert done.returncode == 0, done.stderr
    assert done.stdout == "module body\n['OK', 'OK']\n"


def test_a_script_without_a_main_part_is_told_what_to_do(tmp_path):
    script = tmp_path / "my_script.py"
    script.write_text(TEMPLATE + MEASURE)
    done = run(script)
    assert done.returncode != 0
    assert 'move what starts the search under `if __name__ == "__main__":`' in done.stderr


def test_a_script_that_fails_when_it_is_imported_ends_the_search_with_the_whole_error(tmp_path):
    script = tmp_path / "my_script.py"
    fails = '\nif __name__ != "__main__":\n    raise RuntimeError("only as a script")\n'
    script.write_text(TEMPLATE + fails + guarded(MEASURE))
    done = run(script)
    assert "cannot make the task 'scale': RuntimeError: only as a script" in done.stderr
    assert 'my_script.py", line' in done.stderr.split("cannot make the task")[-1]


def test_a_file_that_hides_behind_the_name_of_another_module_is_found(tmp_path):
    (tmp_path / "test.py").write_text(TEMPLATE)  # Python has a package of this name
    script = tmp_path / "main.py"
    script.write_text(
        "import importlib.util, sys\n"
        f"spec = importlib.util.spec_from_file_location('test', {str(tmp_path / 'test.py')!r})\n"
        "module = importlib.util.module_from_spec(spec)\nspec.loader.exec_module(module)\n"
        "from costmodel import Measurer, Task\nsys.path.remove(sys.path[0])\n" + guarded(MEASURE)
    )
    done = run(script)
    assert "['OK', 'OK']" in done.stdout, done.stderr


def test_a_template_in_a_notebook_is_measured(tmp_path):
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    cells = [f"import sys; sys.path.insert(0, {str(ROOT)!r})", TEMPLATE, MEASURE]
    changed = TEMPLATE.replace("[FACTOR]", "[FACTOR, 3.0]")  # the cell is edited and run again
    cells += [changed, MEASURE.replace("[0, 0]", "[0, 1]")]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    nbclient.NotebookClient(notebook, timeout=300, kernel_name="python3").execute()
    texts = ["".join(o.get("text", "") for o in cell["outputs"]) for cell in notebook.cells]
    assert "['OK', 'OK']" in texts[2]
    assert "['OK', 'WRONG']" in texts[4]


def test_built_in_operators_have_no_origin():
    assert origins(ops.operator("matmul")) == []


def test_an_operator_of_a_module():
    from costmodel.measure import origin

    spec = {"module": "costmodel.measure.origin", "file": origin.__file__}
    found = origin._origin(origin.define)
    assert {k: found[k] for k in spec} == spec
    assert "def define(" in found["text"]


# ------------------------------------------------------------------------------- the sources of a notebook


def cell(text: str) -> dict:
    """Run a cell as a notebook does: its source is known to `linecache`, and it has no file."""
    text = textwrap.dedent(text)
    name = f"<cell {abs(hash(text))}>"
    linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
    namespace = {"__name__": "__main__"}
    exec(compile(text, name, "exec"), namespace)
    return namespace


def sources(namespace: dict, name: str = "template") -> str:
    return "\n".join(_Sources(namespace[name]).found)


def test_what_a_function_uses_is_found_in_order():
    namespace = cell(
        """
        import math as m
        from pathlib import PurePath
        SIZES = [1, (2, 3)]
        UNUSED = object()
        def inner(x):
            return m.sqrt(x) * len(SIZES)
        def template(x):
            return inner(x) + len(str(PurePath("ab"))) if x else template(1.0)
        """
    )
    text = sources(namespace)
    again: dict = {}
    exec(text, again)
    assert again["template"](16.0) == namespace["template"](16.0) == 10.0
    assert "UNUSED" not in text
    assert text.index("import math as m") < text.index("def inner") < text.index("def template")


def test_a_variable_of_a_function_is_not_that_of_the_notebook():
    namespace = cell(
        """
        x = object()
        y = object()
        def template(x):
            y = [x for z in range(2)]
            return (lambda: len(y) + x)()
        """
    )
    assert "object" not in sources(namespace)


@pytest.mark.parametrize(
    "setup, message",
    [
        ("VALUE = object()", "uses the variable 'VALUE' of type object: it cannot be sent"),
        (
            "def make():\n    n = 3\n    def VALUE():\n        return n\n    return VALUE\nVALUE = make()",
            "'n'",
        ),
    ],
)
def test_what_has_no_source_is_refused_by_name(setup, message):
    namespace = cell(setup + "\ndef template():\n    return VALUE\n")
    with pytest.raises(OriginError, match=message):
        sources(namespace)


def test_a_function_without_source_is_refused():
    namespace: dict = {"__name__": "__main__"}
    exec("def template():\n    pass", namespace)
    with pytest.raises(OriginError, match="whose source cannot be found"):
        sources(namespace)
