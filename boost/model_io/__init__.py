"""XGBoost's model file: written whole or not at all, and read with suspicion."""

from __future__ import annotations

from boost.model_io.read import read_model
from boost.model_io.schema import ModelError
from boost.model_io.write import to_dict, write_model

__all__ = ["ModelError", "read_model", "to_dict", "write_model"]
