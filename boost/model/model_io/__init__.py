"""Model files: XGBoost's JSON and UBJSON, read and written; LightGBM's text, read; entries are checked."""

from __future__ import annotations

from boost.errors import ModelError
from boost.model.model_io.file import read_model, save_raw, write_model

__all__ = ["ModelError", "read_model", "save_raw", "write_model"]
