"""`boost.quantized` of version 0.1."""

from boost.data.quantile_dmatrix import QuantileDMatrix

__all__ = ["QuantileDMatrix"]
