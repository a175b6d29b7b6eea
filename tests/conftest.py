"""How many cases the property tests try.

``ESPALIER_NIGHTLY=1 pytest`` tries thousands, other ones on every run. Without it there are
few, and always the same ones, so that a failure comes from a change and not from chance.
A test that asks for a number of examples of its own keeps it.
"""

from __future__ import annotations

import os
import signal

from hypothesis import HealthCheck, settings

# a shell has the jobs that it starts in the background ignore Ctrl-C, which some tests send
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# the first example of a run pays for imports and compilation, so the time of one says nothing
SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]

settings.register_profile(
    "default", max_examples=100, deadline=None, derandomize=True, suppress_health_check=SLOW
)
settings.register_profile("nightly", max_examples=3000, deadline=None, suppress_health_check=SLOW)
settings.load_profile("nightly" if os.environ.get("ESPALIER_NIGHTLY") else "default")
