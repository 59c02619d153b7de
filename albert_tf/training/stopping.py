"""Why a run ends before its last step, and how a signal becomes such an end.

Clusters send SIGTERM some seconds before they take a machine away; a user presses Ctrl-C. Both let
the step under way finish, then the run saves a checkpoint and leaves.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class StopTraining(Exception):
    """An action may raise it: the run is complete, for the reason that it gives."""


class Interrupted(Exception):
    """A signal asked the run to save and to leave.

    Attributes:
      signum: the signal.
    """

    def __init__(self, signum: int) -> None:
        super().__init__(signal.Signals(signum).name)
        self.signum = signum


class Signals:
    """While it is entered, SIGTERM and SIGINT are noted in `received` and do not end the process.

    A second one ends it at once. Outside of the main thread nothing is changed, as Python allows
    handlers there only.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Signals:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._note) for number in SIGNALS}
        return self

    def __exit__(self, *exception: Any) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def check(self) -> None:
        """Raises `Interrupted` if a signal has come."""
        if self.received is not None:
            raise Interrupted(self.received)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.received is not None:
            self._leave(number)
        self.received = number
        # Not print: it may be in the middle of another print.
        name = signal.Signals(number).name
        os.write(2, f"\n{name}: saving after this step; once more leaves at once\n".encode())

    def _leave(self, number: int) -> None:
        handler: Callable | int | None = self._before.get(number)
        signal.signal(number, handler if handler is not None else signal.SIG_DFL)
        signal.raise_signal(number)
