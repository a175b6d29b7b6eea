"""`boost.quantized` of version 0.1."""

from boost.data.quantized import QuantileDMatrix

__all__ = ["QuantileDMatrix"]
