"""CPUs as LLVM names them, and whether code for one runs on another."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import llvmlite.binding as llvm
import pytest

from compiler.backend import Target, TargetError
from compiler.backend.llvm.compile import emit_assembly, optimise
from compiler.backend.llvm.cpu import X86_VECTOR_BITS, adjusted
from compiler.backend.llvm.machine import Machine, missing_here, this_machine

ROOT = Path(__file__).parents[4]
X86 = "llvm -mtriple=x86_64-unknown-linux-gnu -mcpu="


@pytest.mark.parametrize("cpu", sorted(X86_VECTOR_BITS))
def test_the_table_of_cpus_agrees_with_llvm(cpu: str) -> None:
    text = """define void @f(ptr %p) "prefer-vector-width"="512" {
      %a = load <16 x float>, ptr %p, align 4
      %b = fadd <16 x float> %a, %a
      store <16 x float> %b, ptr %p, align 4
      ret void
    }"""
    target = Machine.parse(f"llvm -mtriple=x86_64-unknown-linux-gnu -mcpu={cpu}")
    if target.is_host:
        pytest.skip("this machine's own features decide, not its name")
    asm = emit_assembly(optimise(text, target), target)
    widest = 512 if "%zmm" in asm else 256 if "%ymm" in asm else 128
    assert widest == target.vector_bits


def test_code_for_this_machine_runs_on_it() -> None:
    assert this_machine().missing() == ""
    assert this_machine().needs == adjusted(this_machine().needs or (), ())


@pytest.mark.parametrize(
    ("text", "needs"),
    [
        (X86 + "x86-64", ()),
        (X86 + "x86-64-v2", ("crc32", "popcnt", "sse3", "sse4.1", "sse4.2", "ssse3")),
        (X86 + "x86-64-v2 -mattr=+avx", ("avx", "crc32", "popcnt", "sse3", "sse4.1", "sse4.2", "ssse3")),
        (
            X86 + "x86-64-v3 -mattr=-avx,-bmi2,-bmi",
            ("crc32", "lzcnt", "movbe", "popcnt", "sse3", "sse4.1", "sse4.2", "ssse3"),
        ),
        (X86 + "penryn", None),
    ],
)
def test_needs(text: str, needs: tuple[str, ...] | None) -> None:
    assert Machine.parse(text).needs == needs


def test_a_machine_that_cannot_run_code() -> None:
    here = this_machine()
    assert "lacks avx4096" in missing_here(here.triple, "some", ("avx4096",))
    assert missing_here(here.triple, llvm.get_host_cpu_name(), None) == ""
    assert missing_here("sparc-sun-linux", "v9", ()).startswith("it is for sparc linux, and this is")
    assert missing_here(here.triple, "unheard-of", None).startswith("it is for the CPU unheard-of, and this")


def test_without_llvmlite_the_error_says_what_to_install() -> None:
    code = (
        "import sys\n"
        "sys.modules['llvmlite'] = None\n"
        "import compiler\n"
        "try:\n"
        "    compiler.Target.parse('llvm')\n"
        "except compiler.backend.TargetError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert "the target 'llvm' needs the package llvmlite: pip install llvmlite" in done.stdout


def test_the_error_is_a_value_error() -> None:
    with pytest.raises(TargetError):
        Target.parse("nothing")
    assert issubclass(TargetError, ValueError)


# Another CPU in place of this machine's


def held_to(cpu: str) -> str:
    """The target that a process with ``ESPALIER_CPU`` prints."""
    code = (
        "import compiler\n"
        "try:\n"
        "    target = compiler.Target.parse('llvm')\n"
        "    print(target.option('-mcpu'), target.vector_bits, target.hardware.vector_registers)\n"
        "except compiler.backend.TargetError as error:\n"
        "    print(error)\n"
    )
    environment = {**os.environ, "ESPALIER_CPU": cpu}
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, timeout=60
    )
    return run.stdout.decode()


@pytest.mark.skipif(not this_machine().is_x86, reason="names x86 CPUs")
def test_the_environment_selects_a_lesser_cpu() -> None:
    assert held_to("x86-64-v2") == "x86-64-v2 128 16\n"
    if Target.parse(X86 + "x86-64-v3").runs_here:
        assert held_to("x86-64-v3") == "x86-64-v3 256 16\n"


@pytest.mark.skipif(not this_machine().is_x86, reason="names x86 CPUs")
def test_a_cpu_whose_code_cannot_run_here_is_refused() -> None:
    assert "ESPALIER_CPU=hasvell in the environment: unknown 64-bit x86 CPU" in held_to("hasvell")
    message = "ESPALIER_CPU=penryn in the environment cannot replace this CPU: it is for the CPU penryn"
    assert message in held_to("penryn")
