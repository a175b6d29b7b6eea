"""Fixtures of the tests of the CPU back end."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from compiler.runtime import num_threads, set_num_threads


@pytest.fixture(params=[1, 2, 4])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    before = num_threads()
    set_num_threads(request.param)
    yield request.param
    set_num_threads(before)
