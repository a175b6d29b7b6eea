"""Model files: detect the format of bytes, read them, and write a model to a file."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from boost.atomic import write_bytes
from boost.config import warn
from boost.errors import ModelError
from boost.model.model_io.lightgbm import read_lightgbm
from boost.model.model_io.read import read_document
from boost.model.model_io.ubjson import decode, encode
from boost.model.model_io.write import document, to_json

if TYPE_CHECKING:
    from boost.model.model import Model
    from boost.params import Params

FORMATS = {
    "json": lambda model: to_json(model).encode("utf-8"),
    "ubj": lambda model: encode(document(model)),
}
# First bytes of files in other formats, and the reason and remedy for the error message.
FOREIGN = (
    (b"\x80", "it is a pickle, which can run any code when it is opened: save the model with save_model"),
    (b"binf", "it is in XGBoost's old binary format: save it as JSON with XGBoost before 3.1"),
    (b"bs64", "it is in XGBoost's old binary format: save it as JSON with XGBoost before 3.1"),
    (b"CBM1", "CatBoost's models are not supported"),
    (b"\x1f\x8b", "it is compressed: unpack it first"),
    (b"PK", "it is compressed: unpack it first"),
)


def read_model(source: Any, params: Params) -> Model:
    """Read a model.

    Parameters
    ----------
    source : path, or bytes
        In XGBoost's JSON or UBJSON, or LightGBM's text; the format is detected from the bytes.
    params : Params
        Values for the parameters that a file does not hold, such as the number of threads.

    Raises
    ------
    ModelError
        A `ValueError`, for anything that is not a complete and consistent model of a supported kind.
    """
    if isinstance(source, (bytes, bytearray, memoryview)):
        where, raw = "the model", bytes(source)
    else:
        where = os.fspath(source)
        with open(source, "rb") as file:
            raw = file.read()
    try:
        return _read(raw, params)
    except ModelError as problem:
        raise ModelError(f"{where}: {problem}") from None


def _read(raw: bytes, params: Params) -> Model:
    for begin, why in FOREIGN:
        if raw.startswith(begin):
            raise ModelError(why)
    if raw.startswith(b"tree") and raw[4:5] in (b"\n", b"\r"):
        return read_lightgbm(raw, params)
    if raw[:1] == b"{" and raw[1:2] in (b"L", b"}") and len(raw) > 2:
        return read_document(decode(raw), params)
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError) as problem:
        raise ModelError(
            f"not a model in XGBoost's JSON or UBJSON, or in LightGBM's text: {problem}"
        ) from None
    return read_document(value, params)


def save_raw(model: Model, raw_format: str) -> bytearray:
    """Return the bytes of a model file; `raw_format` is "json" or "ubj"."""
    if raw_format not in FORMATS:
        raise ValueError(f"raw_format must be 'json' or 'ubj', got {raw_format!r}")
    return bytearray(FORMATS[raw_format](model))


def write_model(model: Model, path: Any) -> None:
    """Write a model file in the format of the name's ending, ".json" or ".ubj" (the default), atomically."""
    name = os.fspath(path)
    ending = os.path.splitext(os.fsdecode(name))[1][1:]
    if ending not in FORMATS:
        warn(f"{os.fsdecode(name)!r} ends neither in '.json' nor in '.ubj': the model is saved as UBJSON")
        ending = "ubj"
    write_bytes(name, FORMATS[ending](model), durable=True)
