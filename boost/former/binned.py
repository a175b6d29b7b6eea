"""`boost.binned` of version 0.1."""

from boost.data.binned_values import BinnedValues

__all__ = ["BinnedValues"]
