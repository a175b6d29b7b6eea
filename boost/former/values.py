"""`boost.values` of version 0.1."""

from boost.data.values import DenseValues, SparseValues

__all__ = ["DenseValues", "SparseValues"]
