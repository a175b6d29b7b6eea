"""`Target`: the machine that a program is compiled for.

A target is spelled like a command line: its kind, which names a back end, and the options of that kind::

    llvm                                                    this machine
    llvm -mcpu=skylake-avx512                               another CPU of this machine's architecture
    llvm -mcpu=cortex-a72 -mtriple=aarch64-linux-gnu -mattr=+neon

With ``ESPALIER_CPU=x86-64-v3`` in the environment, ``llvm`` is that CPU in place of this machine's, so that
an AVX-512 machine compiles and schedules for AVX2.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from compiler.backend.protocol import Hardware, Options, TargetError
from compiler.backend.registry import backend
from compiler.ir.dtype import bits_of
from compiler.suggest import unknown


@dataclass(frozen=True, slots=True)
class Target:
    """The machine that a program is compiled for: a kind and its options.

    Parameters
    ----------
    kind : str
        Names the back end.
    options : tuple of (str, str)
        Names and values. The back end checks them and completes them by its defaults.

    Raises
    ------
    TargetError
        For an unknown kind or option, or a value that the back end refuses.
    """

    kind: str
    options: Options = ()

    def __post_init__(self) -> None:
        generator = backend(self.kind)
        for name, _ in self.options:
            if name not in generator.option_names:
                raise TargetError(unknown("target option", name, generator.option_names))
        object.__setattr__(self, "kind", generator.kind)
        object.__setattr__(self, "options", generator.complete(dict(self.options)))

    @staticmethod
    def parse(text: str | Target) -> Target:
        """The target that `text` spells; a `Target` is returned as it is.

        By default, options are those of this machine: ``"llvm"``, or ``"host"``, is this machine.

        Raises
        ------
        TargetError
            For an unknown kind, option or x86 CPU, or an option without a value or given twice.
        """
        return text if isinstance(text, Target) else _parse(text)

    @staticmethod
    def host() -> Target:
        """This machine's CPU."""
        return _parse("llvm")

    def option(self, name: str) -> str:
        """The value of an option; empty where it has none."""
        return dict(self.options).get(name, "")

    @property
    def hardware(self) -> Hardware:
        """Registers, caches, memories and threads of the target."""
        return backend(self.kind).hardware(self.options)

    @property
    def vector_bits(self) -> int:
        """Width of a vector register: 512, 256 or 128 on CPUs."""
        return self.hardware.vector_bits

    def lanes(self, dtype: str) -> int:
        """Elements of `dtype` in a vector register, at least 1."""
        return max(1, self.vector_bits // bits_of(dtype))

    @property
    def runs_here(self) -> bool:
        """Whether code for this target can be called in this process."""
        return not self.missing()

    def missing(self) -> str:
        """Why code for this target cannot be called in this process; empty if it can."""
        return backend(self.kind).missing(self.options)

    def __str__(self) -> str:
        return " ".join([self.kind, *(f"{name}={value}" for name, value in self.options)])


@lru_cache(maxsize=64)
def _parse(text: str) -> Target:
    if not isinstance(text, str) or not text.split():
        raise TargetError(f"a target is spelled like 'llvm' or 'llvm -mcpu=skylake-avx512', not {text!r}")
    kind, *options = text.split()
    known = backend(kind).option_names
    given: dict[str, str] = {}
    for option in options:
        name, _, value = option.partition("=")
        if name not in known:
            raise TargetError(f"in {text!r}: {unknown('target option', name, known)}")
        if name in given:
            raise TargetError(f"target option {name} is given twice in {text!r}")
        if not value:
            raise TargetError(f"target option {name} in {text!r} needs a value, as in {name}=...")
        given[name] = value
    return Target(kind, tuple(given.items()))
