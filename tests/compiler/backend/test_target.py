"""Spelling of targets."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from compiler.backend import Target


def test_the_import_does_not_load_llvm() -> None:
    code = (
        "import sys, compiler.backend, compiler.runtime; "
        "sys.exit(sum(m in sys.modules for m in ('llvmlite', 'numba')))"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0


def test_llvm_is_this_machine() -> None:
    target = Target.parse("llvm")
    assert target == Target.host() == Target.parse("host")
    assert target.runs_here
    assert target.kind == "llvm"


def test_every_option_is_parsed() -> None:
    target = Target.parse("llvm -mcpu=cortex-a72 -mtriple=aarch64-linux-gnu -mattr=+neon,-crc")
    options = (("-mcpu", "cortex-a72"), ("-mtriple", "aarch64-linux-gnu"), ("-mattr", "+neon,-crc"))
    assert target.options == options
    assert target == Target("llvm", options[::-1])
    assert hash(target) == hash(Target("llvm", options[::-1]))
    assert target.option("-mtriple") == "aarch64-linux-gnu"
    assert str(target) == "llvm -mcpu=cortex-a72 -mtriple=aarch64-linux-gnu -mattr=+neon,-crc"
    assert not target.runs_here


def test_the_order_of_options_does_not_matter() -> None:
    a = Target.parse("llvm -mattr=+neon -mtriple=aarch64-linux-gnu -mcpu=cortex-a72")
    assert a == Target.parse("llvm  -mcpu=cortex-a72  -mtriple=aarch64-linux-gnu -mattr=+neon")


def test_another_machine_without_a_cpu_is_generic() -> None:
    assert Target.parse("llvm -mtriple=aarch64-linux-gnu").option("-mcpu") == "generic"


@pytest.mark.parametrize(
    "text",
    [
        "llvm",
        "llvm -mcpu=skylake-avx512",
        "llvm -mattr=-avx512f",
        "llvm -mcpu=skylake-avx512 -mtriple=aarch64-linux-gnu -mattr=+neon",
        "llvm -mtriple=riscv64-linux-gnu",
    ],
)
def test_the_text_of_a_target_reads_as_the_same_target(text: str) -> None:
    target = Target.parse(text)
    assert Target.parse(str(target)) == target
    assert Target.parse(target) is target


@pytest.mark.parametrize(
    ("text", "bits"),
    [
        ("-mcpu=skylake-avx512", 512),
        ("-mcpu=znver4", 512),
        ("-mcpu=haswell", 256),
        ("-mcpu=znver4 -mattr=-avx512f", 256),
        ("-mcpu=znver4 -mattr=-avx512f,-avx", 128),
        ("-mcpu=x86-64 -mattr=+avx2", 256),
        ("-mcpu=x86-64 -mattr=+avx512f", 512),
        ("-mcpu=nehalem", 128),
    ],
)
def test_vector_bits_of_x86(text: str, bits: int) -> None:
    assert Target.parse(f"llvm -mtriple=x86_64-unknown-linux-gnu {text}").vector_bits == bits


def test_vector_bits_of_arm() -> None:
    assert Target.parse("llvm -mtriple=aarch64-linux-gnu").vector_bits == 128


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("llmv", "unknown target kind 'llmv'; did you mean 'llvm'"),
        (
            "cuda",
            "the target 'cuda' is not supported: code for CUDA is not generated yet; for a CPU .* 'llvm'",
        ),
        ("opencl", "the target 'opencl' is not supported"),
        ("vta -mcpu=pynq", "the target 'vta' is not supported"),
        ("metal", r"unknown target kind 'metal' \(known: llvm, host\)"),
        ("llvm -mcp=haswell", "unknown target option '-mcp'; did you mean '-mcpu'"),
        ("llvm haswell", "unknown target option 'haswell'"),
        ("llvm -mcpu", "-mcpu in 'llvm -mcpu' needs a value"),
        ("llvm -mcpu=", "needs a value, as in -mcpu=..."),
        ("llvm -mcpu=haswell -mcpu=skylake", "-mcpu is given twice"),
        ("llvm -mtriple=x86_64-linux-gnu -mcpu=hasvell", "unknown .*CPU.* 'hasvell'; did you mean 'haswell'"),
        ("llvm -mtriple=x86_64-linux-gnu -mcpu=i386", "unknown 64-bit x86 CPU of a target 'i386'"),
        ("llvm -mattr=avx2", r"'avx2' must begin with \+ or -"),
        ("", "a target is spelled like 'llvm'"),
    ],
)
def test_invalid_targets_are_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Target.parse(text)


def test_a_target_of_an_unknown_kind() -> None:
    with pytest.raises(ValueError, match="unknown target kind 'metal'"):
        Target("metal", (("-mcpu", "generic"),))


def test_a_target_of_an_unknown_option() -> None:
    with pytest.raises(ValueError, match="unknown target option '-mcp'; did you mean '-mcpu'"):
        Target("llvm", (("-mcp", "generic"),))


@pytest.mark.parametrize(
    ("text", "bits", "registers", "floats"),
    [
        ("-mcpu=x86-64-v4 -mtriple=x86_64-linux-gnu", 512, 32, 16),
        ("-mcpu=x86-64-v3 -mtriple=x86_64-linux-gnu", 256, 16, 8),
        ("-mcpu=x86-64-v2 -mtriple=x86_64-linux-gnu", 128, 16, 4),
        ("-mcpu=cortex-a72 -mtriple=aarch64-linux-gnu", 128, 32, 4),
        ("-mcpu=cortex-a15 -mtriple=armv7-linux-gnueabihf", 128, 16, 4),
    ],
)
def test_hardware_of_cpus(text: str, bits: int, registers: int, floats: int) -> None:
    target = Target.parse(f"llvm {text}")
    assert (target.vector_bits, target.hardware.vector_registers) == (bits, registers)
    assert target.lanes("float32") == floats
    assert target.lanes("int8") == 4 * floats
    assert target.lanes("float64") == floats // 2
    assert target.hardware.memories == {"global": None, "local": None}


@pytest.mark.parametrize(
    ("options", "has"),
    [
        ("-mcpu=cascadelake", True),
        ("-mcpu=sapphirerapids", True),
        ("-mcpu=x86-64-v3 -mattr=+avxvnni", True),
        ("-mcpu=x86-64-v4", False),
        ("-mcpu=cascadelake -mattr=-avx512vnni", False),
        ("-mcpu=cortex-a72 -mtriple=aarch64-linux-gnu", False),
    ],
)
def test_hardware_that_multiplies_bytes_in_fours(options: str, has: bool) -> None:
    triple = "" if "mtriple" in options else " -mtriple=x86_64-unknown-linux-gnu"
    assert Target.parse(f"llvm {options}{triple}").hardware.byte_products is has


@pytest.mark.parametrize(
    ("options", "has"),
    [
        ("-mcpu=x86-64-v2", True),
        ("-mcpu=sandybridge", False),  # vectors of 256 bits, for floats alone
        ("-mcpu=x86-64-v3", True),
        ("-mcpu=x86-64-v4", True),
        ("-mcpu=x86-64-v4 -mattr=-avx512bw", False),
        ("-mcpu=cortex-a72 -mtriple=aarch64-linux-gnu", False),
    ],
)
def test_hardware_that_multiplies_int16_in_pairs(options: str, has: bool) -> None:
    triple = "" if "mtriple" in options else " -mtriple=x86_64-unknown-linux-gnu"
    assert Target.parse(f"llvm {options}{triple}").hardware.pair_products is has


def test_caches_and_threads() -> None:
    here, elsewhere = Target.host().hardware, Target.parse("llvm -mtriple=riscv64-linux-gnu").hardware
    assert list(here.caches) == sorted(here.caches)
    assert here.caches[0] >= 8 * 1024
    assert here.threads == len(os.sched_getaffinity(0))
    assert (elsewhere.caches, elsewhere.threads) == ((32 * 1024, 256 * 1024), 1)
