"""Features: a vector of fixed length that describes a program, the input of a cost model.

There are three families, see `Features`. ``"store"`` and ``"loop"`` describe a loop nest and the target's
hardware, so that what a model learns applies to programs of other operators, shapes and machines; ``"knob"``
are the values of a configuration, which need no program.
"""

from __future__ import annotations

import numpy as np

from compiler.backend import Hardware
from compiler.ir.function import PrimFunc
from compiler.suggest import unknown
from costmodel.features.family import Features, check_version
from costmodel.features.knob import KnobFeatures
from costmodel.features.loop import LoopFeatures
from costmodel.features.store import StoreFeatures
from costmodel.space import ConfigSpace

FAMILIES = ("store", "loop", "knob")


def features_of(family: str, hardware: Hardware | None = None, space: ConfigSpace | None = None) -> Features:
    """Return a family of features.

    Parameters
    ----------
    family : str
        ``"store"``, ``"loop"`` or ``"knob"``.
    hardware : Hardware, optional
        Of the target of the programs, for the first two.
    space : ConfigSpace, optional
        Of the configurations, for the last.

    Raises
    ------
    ValueError
        For an unknown family, or knobs without a space.
    """
    if family == "store":
        return StoreFeatures(hardware)
    if family == "loop":
        return LoopFeatures(hardware)
    if family != "knob":
        raise ValueError(unknown("family of features", family, FAMILIES))
    if space is None:
        raise ValueError("the features 'knob' are those of a space: give the space of a task")
    return KnobFeatures(space)


def extract(function: PrimFunc, hardware: Hardware | None = None, family: str = "store") -> np.ndarray:
    """Return the features of a loop nest.

    Parameters
    ----------
    function : PrimFunc
        As `compiler.loop_nest` returns it: loops have their kinds, buffers all their dimensions.
    hardware : Hardware, optional
        Of the target, ``compiler.Target.parse(text).hardware``; by default one without vector registers.
    family : str
        ``"store"`` or ``"loop"``.

    Returns
    -------
    ndarray of float32, shape (len(feature_names(family)),)

    Raises
    ------
    ValueError
        For an unknown family, or that of knobs.
    """
    return features_of(family, hardware).extract(function)


def feature_names(family: str = "store") -> tuple[str, ...]:
    """Return the names of the features of ``"store"`` or ``"loop"``, in order."""
    return features_of(family).names


def feature_version(family: str = "store") -> str:
    """Return a text that differs whenever a feature of ``"store"`` or ``"loop"`` gets another name, place or
    meaning.
    """
    return features_of(family).version


__all__ = [
    "FAMILIES",
    "Features",
    "KnobFeatures",
    "LoopFeatures",
    "StoreFeatures",
    "check_version",
    "extract",
    "feature_names",
    "feature_version",
    "features_of",
]
