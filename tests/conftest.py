"""How many cases the property tests try, and signals of the test process.

With ``ESPALIER_NIGHTLY=1`` property tests try thousands of cases, other ones on every run. By default they
try fewer, and always the same ones, so that a failure comes from a change and not from chance. A test that
sets a number of examples itself keeps it. Tests of more than about three seconds are marked ``slow``:
``-m 'not slow'`` leaves them out while one works on a module.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# a shell starts background jobs with SIGINT ignored, and some tests send it
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# the processes that tests start import the packages again: from bytecode, also where the environment has none
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# the first example of a run includes imports and compilation, so its time does not count
NOT_CHECKED = [HealthCheck.too_slow, HealthCheck.data_too_large]

settings.register_profile(
    "default", max_examples=100, deadline=None, derandomize=True, suppress_health_check=NOT_CHECKED
)
settings.register_profile("nightly", max_examples=3000, deadline=None, suppress_health_check=NOT_CHECKED)
settings.load_profile("nightly" if os.environ.get("ESPALIER_NIGHTLY") else "default")


def pytest_collection(session: pytest.Session) -> None:
    """Let each of two workers rewrite the asserts of half of the tests: one begins with the last file."""
    if os.environ.get("PYTEST_XDIST_WORKER", "gw0") == "gw0":
        return
    root = session.config.rootpath
    for folder in filter(Path.is_dir, (root / arg for arg in session.config.args)):
        for path in sorted(folder.rglob("test_*.py"), reverse=True):
            with contextlib.suppress(Exception, pytest.skip.Exception):  # reported when it is collected
                importlib.import_module(".".join(path.relative_to(root).with_suffix("").parts))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run slow tests first, so that no worker is left with a long one at the end."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)
