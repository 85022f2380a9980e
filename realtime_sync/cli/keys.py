"""Single keys of a terminal, without Enter. What is no terminal has none."""

from __future__ import annotations

import os
import sys
from types import TracebackType
from typing import Any

__all__ = ["Keys"]


class Keys:
    """The keys pressed, for the length of a `with` block. Ctrl-C stays what it is.

    Attributes:
        there: Whether there is somebody to press them.
    """

    def __init__(self) -> None:
        # started with it closed, a process has no standard input
        self.there = sys.stdin is not None and sys.stdin.isatty()
        self._before: Any = None  # the terminal's settings

    def __enter__(self) -> Keys:
        if self.there and os.name == "posix":
            import termios
            import tty

            self._before = termios.tcgetattr(sys.stdin.fileno())
            tty.setcbreak(sys.stdin.fileno())
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        if self._before is not None:
            import termios

            termios.tcsetattr(sys.stdin.fileno(), termios.TCSADRAIN, self._before)

    def pressed(self) -> str:
        """Those that were pressed since the last call. Does not wait."""
        if not self.there:
            return ""
        return _of_windows() if sys.platform == "win32" else _of_posix()


def _of_posix() -> str:
    import select

    ready, _, _ = select.select([sys.stdin.fileno()], [], [], 0)
    return os.read(sys.stdin.fileno(), 64).decode("latin-1") if ready else ""


def _of_windows() -> str:
    import msvcrt

    keys = ""
    while msvcrt.kbhit():  # type: ignore[attr-defined]  # on Windows it has
        keys += msvcrt.getwch()  # type: ignore[attr-defined]  # likewise
    return keys
