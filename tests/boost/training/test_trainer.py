"""The trainer beside what `boost.train` shows of it."""

from __future__ import annotations

import numpy as np
import pytest

import boost
from boost.jit import NOTICE


@pytest.mark.parametrize("verbosity", [0, 1])
def test_verbosity_0_mutes_the_notice_of_compilation_for_this_training_only(
    verbosity: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    monkeypatch.setattr(NOTICE, "quiet", False)

    def loss(margin: np.ndarray, table: boost.DMatrix) -> tuple[np.ndarray, np.ndarray]:
        seen.append(NOTICE.quiet)
        return margin - table.get_label(), np.ones_like(margin)

    data = boost.DMatrix(np.arange(8.0).reshape(-1, 1), label=np.arange(8.0))
    boost.train({"verbosity": verbosity, "nthread": 1}, data, 2, obj=loss)
    assert seen == [verbosity == 0] * 2
    assert not NOTICE.quiet


def test_the_notice_is_heard_again_after_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(NOTICE, "quiet", False)
    data = boost.DMatrix(np.arange(8.0).reshape(-1, 1), label=np.arange(8.0))
    with pytest.raises(RuntimeError, match="of the caller"):
        boost.train({"verbosity": 0}, data, 1, obj=_raise)
    assert not NOTICE.quiet


def _raise(margin: np.ndarray, table: boost.DMatrix) -> tuple[np.ndarray, np.ndarray]:
    raise RuntimeError("an error of the caller's loss")
