"""`CtrlC`: a context that records Ctrl-C, even where Python discards KeyboardInterrupt."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any


class CtrlC:
    """Records Ctrl-C inside of a ``with`` block.

    Python discards exceptions that are raised in finalizers and in some callbacks, KeyboardInterrupt
    included; a search would then continue. It calls `check` between its steps instead.

    At the end of the block Python's handler is installed again. A handler that is not Python's default one is
    not replaced, and neither is that of a block in another thread than the main one, which receives no
    signals.
    """

    def __init__(self) -> None:
        self.pressed = False
        self._installed = False

    def __enter__(self) -> CtrlC:
        main = threading.current_thread() is threading.main_thread()
        if main and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._note)
            self._installed = True
        return self

    def __exit__(self, *error: Any) -> None:
        if self._installed:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.pressed = True
        raise KeyboardInterrupt

    def check(self) -> None:
        """Raise KeyboardInterrupt if Ctrl-C was pressed."""
        if self.pressed:
            raise KeyboardInterrupt
