"""`boost.binning` of version 0.1."""

from boost.data.binned_matrix import BinnedMatrix, SparseBinnedMatrix

__all__ = ["BinnedMatrix", "SparseBinnedMatrix"]
