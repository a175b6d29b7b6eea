"""`Target`: the machine that a program is compiled for.

A target is spelled like a command line::

    llvm                                                    this machine
    llvm -mcpu=skylake-avx512                               another CPU of this machine's architecture
    llvm -mcpu=cortex-a72 -mtriple=aarch64-linux-gnu -mattr=+neon
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from compiler.suggest import unknown

KINDS = ("llvm",)
# other spellings of a kind
ALIASES = {"host": "llvm"}
OPTIONS = ("-mcpu", "-mtriple", "-mattr")

_X86 = ("x86_64", "amd64")
_AVX512_CPUS = """cannonlake cascadelake cooperlake diamondrapids emeraldrapids graniterapids graniterapids-d
    icelake-client icelake-server knl knm novalake rocketlake sapphirerapids skx skylake-avx512 tigerlake
    x86-64-v4 znver4 znver5"""
_AVX_CPUS = """alderlake arrowlake arrowlake-s bdver1 bdver2 bdver3 bdver4 broadwell btver2 clearwaterforest
    core-avx-i core-avx2 corei7-avx gracemont grandridge haswell ivybridge lunarlake meteorlake pantherlake
    raptorlake sandybridge sierraforest skylake wildcatlake x86-64-v3 znver1 znver2 znver3"""
_SSE_CPUS = """amdfam10 athlon-fx athlon64 athlon64-sse3 atom barcelona bonnell btver1 core2 corei7 generic
    goldmont goldmont-plus k8 k8-sse3 nehalem nocona opteron opteron-sse3 penryn silvermont slm tremont
    westmere x86-64 x86-64-v2"""
# 64-bit x86 CPUs known to LLVM -> width of their registers. A 32-bit name must never reach LLVM: asked for
# 64-bit code it ends the process.
X86_VECTOR_BITS = dict.fromkeys(_SSE_CPUS.split(), 128)
X86_VECTOR_BITS |= dict.fromkeys(_AVX_CPUS.split(), 256)
X86_VECTOR_BITS |= dict.fromkeys(_AVX512_CPUS.split(), 512)


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
    ValueError
        For an unknown kind, an unknown x86 CPU, or a feature without its sign.
    """

    kind: str
    cpu: str
    features: tuple[str, ...]
    triple: str

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(unknown("target kind", self.kind, (*KINDS, *ALIASES)))
        if self.is_x86 and self.cpu not in X86_VECTOR_BITS:
            raise ValueError(unknown("64-bit x86 CPU of a target", self.cpu, X86_VECTOR_BITS))
        for feature in self.features:
            if len(feature) < 2 or feature[0] not in "+-":
                raise ValueError(f"the CPU feature {feature!r} must begin with + or -, as in -mattr=+avx2")

    @staticmethod
    def parse(text: str | Target) -> Target:
        """The target that `text` spells; a `Target` stands for itself.

        What is left out is this machine's: ``"llvm"``, or ``"host"``, is this machine.

        Raises
        ------
        ValueError
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
    def runs_here(self) -> bool:
        """Whether code for this target can be called in this process."""
        host = _host()
        return self.architecture == host.architecture and self.vector_bits <= host.vector_bits

    def __str__(self) -> str:
        text = f"{self.kind} -mcpu={self.cpu} -mtriple={self.triple}"
        return f"{text} -mattr={','.join(self.features)}" if self.features else text


@lru_cache(maxsize=1)
def _host() -> Target:
    """This machine, its features named only where they differ from what its CPU's name promises."""
    import llvmlite.binding as llvm

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
        raise ValueError(f"a target is spelled like 'llvm' or 'llvm -mcpu=skylake-avx512', not {text!r}")
    kind, *options = text.split()
    kind = ALIASES.get(kind, kind)
    if kind not in KINDS:
        raise ValueError(unknown("target kind", kind, (*KINDS, *ALIASES)))
    given: dict[str, str] = {}
    for option in options:
        name, _, value = option.partition("=")
        if name not in OPTIONS:
            raise ValueError(f"in {text!r}: {unknown('target option', name, OPTIONS)}")
        if name in given:
            raise ValueError(f"target option {name} is given twice in {text!r}")
        if not value:
            raise ValueError(f"target option {name} in {text!r} needs a value, as in {name}=...")
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
