"""`Machine`: a CPU and a system as LLVM names them, its hardware, and whether this process can run its code.

``ESPALIER_CPU`` in the environment names a CPU to compile for in place of this machine's: with
``ESPALIER_CPU=x86-64-v3`` an AVX-512 machine compiles and schedules for AVX2. It must be a CPU whose code can
run here, and is read once in a process.
"""

from __future__ import annotations

import hashlib
import os
import platform
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from compiler.backend.llvm.cpu import (
    BYTE_PRODUCTS,
    FEATURES,
    PAIR_PRODUCTS,
    X86_VECTOR_BITS,
    adjusted,
    code_features,
)
from compiler.backend.protocol import Hardware, Options, TargetError
from compiler.runtime.threads import num_threads
from compiler.suggest import unknown

KIND = "llvm"
OPTIONS = ("-mcpu", "-mtriple", "-mattr")
ENVIRONMENT = "ESPALIER_CPU"

_X86 = ("x86_64", "amd64")
_AARCH64 = ("aarch64", "arm64")
# bytes of the first two data caches of an unknown CPU: the smallest ones in common use
_UNKNOWN_CACHES = (32 * 1024, 256 * 1024)


@dataclass(frozen=True, slots=True)
class Machine:
    """A CPU and system that LLVM compiles for.

    Parameters
    ----------
    cpu : str
        Name of the CPU as LLVM spells it.
    features : tuple of str
        Differences from the features that LLVM gives that CPU: ``"+name"`` or ``"-name"``.
    triple : str
        Architecture, vendor and system, as in ``x86_64-unknown-linux-gnu``.

    Raises
    ------
    TargetError
        For an unknown x86 CPU, or a feature without its sign.
    """

    cpu: str
    features: tuple[str, ...]
    triple: str

    def __post_init__(self) -> None:
        if self.is_x86 and self.cpu not in X86_VECTOR_BITS:
            raise TargetError(unknown("64-bit x86 CPU of a target", self.cpu, X86_VECTOR_BITS))
        for feature in self.features:
            if len(feature) < 2 or feature[0] not in "+-":
                raise TargetError(f"the CPU feature {feature!r} must begin with + or -, as in -mattr=+avx2")

    @staticmethod
    def from_options(options: Mapping[str, str]) -> Machine:
        """The machine of a target's options; by default those of this machine."""
        features = tuple(options["-mattr"].split(",")) if "-mattr" in options else ()
        if "-mcpu" in options and "-mtriple" in options:
            return Machine(options["-mcpu"], features, options["-mtriple"])
        here = this_machine()
        triple = options.get("-mtriple", here.triple)
        if "-mcpu" in options:
            return Machine(options["-mcpu"], features, triple)
        if triple != here.triple:
            return Machine("generic", features, triple)
        return Machine(here.cpu, here.features + features, triple)

    @staticmethod
    def parse(text: str) -> Machine:
        """The machine of a target's text, as ``llvm -mcpu=haswell``."""
        options = (option.partition("=") for option in text.split()[1:])
        return Machine.from_options({name: value for name, _, value in options})

    @property
    def options(self) -> Options:
        """The options of a target, complete."""
        options = (("-mcpu", self.cpu), ("-mtriple", self.triple))
        return (*options, ("-mattr", ",".join(self.features))) if self.features else options

    @property
    def architecture(self) -> str:
        """The first part of the triple."""
        return self.triple.split("-")[0]

    @property
    def is_x86(self) -> bool:
        """Whether this is a 64-bit x86 machine."""
        return self.architecture in _X86

    @property
    def vector_bits(self) -> int:
        """Width of a vector register: 512, 256 or 128."""
        bits = X86_VECTOR_BITS[self.cpu] if self.is_x86 else 128
        for feature in self.features:  # in order, as LLVM takes them
            name = feature[1:]
            if feature[0] == "+":
                bits = max(bits, 512 if name.startswith("avx512") else 256 if name.startswith("avx") else 128)
            elif name == "avx512f":
                bits = min(bits, 256)
            elif name == "avx":
                bits = 128
        return bits

    @property
    def vector_registers(self) -> int:
        """Number of vector registers: 32 with AVX-512 and on 64-bit ARM, else 16."""
        return 32 if self.architecture in _AARCH64 or (self.is_x86 and self.vector_bits == 512) else 16

    @property
    def hardware(self) -> Hardware:
        """The hardware; caches and threads are those of this machine if it can run the code."""
        here = not self.missing()
        return Hardware(
            vector_bits=self.vector_bits,
            vector_registers=self.vector_registers,
            caches=_host_caches() if here else _UNKNOWN_CACHES,
            threads=num_threads() if here else 1,
            memories={"global": None, "local": None},
            byte_products=not BYTE_PRODUCTS.isdisjoint(self.needs or ()),
            pair_products=self.is_x86
            and (self.vector_bits == 128 or PAIR_PRODUCTS[self.vector_bits] in (self.needs or ())),
            lane_operands=self.architecture in _AARCH64,
        )

    @property
    def is_host(self) -> bool:
        """Whether this is the CPU and the system that the process runs on."""
        host = _host()
        return self.cpu == host.cpu and self.triple == host.triple

    @property
    def needs(self) -> tuple[str, ...] | None:
        """Features that a CPU must have to run the code; None where only the CPU's name is known."""
        base = code_features(_host_features()) if self.is_host else FEATURES.get(self.cpu)
        return None if base is None else adjusted(base, self.features)

    def missing(self) -> str:
        """Why code for this machine cannot be called in this process; empty if it can."""
        return missing_here(self.triple, self.cpu, self.needs)

    def __str__(self) -> str:
        return " ".join([KIND, *(f"{name}={value}" for name, value in self.options)])


@lru_cache(maxsize=64)
def machine_of(options: Options) -> Machine:
    """The machine of complete options."""
    return Machine.from_options(dict(options))


@lru_cache(maxsize=1)
def this_machine() -> Machine:
    """This machine, or the CPU that ``ESPALIER_CPU`` names in its place.

    Raises
    ------
    TargetError
        If that CPU is unknown, or this machine cannot run its code.
    """
    host, name = _host(), os.environ.get(ENVIRONMENT)
    if not name:
        return host
    try:
        machine = Machine(name, (), host.triple)
    except TargetError as error:
        raise TargetError(f"{ENVIRONMENT}={name} in the environment: {error}") from error
    if missing := machine.missing():
        raise TargetError(f"{ENVIRONMENT}={name} in the environment cannot replace this CPU: {missing}")
    return machine


@lru_cache(maxsize=64)
def hardware_of(options: Options) -> Hardware:
    """The hardware of the machine of complete options, cached."""
    return machine_of(options).hardware


def missing_here(triple: str, cpu: str, needs: tuple[str, ...] | None) -> str:
    """Why this process cannot run code for a machine; empty if it can.

    Parameters
    ----------
    triple, cpu : str
        The machine, as LLVM spells it.
    needs : tuple of str, optional
        Features that the code needs. Without them, the CPU must be of the same name.
    """
    here = _host()
    needed, available = _platform(triple), _platform(here.triple)
    if needed != available:
        return f"it is for {' '.join(needed)}, and this is {' '.join(available)}"
    if needs is None:
        return "" if cpu == here.cpu else f"it is for the CPU {cpu}, and this one is {here.cpu}"
    lacking = sorted(set(needs) - set(_host_features()))
    return f"this CPU ({here.cpu}) lacks {', '.join(lacking)}" if lacking else ""


def _platform(triple: str) -> tuple[str, str]:
    """Architecture and system of a triple."""
    architecture, *rest = triple.split("-")
    architecture = {"amd64": "x86_64", "arm64": "aarch64"}.get(architecture, architecture)
    systems = ("linux", "darwin", "macos", "windows", "freebsd", "none")
    system = next((s for part in rest for s in systems if part.startswith(s)), "unknown")
    return architecture, "darwin" if system == "macos" else system


def _host() -> Machine:
    """The CPU of this machine, with the features that differ from those that LLVM gives its name."""
    return host_facts().machine


def _host_features() -> frozenset[str]:
    """The features of this CPU itself, which may differ from those of its model."""
    return host_facts().features


@dataclass(frozen=True, slots=True)
class HostFacts:
    """What LLVM says about the CPU that this process runs on.

    Parameters
    ----------
    machine : Machine
    features : frozenset of str
    """

    machine: Machine
    features: frozenset[str]


_facts: HostFacts | None = None


def host_facts() -> HostFacts:
    """The facts, from LLVM if nothing has provided them."""
    global _facts
    if _facts is None:
        llvm = _llvm()
        cpu, triple, has = llvm.get_host_cpu_name(), llvm.get_process_triple(), llvm.get_host_cpu_features()
        features: list[str] = []
        if triple.split("-")[0] in _X86:
            cpu = cpu if cpu in X86_VECTOR_BITS else "x86-64"
            # a hypervisor may hide features; a model that LLVM does not know has more than the generic one
            for feature, bits in (("avx512f", 512), ("avx", 256)):
                expected = X86_VECTOR_BITS[cpu] >= bits
                if has.get(feature, False) != expected:
                    features.append(("-" if expected else "+") + feature)
        _facts = HostFacts(
            Machine(cpu, tuple(features), triple), frozenset(name for name, on in has.items() if on)
        )
    return _facts


def provide_facts(facts: HostFacts) -> None:
    """Add what `host_facts` returned in another process on a CPU of the same `fingerprint`."""
    global _facts
    _facts = _facts or facts


@lru_cache(maxsize=1)
def fingerprint() -> str | None:
    """A digest of what the system says about its CPUs; None where it says nothing."""
    try:
        lines = Path("/proc/cpuinfo").read_text().partition("\n\n")[0].splitlines()
    except OSError:
        return None
    named = [
        line for line in lines if line.startswith(("vendor_id", "cpu family", "model", "stepping", "flags"))
    ]
    text = "\n".join([sys.platform, platform.machine(), *named])
    return hashlib.sha256(text.encode()).hexdigest() if named else None


@lru_cache(maxsize=1)
def _host_caches() -> tuple[int, ...]:
    """Bytes of this machine's data caches, the nearest first, as Linux reports them."""
    sizes: dict[int, int] = {}
    try:
        for folder in Path("/sys/devices/system/cpu/cpu0/cache").glob("index*"):
            size = (folder / "size").read_text().strip()
            if (folder / "type").read_text().strip() != "Instruction" and size.endswith(("K", "M")):
                unit = 1024 if size.endswith("K") else 1024**2
                sizes[int((folder / "level").read_text())] = int(size[:-1]) * unit
    except (OSError, ValueError):
        return _UNKNOWN_CACHES
    return tuple(sizes[level] for level in sorted(sizes)) or _UNKNOWN_CACHES


def _llvm() -> Any:
    try:
        import llvmlite.binding as llvm
    except ImportError as error:
        raise TargetError(
            f"the target 'llvm' needs the package llvmlite: pip install llvmlite ({error})"
        ) from error
    return llvm
