"""The bytes of a model: which format they are in, from where they come, and how they get into a file."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from boost.atomic import write_bytes
from boost.errors import ModelError
from boost.model.model_io.lightgbm import read_lightgbm
from boost.model.model_io.read import fill
from boost.model.model_io.ubjson import decode, encode
from boost.model.model_io.write import document, to_json

if TYPE_CHECKING:
    from boost.booster import Booster

FORMATS = {
    "json": lambda booster: to_json(booster).encode("utf-8"),
    "ubj": lambda booster: encode(document(booster)),
}
# How other files begin, and what to say about them.
FOREIGN = (
    (b"\x80", "it is a pickle, which can run any code when it is opened: save the model with save_model"),
    (b"binf", "it is in XGBoost's old binary format: save it as JSON with XGBoost before 3.1"),
    (b"bs64", "it is in XGBoost's old binary format: save it as JSON with XGBoost before 3.1"),
    (b"CBM1", "CatBoost's models are not supported"),
    (b"\x1f\x8b", "it is compressed: unpack it first"),
    (b"PK", "it is compressed: unpack it first"),
)


def read_model(booster: Booster, source: Any) -> None:
    """Fill a booster; see `Booster.load_model`. A failed read leaves it as it was."""
    if isinstance(source, (bytes, bytearray, memoryview)):
        where, raw = "the model", bytes(source)
    else:
        where = os.fspath(source)
        with open(source, "rb") as file:
            raw = file.read()
    try:
        _read(booster, raw)
    except ModelError as problem:
        raise ModelError(f"{where}: {problem}") from None


def _read(booster: Booster, raw: bytes) -> None:
    # By its bytes, not by its name: names are changed more easily.
    for begin, why in FOREIGN:
        if raw.startswith(begin):
            raise ModelError(why)
    if raw.startswith(b"tree") and raw[4:5] in (b"\n", b"\r"):
        read_lightgbm(booster, raw)
    elif raw[:1] == b"{" and raw[1:2] in (b"L", b"}") and len(raw) > 2:
        fill(booster, decode(raw))
    else:
        try:
            value = json.loads(raw)
        except (ValueError, RecursionError) as problem:
            raise ModelError(
                f"not a model in XGBoost's JSON or UBJSON, or in LightGBM's text: {problem}"
            ) from None
        fill(booster, value)


def save_raw(booster: Booster, raw_format: str) -> bytearray:
    """Return a model as the bytes of a file; see `Booster.save_raw`."""
    if raw_format not in FORMATS:
        raise ValueError(f"raw_format must be 'json' or 'ubj', got {raw_format!r}")
    return bytearray(FORMATS[raw_format](booster))


def write_model(booster: Booster, path: Any) -> None:
    """Write a model; see `Booster.save_model`."""
    name = os.fspath(path)
    ending = os.path.splitext(os.fsdecode(name))[1]
    if ending[1:] not in FORMATS:
        raise ValueError(
            "models are saved as JSON or UBJSON: give a name that ends in '.json' or '.ubj', got "
            f"{os.fsdecode(name)!r}"
        )
    write_bytes(name, FORMATS[ending[1:]](booster))
