"""Tables of CPUs: the width of their vector registers, and the features that code for them may use.

LLVM has these tables too, but llvmlite has no call that reads them for a CPU other than this machine's.
"""

from __future__ import annotations

from collections.abc import Iterable

_AVX512_CPUS = """cannonlake cascadelake cooperlake diamondrapids emeraldrapids graniterapids graniterapids-d
    icelake-client icelake-server knl knm novalake rocketlake sapphirerapids skx skylake-avx512 tigerlake
    x86-64-v4 znver4 znver5"""
_AVX_CPUS = """alderlake arrowlake arrowlake-s bdver1 bdver2 bdver3 bdver4 broadwell btver2 clearwaterforest
    core-avx-i core-avx2 corei7-avx gracemont grandridge haswell ivybridge lunarlake meteorlake pantherlake
    raptorlake sandybridge sierraforest skylake wildcatlake x86-64-v3 znver1 znver2 znver3"""
_SSE_CPUS = """amdfam10 athlon-fx athlon64 athlon64-sse3 atom barcelona bonnell btver1 core2 corei7 generic
    goldmont goldmont-plus k8 k8-sse3 nehalem nocona opteron opteron-sse3 penryn silvermont slm tremont
    westmere x86-64 x86-64-v2"""
# 64-bit x86 CPUs of LLVM -> width of their vector registers. The name of a 32-bit CPU must never reach LLVM:
# for 64-bit code it ends the process.
X86_VECTOR_BITS = dict.fromkeys(_SSE_CPUS.split(), 128)
X86_VECTOR_BITS |= dict.fromkeys(_AVX_CPUS.split(), 256)
X86_VECTOR_BITS |= dict.fromkeys(_AVX512_CPUS.split(), 512)

_V2 = ("sse3", "ssse3", "sse4.1", "sse4.2", "popcnt", "crc32")
_V3 = (*_V2, "avx", "avx2", "bmi", "bmi2", "f16c", "fma", "lzcnt", "movbe")
_V4 = (*_V3, "avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl")
_SKYLAKE = ("adx", "aes", "pclmul")
_ICELAKE: tuple[str, ...] = (
    "avx512ifma",
    "avx512vbmi",
    "avx512vbmi2",
    "avx512vnni",
    "avx512bitalg",
    "avx512vpopcntdq",
)
_ICELAKE += ("gfni", "vaes", "vpclmulqdq", "sha")
_SAPPHIRE = ("avx512bf16", "avx512fp16", "avxvnni")

# CPU -> the features that generated code may use. Of a CPU that is not here only the name is known.
FEATURES: dict[str, tuple[str, ...]] = {
    "generic": (),
    "x86-64": (),
    "x86-64-v2": _V2,
    "nehalem": _V2,
    "westmere": (*_V2, "pclmul", "aes"),
    "sandybridge": (*_V2, "pclmul", "aes", "avx"),
    "ivybridge": (*_V2, "pclmul", "aes", "avx", "f16c"),
    "x86-64-v3": _V3,
    "haswell": (*_V3, "pclmul", "aes"),
    "broadwell": (*_V3, *_SKYLAKE),
    "skylake": (*_V3, *_SKYLAKE),
    "znver1": (*_V3, *_SKYLAKE, "sse4a", "sha"),
    "znver2": (*_V3, *_SKYLAKE, "sse4a", "sha"),
    "znver3": (*_V3, *_SKYLAKE, "sse4a", "sha", "vaes", "vpclmulqdq"),
    "x86-64-v4": _V4,
    "skylake-avx512": (*_V4, *_SKYLAKE),
    "skx": (*_V4, *_SKYLAKE),
    "cascadelake": (*_V4, *_SKYLAKE, "avx512vnni"),
    "cooperlake": (*_V4, *_SKYLAKE, "avx512vnni", "avx512bf16"),
    "icelake-client": (*_V4, *_SKYLAKE, *_ICELAKE),
    "icelake-server": (*_V4, *_SKYLAKE, *_ICELAKE),
    "rocketlake": (*_V4, *_SKYLAKE, *_ICELAKE),
    "sapphirerapids": (*_V4, *_SKYLAKE, *_ICELAKE, *_SAPPHIRE),
    "emeraldrapids": (*_V4, *_SKYLAKE, *_ICELAKE, *_SAPPHIRE),
    "znver4": (*_V4, *_SKYLAKE, *_ICELAKE, "avx512bf16", "sse4a"),
}

# features that include an instruction which multiplies bytes in fours and adds the products
BYTE_PRODUCTS = frozenset(("avx512vnni", "avxvnni"))
# width of an x86 vector -> the feature that includes an instruction on it which multiplies int16 in pairs and
# adds the products; each x86-64 CPU has that of 128 bits
PAIR_PRODUCTS = {256: "avx2", 512: "avx512bw"}

# prefixes of the features of this machine that code may use without -mattr
_USED_BY_CODE: tuple[str, ...] = (
    "avx",
    "sse",
    "ssse",
    "bmi",
    "fma",
    "f16c",
    "lzcnt",
    "popcnt",
    "movbe",
    "adx",
    "aes",
    "gfni",
)
_USED_BY_CODE += ("vaes", "pclmul", "vpclmul", "sha", "xop", "tbm", "crc32", "neon", "fp-armv8", "fullfp16")
_USED_BY_CODE += ("dotprod", "sve", "sme", "i8mm", "bf16", "lse", "rdm", "crc", "vfp", "d32")
# feature -> prefixes of the features that need it
_NEEDED_BY = {
    "avx": ("avx", "f16c", "fma", "vaes", "vpclmulqdq"),
    "avx2": ("avx2", "avx512", "avxvnni"),
    "avx512f": ("avx512",),
}


def code_features(available: Iterable[str]) -> tuple[str, ...]:
    """Those of a machine's features that generated code may use without -mattr."""
    return tuple(sorted(name for name in available if name.startswith(_USED_BY_CODE)))


def adjusted(features: Iterable[str], changes: Iterable[str]) -> tuple[str, ...]:
    """`features` with ``"+name"`` added and ``"-name"`` removed in order, with the features that need it."""
    result = set(features)
    for change in changes:
        name = change[1:]
        if change[0] == "+":
            result.add(name)
        else:
            result = {f for f in result if f != name and not f.startswith(_NEEDED_BY.get(name, ()))}
    return tuple(sorted(result))
