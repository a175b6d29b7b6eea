"""Builds of the tests neither read nor fill the user's cache of compiled programs."""

from __future__ import annotations

import os

os.environ["ESPALIER_CACHE"] = "off"
