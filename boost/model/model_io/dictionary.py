"""The dictionaries of categorical features, in XGBoost's format since version 3.1.

The entry "cats" has for each feature the categories in the order of their codes (strings as their bytes and
their offsets), for all features together the order that sorts them, and the offset of each feature in it.
XGBoost supports strings and integers only; dictionaries of booleans, fractions or mixed types are stored in
an attribute, which XGBoost keeps and does not read.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from boost.errors import ModelError
from boost.model.model_io.schema import CATEGORIES, MOST_CATEGORIES, as_list

if TYPE_CHECKING:
    from boost.data.frames.dictionary import Categories

INT64 = 15
# XGBoost's codes of integer types, and of floating-point types.
WHOLE_TYPES = range(9, 17)
FRACTION_TYPES = (7, 8)


def write_dictionaries(categories: Categories, features: int) -> tuple[dict[str, Any] | None, str | None]:
    """Return the entry "cats" and the text of the attribute; None for one that is not needed."""
    if not categories:
        return None, None
    encoded: list[dict[str, Any]] = []
    ends, order = [0], []
    others = {}
    for f in range(features):
        dictionary = categories.get(f, [])
        kinds = {type(value) for value in dictionary}
        if (raw := _as_bytes(dictionary)) is not None:
            offsets = np.cumsum([0, *map(len, raw)]).astype(np.int32)
            encoded.append({"offsets": offsets, "values": np.frombuffer(b"".join(raw), np.int8)})
        elif kinds == {int} and all(-(2**63) <= value < 2**63 for value in dictionary):
            encoded.append({"type": INT64, "values": np.array(dictionary, dtype=np.int64)})
        else:
            encoded.append({"offsets": np.empty(0, np.int32), "values": np.empty(0, np.int8)})
            if f in categories:
                others[str(f)] = dictionary
            dictionary = []
        order += sorted(range(len(dictionary)), key=dictionary.__getitem__)
        ends.append(len(order))
    attribute = json.dumps(others) if others else None
    if not order:
        return None, attribute
    segments, sorted_idx = np.array(ends, dtype=np.int32), np.array(order, dtype=np.int32)
    return {"enc": encoded, "feature_segments": segments, "sorted_idx": sorted_idx}, attribute


def _as_bytes(dictionary: list[Any]) -> list[bytes] | None:
    """Return strings as UTF-8; None for values of other types, and for strings that cannot be encoded."""
    if not dictionary or not all(type(value) is str for value in dictionary):
        return None
    try:
        # XGBoost's files may hold bytes that are no valid UTF-8; they are kept.
        return [value.encode("utf-8", "surrogateescape") for value in dictionary]
    except UnicodeEncodeError:
        return None


def read_dictionaries(cats: Any, attribute: str | None, features: int) -> Categories:
    """Return the dictionaries of a file; the inverse of `write_dictionaries`."""
    out = _read_attribute(attribute, features)
    if cats is None:
        return out
    encoded = cats.get("enc") if isinstance(cats, dict) else None
    if not isinstance(encoded, list) or len(encoded) not in (0, features):
        raise ModelError(f"cats must have a list enc of {features} entries")
    for f, entry in enumerate(encoded):
        try:
            dictionary = _read_dictionary(entry)
        except (ValueError, TypeError, KeyError):
            raise ModelError(f"cats of feature {f} is damaged") from None
        if len(set(dictionary)) != len(dictionary) or len(dictionary) >= MOST_CATEGORIES:
            raise ModelError(f"cats of feature {f} names a category twice, or too many of them")
        if dictionary:
            out[f] = dictionary
    return dict(sorted(out.items()))


def _read_dictionary(entry: dict[str, Any]) -> list[Any]:
    values = as_list(entry["values"])
    kinds = set(map(type, values))
    if "offsets" not in entry:
        if entry["type"] in WHOLE_TYPES and kinds <= {int}:
            return list(values)
        if entry["type"] in FRACTION_TYPES and kinds <= {int, float} and all(map(np.isfinite, values)):
            return [float(v) for v in values]
        raise ValueError
    offsets = as_list(entry["offsets"])
    if not (kinds | set(map(type, offsets)) <= {int}) or offsets[:1] not in ([], [0]):
        raise ValueError
    raw = bytes(v % 256 for v in values if -128 <= v < 256)
    if sorted(offsets) != offsets or len(raw) != len(values) or len(raw) != (offsets or [0])[-1]:
        raise ValueError
    return [
        raw[begin:end].decode("utf-8", "surrogateescape")
        for begin, end in zip(offsets[:-1], offsets[1:], strict=True)
    ]


def _read_attribute(text: str | None, features: int) -> Categories:
    if text is None:
        return {}
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise ModelError(f"attribute {CATEGORIES} must be a JSON object")
    out: Categories = {}
    for key, dictionary in document.items():
        good = isinstance(dictionary, list) and all(
            isinstance(v, (str, bool, int, float)) for v in dictionary
        )
        if not (good and key.isascii() and key.isdigit() and len(key) < 12 and int(key) < features):
            raise ModelError(f"attribute {CATEGORIES} must map feature numbers to lists of values")
        out[int(key)] = dictionary
    return out
