"""The global configuration: options, contexts, and the place of warnings."""

from __future__ import annotations

import threading
import warnings

import pytest

import boost
from boost import ParameterError


def test_options_are_set_and_restored() -> None:
    default = {"verbosity": 1, "nthread": 0, "use_rmm": False, "use_cuda_async_pool": False}
    assert boost.get_config() == default
    with boost.config_context(verbosity=2, nthread=1):
        assert boost.get_config() == {**default, "verbosity": 2, "nthread": 1}
        with pytest.raises(RuntimeError, match="inside"), boost.config_context(verbosity=0):
            raise RuntimeError("inside")
        boost.set_config(use_rmm=True)
        seen: list[dict] = []
        other = threading.Thread(target=lambda: seen.append(boost.get_config()))
        other.start()
        other.join()
        assert seen == [default]  # of its own thread
    assert boost.get_config() == boost.config.get_config() == default


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"verbosty": 1}, "unknown option 'verbosty'; did you mean 'verbosity'"),
        ({"verbosity": 4}, r"verbosity must be an integer in \[0, 3\], got 4"),
        ({"verbosity": "loud"}, "verbosity must be an integer"),
        ({"use_rmm": 2}, "use_rmm must be"),
    ],
)
def test_mistakes(options: dict, match: str) -> None:
    with pytest.raises(ParameterError, match=match):
        boost.set_config(**options)
    assert boost.get_config()["verbosity"] == 1


def test_verbosity_zero_mutes_warnings() -> None:
    with boost.config_context(verbosity=0), warnings.catch_warnings():
        warnings.simplefilter("error")
        boost.Booster({"unknown": 1})
    with pytest.warns(UserWarning, match="unknown parameter 'unknown'") as record:
        boost.Booster({"unknown": 1})
    assert record[0].filename == __file__
