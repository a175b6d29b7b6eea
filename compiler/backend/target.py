"""`Target`: the machine that a program is compiled for.

A target is spelled like a command line::

    llvm                                                    this machine
    llvm -mcpu=skylake-avx512                               another CPU of this machine's architecture
    llvm -mcpu=cortex-a72 -mtriple=aarch64-linux-gnu -mattr=+neon
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from compiler.backend.llvm.cpu import FEATURES, X86_VECTOR_BITS, adjusted, code_features
from compiler.suggest import unknown

KINDS = ("llvm",)
# other spellings of a kind
ALIASES = {"host": "llvm"}
OPTIONS = ("-mcpu", "-mtriple", "-mattr")

# kinds that are to come -> what to do until then
PLANNED = {
    "cuda": "code for CUDA is not generated yet",
    "opencl": "code for OpenCL is not generated yet",
    "vta": "code for the VTA accelerator is not generated yet",
}

_X86 = ("x86_64", "amd64")


class TargetError(ValueError):
    """A target that does not exist, is not there yet, or needs what is not installed."""


@dataclass(frozen=True, slots=True)
class Target:
    """What a program is compiled for.

    Parameters
    ----------
    kind : str
        The code generator, one of `KINDS`.
    cpu : str
        Name of the CPU as LLVM spells it.
    features : tuple of str
        What differs from that CPU's own features: ``"+name"`` or ``"-name"``.
    triple : str
        Architecture, vendor and system, as in ``x86_64-unknown-linux-gnu``.

    Raises
    ------
    TargetError
        For an unknown kind, an unknown x86 CPU, or a feature without its sign.
    """

    kind: str
    cpu: str
    features: tuple[str, ...]
    triple: str

    def __post_init__(self) -> None:
        _check_kind(self.kind)
        if self.is_x86 and self.cpu not in X86_VECTOR_BITS:
            raise TargetError(unknown("64-bit x86 CPU of a target", self.cpu, X86_VECTOR_BITS))
        for feature in self.features:
            if len(feature) < 2 or feature[0] not in "+-":
                raise TargetError(f"the CPU feature {feature!r} must begin with + or -, as in -mattr=+avx2")

    @staticmethod
    def parse(text: str | Target) -> Target:
        """The target that `text` spells; a `Target` stands for itself.

        What is left out is this machine's: ``"llvm"``, or ``"host"``, is this machine.

        Raises
        ------
        TargetError
            For an unknown kind, option or x86 CPU, or an option without a value or given twice.
        """
        return text if isinstance(text, Target) else _parse(text)

    @staticmethod
    def host() -> Target:
        """This machine."""
        return _host()

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
    def is_host(self) -> bool:
        """Whether this is the CPU and the system that the process runs on."""
        host = _host()
        return self.cpu == host.cpu and self.triple == host.triple

    @property
    def needs(self) -> tuple[str, ...] | None:
        """Features that a CPU must have to run the code; None where only its name is known."""
        base = code_features(_host_features()) if self.is_host else FEATURES.get(self.cpu)
        return None if base is None else adjusted(base, self.features)

    @property
    def runs_here(self) -> bool:
        """Whether code for this target can be called in this process."""
        return not self.missing()

    def missing(self) -> str:
        """Why code for this target cannot be called in this process; nothing if it can."""
        return missing_here(self.triple, self.cpu, self.needs)

    def __str__(self) -> str:
        text = f"{self.kind} -mcpu={self.cpu} -mtriple={self.triple}"
        return f"{text} -mattr={','.join(self.features)}" if self.features else text


def missing_here(triple: str, cpu: str, needs: tuple[str, ...] | None) -> str:
    """Why this process cannot run code for a machine; nothing if it can.

    Parameters
    ----------
    triple, cpu : str
        The machine, as LLVM spells it.
    needs : tuple of str, optional
        Features that the code needs. Without them, the CPU must be of the same name.
    """
    here = _host()
    theirs, ours = _platform(triple), _platform(here.triple)
    if theirs != ours:
        return f"it is for {' '.join(theirs)}, and this is {' '.join(ours)}"
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


def _check_kind(kind: str) -> None:
    if kind in PLANNED:
        raise TargetError(
            f"the target {kind!r} is not there yet: {PLANNED[kind]}; for a CPU the target is 'llvm'"
        )
    if kind not in KINDS:
        raise TargetError(unknown("target kind", kind, (*KINDS, *ALIASES)))


@lru_cache(maxsize=1)
def _host_features() -> frozenset[str]:
    """What this CPU really has, which may differ from its model."""
    return frozenset(name for name, has in _llvm().get_host_cpu_features().items() if has)


def _llvm() -> Any:
    try:
        import llvmlite.binding as llvm
    except ImportError as error:
        raise TargetError(
            f"the target 'llvm' needs the package llvmlite: pip install llvmlite ({error})"
        ) from error
    return llvm


@lru_cache(maxsize=1)
def _host() -> Target:
    """This machine, its features named only where they differ from what its CPU's name promises."""
    llvm = _llvm()
    cpu, triple, has = llvm.get_host_cpu_name(), llvm.get_process_triple(), llvm.get_host_cpu_features()
    features: list[str] = []
    if triple.split("-")[0] in _X86:
        cpu = cpu if cpu in X86_VECTOR_BITS else "x86-64"
        # a hypervisor may hide what the model has, and a model newer than LLVM has more than its stand-in
        for feature, bits in (("avx512f", 512), ("avx", 256)):
            promised = X86_VECTOR_BITS[cpu] >= bits
            if has.get(feature, False) != promised:
                features.append(("-" if promised else "+") + feature)
    return Target("llvm", cpu, tuple(features), triple)


@lru_cache(maxsize=64)
def _parse(text: str) -> Target:
    if not isinstance(text, str) or not text.split():
        raise TargetError(f"a target is spelled like 'llvm' or 'llvm -mcpu=skylake-avx512', not {text!r}")
    kind, *options = text.split()
    kind = ALIASES.get(kind, kind)
    _check_kind(kind)
    given: dict[str, str] = {}
    for option in options:
        name, _, value = option.partition("=")
        if name not in OPTIONS:
            raise TargetError(f"in {text!r}: {unknown('target option', name, OPTIONS)}")
        if name in given:
            raise TargetError(f"target option {name} is given twice in {text!r}")
        if not value:
            raise TargetError(f"target option {name} in {text!r} needs a value, as in {name}=...")
        given[name] = value
    features = tuple(given["-mattr"].split(",")) if "-mattr" in given else ()
    if "-mcpu" in given and "-mtriple" in given:
        return Target(kind, given["-mcpu"], features, given["-mtriple"])
    host = _host()
    triple = given.get("-mtriple", host.triple)
    if "-mcpu" in given:
        return Target(kind, given["-mcpu"], features, triple)
    if triple != host.triple:
        return Target(kind, "generic", features, triple)
    return Target(kind, host.cpu, host.features + features, triple)
