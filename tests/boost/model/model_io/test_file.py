"""Model files: names, bytes in memory, foreign formats, and atomic writes."""

from __future__ import annotations

import copy
import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from boost import Booster, DMatrix, train
from boost.model.model_io import ModelError
from tests.boost.model.model_io.kinds import X, model_of


def test_pickle_and_copy() -> None:
    model = model_of("logistic")
    for other in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):
        assert other.predict(X).tobytes() == model.predict(X).tobytes()


@pytest.mark.parametrize("wrap", [bytes, bytearray, memoryview])
@pytest.mark.parametrize("raw_format", ["json", "ubj"])
def test_bytes_in_memory(raw_format: str, wrap: type) -> None:
    model = model_of("logistic")
    raw = model.save_raw(raw_format)
    assert isinstance(raw, bytearray) and raw[:2] == {"json": b'{"', "ubj": b"{L"}[raw_format]
    assert Booster(model_file=wrap(raw)).predict(X).tobytes() == model.predict(X).tobytes()
    assert model.save_raw() == model.save_raw("ubj")


def test_the_format_is_detected_from_the_bytes(tmp_path: Path) -> None:
    model, path = model_of("logistic"), tmp_path / "model"
    for raw_format in ("json", "ubj"):
        path.write_bytes(model.save_raw(raw_format))
        assert Booster(model_file=str(path)).predict(X).tobytes() == model.predict(X).tobytes()


@pytest.mark.parametrize("raw_format", ["json", "ubj"])
def test_names_in_any_alphabet(raw_format: str) -> None:
    names = ["größe", "数量", "plain"]
    x = np.random.default_rng(0).standard_normal((40, 3)).astype("float32")
    model = train({"max_depth": 2}, DMatrix(x, x[:, 0], feature_names=names), 2)
    raw = model.save_raw(raw_format)
    for name in names:  # the letters themselves: XGBoost does not undo the escapes of JSON
        assert name.encode() in raw
    again = Booster(model_file=raw)
    assert again.feature_names == names
    table = DMatrix(x, feature_names=names)
    assert again.predict(table).tobytes() == model.predict(table).tobytes()


def test_mistakes(tmp_path: Path) -> None:
    model = model_of("squared error", 1)
    for name in ("model.bin", "model", "json"):
        with pytest.warns(UserWarning, match=f"{name}"):
            model.save_model(tmp_path / name)
        assert (tmp_path / name).read_bytes() == model.save_raw("ubj")
        os.remove(tmp_path / name)
    with pytest.raises(ValueError, match="raw_format must be 'json' or 'ubj', got 'deprecated'"):
        model.save_raw("deprecated")
    with pytest.raises(FileNotFoundError):
        Booster(model_file=tmp_path / "none.json")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("raw", "match"),
    [
        (pickle.dumps(model_of("squared error", 1)), "it is a pickle, which can run any code"),
        (pickle.dumps({"learner": 1}, protocol=2), "it is a pickle"),
        (b"binf" + bytes(20), "XGBoost's old binary format"),
        (b"CBM1" + bytes(20), "CatBoost's models are not supported"),
        (b"\x1f\x8b" + bytes(20), "it is compressed"),
        (b"", "not a model in XGBoost's JSON or UBJSON, or in LightGBM's text"),
        (b"{", "not a model in XGBoost's JSON or UBJSON"),
        (b"{}", "the model has no entry 'learner'"),
        (b"[" * 100_000, "not a model in XGBoost's JSON or UBJSON"),
        (b'{"a":' * 100_000, "not a model in XGBoost's JSON or UBJSON"),
        (b"trees\n", "not a model in XGBoost's JSON or UBJSON"),
        (b"tree\n", "ends before the line 'end of trees'"),
    ],
)
def test_foreign_files(raw: bytes, match: str, tmp_path: Path) -> None:
    path = tmp_path / "model.json"
    path.write_bytes(raw)
    model = model_of("logistic", 1).copy()
    before = model.save_raw()
    with pytest.raises(ModelError, match=f"model.json: .*{match}"):
        model.load_model(path)
    assert model.save_raw() == before  # a failed read does not change the model


@pytest.mark.parametrize("ending", ["json", "ubj"])
def test_failed_save_leaves_the_old_file(
    ending: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, path = model_of("squared error", 1), tmp_path / f"model.{ending}"
    model.save_model(path)
    before = path.read_bytes()

    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        model.save_model(path)
    assert path.read_bytes() == before and os.listdir(tmp_path) == [path.name]
