"""`boost.binned` of version 0.1."""

from boost.data.binned import BinnedValues

__all__ = ["BinnedValues"]
