"""Where callbacks run in programs with a window: dispatchers for Tk and Qt.

A toolkit's widgets belong to one thread. Each function here is called on that thread, and makes
what `dispatcher=` takes: callbacks then run there, one at a time, in the order of the wire, and
may touch every widget. They leave the loop time to draw and to listen, however many are due. A
blocking call in one of them freezes the window; `session.submit` does not wait.

A game's loop needs none of this: `dispatcher="manual"` and `session.pump()`.
"""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .errors import ConfigurationError
from .runtime.clock import Deadline
from .runtime.dispatcher import Due

if TYPE_CHECKING:
    import tkinter

__all__ = ["qt", "tk"]

#: How often Tk looks for callbacks, ms. Another thread has no way to wake it: `after` and
#: `event_generate` raise there ("main thread is not in main loop") whenever no loop runs.
TICK = 10

#: How long callbacks may keep the loop from all else, seconds, and how long it then has, ms, at
#: the least: Tk draws only where no timer is due.
SHARE = 0.008
PAUSE = 2


def tk(root: tkinter.Misc) -> Callable[[Callable[[], None]], None]:
    """Run callbacks in Tk's event loop, at most 10 ms after their event.

    Args:
        root: The window, or any widget. Once it is destroyed no callback runs any more, which is
            logged; the session lives until it is closed.

    Returns:
        What `dispatcher=` takes. It may be shared by several sessions.

    Raises:
        TypeError: `root` is no widget.

    Call it on the thread that runs the loop. Before `mainloop()` has begun, callbacks wait. Keep
    `root` until your sessions are closed: Tcl aborts a process in which another thread drops it.
    """
    return _Tk(root)


def qt() -> Callable[[Callable[[], None]], None]:
    """Run callbacks in Qt's event loop (PySide6), as soon as it gets round to it.

    Returns:
        What `dispatcher=` takes. It may be shared by several sessions.

    Raises:
        ConfigurationError: PySide6 is not installed, or Qt has no loop for this thread: there is
            no QApplication yet, or it is another thread's.

    Call it on the thread that runs the loop, also a `QThread`'s. Before `exec()` has begun,
    callbacks wait.
    """
    try:
        from PySide6 import QtCore
    except ImportError as exc:
        raise ConfigurationError(
            'callbacks in Qt need PySide6: pip install "realtime_sync[qt]"'
        ) from exc

    core: Any = QtCore  # the same is checked whether it is installed or not
    if core.QAbstractEventDispatcher.instance() is None:
        raise ConfigurationError(
            "callbacks would never run: Qt has no event loop for this thread; make the QApplication"
            " first, and call gui.qt() on the thread that runs Qt's loop"
        )

    class Relay(core.QObject):  # type: ignore[misc]
        due = core.Signal(object)

        def run(self, fn: Callable[[], None]) -> None:
            if not isinstance(fn, Due):
                fn()
            elif fn.some(SHARE):
                # by a timer: what is emitted would go before all else that the loop has to do
                core.QTimer.singleShot(0, self, lambda: self.run(fn))

    relay = Relay()
    # queued: across threads always, and not in the middle of whoever is called on this one
    relay.due.connect(relay.run, core.Qt.ConnectionType.QueuedConnection)

    def dispatch(fn: Callable[[], None]) -> None:
        relay.due.emit(fn)

    return dispatch


class _Tk:
    """A queue that a window empties."""

    def __init__(self, root: tkinter.Misc) -> None:
        if not hasattr(root, "after"):
            raise TypeError(f"root: the window, a tkinter.Tk, not {type(root).__name__}")
        # Tcl aborts the process where the last to hold its window is another thread
        self._root = weakref.ref(root)
        self._due: deque[Callable[[], None]] = deque()
        self._gone = False
        root.bind("<Destroy>", self._destroyed, add="+")
        self._tick()

    def __call__(self, fn: Callable[[], None]) -> None:
        if self._gone:
            raise RuntimeError("the window is gone, and its callbacks with it: close the session")
        self._due.append(fn)

    def _tick(self) -> None:
        root = self._root()
        if root is None or self._gone:
            return
        # the next one first: a callback may open a dialogue, whose loop runs inside this one
        self._timer = root.after(TICK, self._tick)
        ends = Deadline(SHARE)
        while self._due and not self._gone and not ends.passed:
            fn = self._due.popleft()
            if not isinstance(fn, Due):
                fn()
            elif fn.some(SHARE):
                self._due.append(fn)  # behind those of other sessions
        if not self._gone:
            root.after_cancel(self._timer)
            self._timer = root.after(PAUSE if self._due else TICK, self._tick)

    def _destroyed(self, event: Any) -> None:
        root = self._root()
        if root is not None and event.widget is root:  # and not a child of it
            self._gone = True
            self._due.clear()
            # or it would be called for, in the loop of another window, when its command is gone
            root.after_cancel(self._timer)
