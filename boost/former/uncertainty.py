"""`boost.uncertainty` of version 0.1."""

from boost.model.uncertainty import Uncertainty

__all__ = ["Uncertainty"]
