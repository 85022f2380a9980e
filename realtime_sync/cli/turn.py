"""One turn, as it is written: text as it comes, and a line for each tool call."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from ..errors import RealtimeTimeout
from .calls import Calls, called

if TYPE_CHECKING:
    from ..response import Response
    from ..session import RealtimeSession
    from .screen import Screen

__all__ = ["shown"]

_LOOK: Final = 0.1  # seconds between two looks at the tools, while no text comes
_EVENTS: Final = ("tool.started", "tool.finished")

Decide = Callable[[str], bool]


def shown(
    session: RealtimeSession,
    text: str | None,
    screen: Screen,
    *,
    label: str = "",
    timeout: float = 120.0,
    decide: Decide | None = None,
    **given: Any,
) -> Response | None:
    """Have a turn, and write it. Returns the last response, None where there is none.

    Args:
        session: Open.
        text: What the user says.
        screen: Where it is written; through a pipe, tools are told on stderr.
        label: Stands before what the model says.
        timeout: Seconds to wait for each piece of text, or sign of a tool.
        decide: Asked whether a call that needs approval may be made; None: the session does.
        given: More of `stream`'s arguments.

    Raises:
        RealtimeError: As `stream`; a `KeyboardInterrupt` gives the turn up.
    """
    kinds = _EVENTS if decide is None else (*_EVENTS, "tool.approval_required")
    with session.events(*kinds) as events, session.stream(text, timeout=_LOOK, **given) as deltas:
        writing = _Writing(session, screen, label, decide)
        try:
            writing.follow(deltas, events, timeout)
        except KeyboardInterrupt:
            writing.end(" [given up]")
            raise
        finally:
            writing.end()
        return deltas.response


class _Writing:
    """Where the cursor is: behind text of the model's, a tool's call, or nothing."""

    def __init__(
        self, session: RealtimeSession, screen: Screen, label: str, decide: Decide | None
    ) -> None:
        self._session = session
        self._screen = screen
        self._label = label
        self._decide = decide
        self._calls = Calls(screen)
        self._flow: Any = None  # text that is being written

    def follow(self, deltas: Any, events: Any, timeout: float) -> None:
        """Until the turn has ended."""
        from ..runtime.clock import monotonic

        heard = monotonic()
        while True:
            try:
                delta = next(deltas, None)
            except RealtimeTimeout:
                if monotonic() - heard > timeout:
                    raise RealtimeTimeout(
                        f"nothing new from the turn within {timeout:g} s"
                    ) from None
                delta = ""
            finally:
                # what a tool did came before the text that tells it
                for event in events.ready():
                    self._tool(event)
                    heard = monotonic()
            if delta is None:
                return
            if delta:
                heard = monotonic()
                self._add(delta)

    def _add(self, delta: str) -> None:
        from .screen import Flow

        self._calls.end_line()
        if self._flow is None:
            self._flow = Flow(self._screen, self._label, label_style="bold green")
        self._flow.add(delta)

    def _tool(self, event: Any) -> None:
        if self._screen.is_terminal:
            self.end()
        if event.type != "tool.approval_required":
            self._calls.show(event)
        elif self._decide is not None:
            self._calls.end_line()
            may = self._decide(called(event.name, event.arguments))
            (self._session.approve if may else self._session.reject)(event.call_id)

    def end(self, mark: str = "") -> None:
        """What is being written ends here; `mark` says why where that needs saying."""
        if self._flow is not None:
            self._flow.end(mark)
            self._flow = None
        elif mark:
            self._calls.end_line()
            self._screen.write(f"{self._label}{mark.strip() if not self._label else mark}", "dim")
