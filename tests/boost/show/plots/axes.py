"""New axes without a display, and the words on them."""

from __future__ import annotations

from typing import Any


def axes() -> Any:
    from matplotlib.figure import Figure

    return Figure().add_subplot()


def labels(ax: Any) -> list[str]:
    return [label.get_text() for label in ax.get_yticklabels()]
