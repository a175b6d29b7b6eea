"""The linker of x86-64 objects: calls, constants, variables, imports, and what it leaves to LLVM."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys

import llvmlite.binding as llvm
import pytest

from compiler.backend.llvm.host import loader
from compiler.backend.llvm.host.linker import Linked, Unlinkable, is_supported

pytestmark = pytest.mark.skipif(not is_supported(), reason="needs Linux on x86-64")

TEXT = """
@count = internal global i64 40, align 64
@zeros = internal global [600 x i64] zeroinitializer, align 128
@table = internal constant [4 x i64] [i64 3, i64 5, i64 7, i64 9]
declare double @cosh(double)
declare ptr @memset(ptr, i32, i64)
declare i64 @given(i64)

define i64 @next() {
  %old = load i64, ptr @count
  %new = add i64 %old, 1
  store i64 %new, ptr @count
  ret i64 %new
}
define i64 @element(i64 %i) {
  %p = getelementptr i64, ptr @table, i64 %i
  %v = load i64, ptr %p
  ret i64 %v
}
define double @twice(double %x) {
  %y = call double @cosh(double %x)
  %z = fmul double %y, 2.5
  ret double %z
}
define i64 @filled() {
  %p = call ptr @memset(ptr @zeros, i32 1, i64 4800)
  %last = getelementptr i64, ptr @zeros, i64 599
  %v = load i64, ptr %last
  ret i64 %v
}
define i64 @imported(i64 %x) {
  %y = tail call i64 @given(i64 %x)
  ret i64 %y
}
define ptr @address() {
  ret ptr @given
}
"""

TEXT_OF_A_COUNTER = (
    TEXT[: TEXT.index("@zeros")] + TEXT[TEXT.index("define i64 @next") : TEXT.index("define i64 @element")]
)


def function(address: int, result: type, *arguments: type):  # type: ignore[no-untyped-def]
    return ctypes.CFUNCTYPE(result, *arguments)(address)


@pytest.fixture(scope="module")
def given():  # type: ignore[no-untyped-def]
    return ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)(lambda x: 3 * x)


def test_code_constants_variables_and_imports(given) -> None:  # type: ignore[no-untyped-def]
    where = ctypes.cast(given, ctypes.c_void_p).value or 0
    linked = Linked(loader.object_of(TEXT), {"given": where})
    i64, f64 = ctypes.c_int64, ctypes.c_double
    following = function(linked.symbols["next"], i64)
    assert [following(), following()] == [41, 42]
    assert [function(linked.symbols["element"], i64, i64)(i) for i in range(4)] == [3, 5, 7, 9]
    assert function(linked.symbols["twice"], f64, f64)(1.0) == pytest.approx(3.8576, abs=1e-3)
    assert function(linked.symbols["filled"], i64)() == 0x0101010101010101
    assert function(linked.symbols["imported"], i64, i64)(7) == 21
    assert function(linked.symbols["address"], i64)() == where
    # variables are those of one copy of the code
    other = Linked(loader.object_of(TEXT), {"given": where})
    assert function(other.symbols["next"], i64)() == 41


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_child_has_variables_of_its_own() -> None:
    library = loader.load_text(TEXT_OF_A_COUNTER, ("next",))
    count = function(library.addresses["next"], ctypes.c_int64)
    child = os.fork()
    if not child:
        os._exit(count() - 41)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert count() == 41


def test_an_import_that_does_not_exist_is_refused_by_name() -> None:
    text = (
        "declare void @no_such_function()\ndefine void @f() {\n call void @no_such_function()\n ret void\n}\n"
    )
    with pytest.raises(ValueError, match="the process has no 'no_such_function'"):
        loader.load_text(text, ("f",))


def test_what_it_does_not_treat_is_linked_by_llvm() -> None:
    """Code of the large model has other relocations."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    machine = llvm.Target.from_default_triple().create_target_machine(reloc="pic", codemodel="large")
    header = f'target datalayout = "{machine.target_data}"\ntarget triple = "{machine.triple}"\n'
    text = "declare double @cosh(double)\ndefine double @f(double %x) {\n"
    text += " %y = call double @cosh(double %x)\n ret double %y\n}\n"
    code = machine.emit_object(llvm.parse_assembly(header + text))
    with pytest.raises(Unlinkable, match="relocation of kind"):
        Linked(code, {})
    library = loader.load_object(code, ("f",), {})
    assert function(library.addresses["f"], ctypes.c_double, ctypes.c_double)(0.0) == 1.0


@pytest.mark.parametrize("keep", [0, 3, 40, 200])
def test_a_damaged_object_is_no_crash(keep: int) -> None:
    code = loader.object_of(TEXT)
    with pytest.raises(Unlinkable):
        Linked(code[:keep], {})


def test_objects_of_another_process_need_no_llvm() -> None:
    """A process that is provided with an object links and runs it without llvmlite."""
    text = "define i32 @f() {\n ret i32 11\n}\n"
    loader.object_of(text)
    found = {key: code.hex() for key, code in loader.compiled_objects().items()}
    script = (
        "import ctypes, sys\n"
        "from compiler.backend.llvm.host import loader\n"
        f"loader.provide_objects({{key: bytes.fromhex(code) for key, code in {found!r}.items()}})\n"
        f"library = loader.load_text({text!r}, ('f',))\n"
        "assert ctypes.CFUNCTYPE(ctypes.c_int)(library.addresses['f'])() == 11\n"
        "assert not any(name.startswith('llvmlite') for name in sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
