"""`Features`: the protocol of the families of features, their versions, and the scale of their values."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Any, Protocol

import numpy as np

from compiler.backend import Hardware
from compiler.ir.function import PrimFunc
from costmodel.footprint import Footprint, measure_footprint


class Features(Protocol):
    """A family of features: a program, or the configuration that it comes from, as a vector of fixed length.

    Attributes
    ----------
    family : str
        The name to choose it by.
    names : tuple of str
        Of the values, in order.
    version : str
        Differs if the names, their order or the meaning of a value do; a model that was trained on
        other features than it is given is refused by it.
    reads : str
        What `extract` takes: ``"program"``, a loop nest, or ``"config"``, a configuration.
    """

    @property
    def family(self) -> str: ...

    @property
    def names(self) -> tuple[str, ...]: ...

    @property
    def version(self) -> str: ...

    @property
    def reads(self) -> str: ...

    def extract(self, given: Any) -> np.ndarray:
        """Return the values, float32 of shape (len(names),)."""
        ...


class ProgramFeatures(ABC):
    """Base of the families that describe a loop nest and the target, see `Features`.

    Parameters
    ----------
    hardware : Hardware, optional
        Of the target; by default one without vector registers.
    """

    family: str
    number: int
    """Raised when a value changes its meaning."""
    reads = "program"

    def __init__(self, hardware: Hardware | None = None) -> None:
        self.hardware = hardware or Hardware()
        self.names = self._names()
        self.version = version_of(self.family, self.number, self.names)

    @abstractmethod
    def _names(self) -> tuple[str, ...]: ...

    @abstractmethod
    def _values(self, footprint: Footprint) -> Iterable[float]:
        """Return the values in the order of the names, not in logarithms."""

    def extract(self, given: PrimFunc) -> np.ndarray:
        """Return the features of a loop nest, as `compiler.loop_nest` returns it: loops have their kinds,
        buffers all their dimensions.
        """
        return self.of_footprint(measure_footprint(given))

    def of_footprint(self, footprint: Footprint) -> np.ndarray:
        """Return the features of an analysed loop nest."""
        return scaled(self._values(footprint))


def version_of(family: str, number: int, names: Sequence[str]) -> str:
    """Return the version of a family: its name, a number that is raised with the meaning of a value, and a
    digest of the names.
    """
    return f"{family}-{number}-{sha256(chr(10).join(names).encode()).hexdigest()[:12]}"


def check_version(trained: str, given: str) -> None:
    """Check that a model was trained on the features that it is given.

    Raises
    ------
    ValueError
        If the versions differ.
    """
    if trained != given:
        raise ValueError(
            f"the cost model was trained on the features {trained!r}, but these are {given!r}: choose the "
            "family that it was trained on, or train it again with this version"
        )


def scaled(values: Iterable[float]) -> np.ndarray:
    """Return ``sign(x) log2(1 + |x|)`` of each value, as float32."""
    raw = np.array([*values], dtype=np.float64)
    return np.copysign(np.log2(1.0 + np.abs(raw)), raw).astype(np.float32)
