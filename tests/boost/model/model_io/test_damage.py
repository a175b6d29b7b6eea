"""Truncated and edited files of each format: they raise a `ModelError`, or give a model that predicts."""

from __future__ import annotations

import json
import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from boost import Booster
from boost.model.model_io import ModelError
from boost.model.model_io.ubjson import decode, encode
from tests.boost.model.model_io.kinds import model_of
from tests.boost.model.model_io.lightgbm_text import model_text, random_text_tree


def _text() -> bytes:
    rng = np.random.default_rng(0)
    return model_text([random_text_tree(rng, splits) for splits in (8, 0, 5)])


WHOLE = {
    "json": bytes(model_of("logistic", 2).save_raw("json")),
    "json, categories": bytes(model_of("sets of categories", 1).save_raw("json")),
    "ubj": bytes(model_of("logistic", 2).save_raw("ubj")),
    "ubj, categories": bytes(model_of("sets of categories", 1).save_raw("ubj")),
    "ubj, vectors": bytes(model_of("vectors", 1).save_raw("ubj")),
    "lightgbm": _text(),
}
FORMATS = st.sampled_from(sorted(WHOLE))


def works(raw: bytes) -> bool:
    """Return whether a model is read, which must predict finite numbers; else `ModelError` must be raised."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # a newer minor version of the format
            model = Booster(model_file=raw)
    except ModelError:
        return False
    if model.num_features() < 10_000:  # the file may declare any number of features that no split uses
        margin = model.predict(np.zeros((3, model.num_features())), output_margin=True)
        assert np.isfinite(margin).all()
    return True


@pytest.mark.parametrize("name", WHOLE)
def test_whole_files_work(name: str) -> None:
    assert works(WHOLE[name])


@given(FORMATS, st.data())
def test_truncated(name: str, data: st.DataObject) -> None:
    raw = WHOLE[name]
    end = raw.index(b"end of trees") if name == "lightgbm" else len(raw)
    assert not works(raw[: data.draw(st.integers(0, end - 1))])


@given(FORMATS, st.data())
def test_flipped_bytes(name: str, data: st.DataObject) -> None:
    raw = bytearray(WHOLE[name])
    for at in data.draw(st.lists(st.integers(0, len(raw) - 1), min_size=1, max_size=4)):
        raw[at] ^= 1 << data.draw(st.integers(0, 7))
    works(bytes(raw))


@given(FORMATS, st.binary(max_size=6), st.data())
def test_bytes_put_in_left_out_and_doubled(name: str, noise: bytes, data: st.DataObject) -> None:
    raw = WHOLE[name]
    first, last = sorted(data.draw(st.tuples(st.integers(0, len(raw)), st.integers(0, len(raw)))))
    works(raw[:first] + noise + raw[last:])
    works(raw[:last] + noise + raw[first:])


ODD = [
    "-1",
    "0",
    "1",
    "2",
    "7",
    "4294967296",
    "99999999999",
    "1e300",
    "-1e-300",
    "NaN",
    "inf",
    "",
    "null",
    "x",
]


@given(st.sampled_from(["json", "json, categories", "lightgbm"]), st.sampled_from(ODD), st.data())
def test_edited_numbers(name: str, odd: str, data: st.DataObject) -> None:
    raw = WHOLE[name].decode()
    numbers = list(re.finditer(r"-?\d[\d.e+-]*", raw))
    number = numbers[data.draw(st.integers(0, len(numbers) - 1))]
    works((raw[: number.start()] + odd + raw[number.end() :]).encode())


@given(st.data())
def test_edited_lines_of_lightgbm(data: st.DataObject) -> None:
    lines = WHOLE["lightgbm"].decode().split("\n")
    at, other = data.draw(st.tuples(st.integers(1, len(lines) - 1), st.integers(1, len(lines) - 1)))
    kind = data.draw(st.sampled_from(["delete", "double", "swap"]))
    if kind == "delete":
        del lines[at]
    elif kind == "double":
        lines.insert(other, lines[at])
    else:
        lines[at], lines[other] = lines[other], lines[at]
    works("\n".join(lines).encode())


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats() | st.text(max_size=5),
    lambda c: st.lists(c, max_size=3) | st.dictionaries(st.text(max_size=5), c, max_size=3),
    max_leaves=5,
)


@given(st.sampled_from(["json", "json, categories", "ubj, vectors"]), st.data())
def test_junk_in_any_entry(name: str, data: st.DataObject) -> None:
    raw = WHOLE[name]
    document = json.loads(raw) if name.startswith("json") else decode(raw)
    node: Any = document
    while True:
        keys = list(node) if isinstance(node, dict) else list(range(len(node)))
        key = data.draw(st.sampled_from(keys))
        child = node[key]
        if not isinstance(child, (dict, list)) or not child or data.draw(st.booleans()):
            node[key] = data.draw(JUNK)
            break
        node = child
    works(json.dumps(document).encode() if name.startswith("json") else encode(document))


@pytest.mark.parametrize("name", ["json", "ubj"])
def test_a_damaged_file_names_itself(name: str, tmp_path: Path) -> None:
    path = tmp_path / f"model.{name}"
    path.write_bytes(WHOLE[name][:-1])
    with pytest.raises(ModelError, match=rf"^{re.escape(str(path))}: not a "):
        Booster(model_file=path)
