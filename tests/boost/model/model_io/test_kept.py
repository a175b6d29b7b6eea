"""Model files of earlier versions and of other libraries are read, and give the recorded predictions."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from boost import Booster
from tests.boost.models.make import COLUMNS, EXPECTED, HERE

KEPT: dict[str, dict[str, Any]] = json.loads(EXPECTED.read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", KEPT)
def test_recorded_predictions(name: str) -> None:
    rows: Any = KEPT[name]["rows"]
    frame = pd.DataFrame(rows, columns=COLUMNS[: len(rows[0])])
    words = frame.columns[3:]
    data = frame.astype(dict.fromkeys(words, "category")) if len(words) else frame.to_numpy(dtype=np.float32)
    model = Booster(model_file=HERE / name)
    # Other libraries add up in float32.
    tolerance = 1e-12 if name.startswith("espalier") else 1e-6
    want = np.array(KEPT[name]["predictions"])
    np.testing.assert_allclose(model.predict(data), want, rtol=tolerance, atol=tolerance)
    for raw_format in ("json", "ubj"):
        again = Booster(model_file=model.save_raw(raw_format))
        assert again.predict(data).tobytes() == model.predict(data).tobytes()


def test_all_files_have_recorded_predictions() -> None:
    files = {path.name for path in HERE.iterdir() if path.suffix in (".json", ".ubj", ".txt")}
    assert files - {EXPECTED.name} == set(KEPT)
    endings = {(name.partition("-")[0], name.partition(".")[2]) for name in KEPT}
    ours = {("espalier", "json"), ("espalier", "ubj")}
    assert endings == ours | {("xgboost", "json"), ("xgboost", "ubj"), ("lightgbm", "txt")}
