"""What CPUs have, and whether code for one runs on another."""

from __future__ import annotations

import subprocess
import sys

import pytest

from compiler.backend import Target, TargetError
from compiler.backend.llvm.cpu import FEATURES, X86_VECTOR_BITS, adjusted, code_features
from compiler.backend.target import missing_here

X86 = "llvm -mtriple=x86_64-unknown-linux-gnu -mcpu="


@pytest.mark.parametrize("cpu", sorted(set(FEATURES) - {"generic"}))
def test_the_features_of_a_cpu_agree_with_the_width_of_its_registers(cpu: str) -> None:
    has = FEATURES[cpu]
    assert X86_VECTOR_BITS[cpu] == (512 if "avx512f" in has else 256 if "avx" in has else 128)
    assert len(has) == len(set(has))


@pytest.mark.parametrize(
    ("features", "changes", "result"),
    [
        (("avx", "sse3"), (), ("avx", "sse3")),
        (("avx",), ("+fma",), ("avx", "fma")),
        (("avx", "avx2", "fma", "f16c", "sse3"), ("-avx",), ("sse3",)),
        (("avx2", "avx512f", "avx512bw"), ("-avx512f",), ("avx2",)),
        (("avx2", "avx512f", "avx"), ("-avx2",), ("avx",)),
        (("avx512f", "avx512fp16"), ("-avx512fp16",), ("avx512f",)),
        (("avx512f",), ("-avx512f", "+avx512f"), ("avx512f",)),
    ],
)
def test_changes(features: tuple[str, ...], changes: tuple[str, ...], result: tuple[str, ...]) -> None:
    assert adjusted(features, changes) == result


def test_features_that_no_code_uses_are_left_out() -> None:
    assert code_features(["avx2", "tsxldtrk", "cldemote", "fma", "rdrnd"]) == ("avx2", "fma")


def test_what_is_built_for_this_machine_runs_on_it() -> None:
    assert Target.host().missing() == ""
    assert Target.host().needs == adjusted(Target.host().needs or (), ())


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
    assert Target.parse(text).needs == needs


def test_a_machine_that_cannot_run_code() -> None:
    here = Target.host()
    assert "lacks avx4096" in missing_here(here.triple, "some", ("avx4096",))
    assert missing_here(here.triple, here.cpu, None) == ""
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
