"""`boost.binning` of version 0.1."""

from boost.data.binning import BinnedMatrix, SparseBinnedMatrix

__all__ = ["BinnedMatrix", "SparseBinnedMatrix"]
