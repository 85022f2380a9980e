"""One turn, as it is written: text as it comes, and a line for each tool call."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from ..errors import RealtimeError, RealtimeTimeout
from .calls import Calls, called
from .failures import line

if TYPE_CHECKING:
    from ..response import Response
    from ..session import RealtimeSession
    from .screen import Screen

__all__ = ["dumped", "shown"]

_LOOK: Final = 0.1  # seconds between two looks at whether the turn has ended
_TEXT: Final = ("response.output_text.delta", "response.output_audio_transcript.delta")
_EVENTS: Final = (*_TEXT, "tool.started", "tool.finished", "turn.ended")

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
    writing = _Writing(session, screen, label, decide)
    with (
        session.events(*kinds, timeout=_LOOK) as events,
        session.stream(text, timeout=0, **given) as deltas,
    ):
        try:
            writing.follow(deltas, events, timeout)
        except KeyboardInterrupt:
            writing.end(" [given up]")
            raise
        finally:
            writing.leave()
        return deltas.response


def dumped(
    session: RealtimeSession, text: str | None, *, timeout: float = 120.0, **given: Any
) -> tuple[Response | None, dict[str, Any]]:
    """Have a turn, and tell all of it: the last response, and what a line of JSON says.

    Raises:
        RealtimeError: There is no response, or the turn ended with its error. One that failed or
            was cut off is told, with its status.
    """
    with (
        session.events("tool.started", "tool.finished") as events,
        session.stream(text, timeout=timeout, **given) as deltas,
    ):
        failed: RealtimeError | None = None
        said = ""
        try:
            for delta in deltas:
                said += delta
        except RealtimeError as exc:
            failed = exc
        response = deltas.response
        if failed is not None and (response is None or not response.done):
            raise failed
    calls: dict[str, dict[str, Any]] = {}
    ready: Any = events.ready()
    for event in ready:
        call = calls.setdefault(event.call_id, {"name": event.name})
        if event.type == "tool.started":
            call["arguments"] = event.arguments
        else:
            error = None if event.error is None else _line(event.error)
            call |= {"output": event.output, "error": error, "seconds": round(event.seconds, 4)}
    return response, {
        "text": said,
        "status": None if response is None else response.status,
        "error": None if failed is None else _line(failed),
        "calls": list(calls.values()),
        **_measured(response),
    }


def _measured(response: Response | None) -> dict[str, Any]:
    usage = response.usage if response is not None else None
    timings = response.metrics if response is not None else None
    return {
        "response_id": response.id if response is not None else None,
        "first_text": None if timings is None else _rounded(timings.first_text),
        "seconds": None if timings is None else _rounded(timings.done),
        "usage": None if usage is None else usage.wire(),
    }


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 4)


def _line(error: Any) -> str:
    return line(error) if isinstance(error, BaseException) else str(error)


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
        self._written = 0  # characters of this turn
        running = session.response.active
        # of a turn that was given up, which says a little more
        self._other = running.id if running is not None else None

    def follow(self, deltas: Any, events: Any, timeout: float) -> None:
        """Until the turn has ended: the events tell text and tools in order, the turn its end."""
        from ..runtime.clock import monotonic

        heard, said = monotonic(), ""  # said: all the text of the turn so far
        while True:
            event = _next(events)
            if event is not None:
                heard = monotonic()
                self._take(event)
                if event.type != "turn.ended":
                    continue
            try:
                for delta in deltas:
                    said += delta
            except RealtimeTimeout:
                if monotonic() - heard > timeout:
                    raise RealtimeTimeout(
                        f"nothing new from the turn within {timeout:g} s"
                    ) from None
            except RealtimeError:
                self._finish(events, said)
                raise
            else:
                self._finish(events, said)
                return

    def _take(self, event: Any) -> None:
        if event.type not in _TEXT:
            self._tool(event)
        elif event.response_id != self._other:
            self._written += len(event.delta)
            self._add(event.delta)

    def _finish(self, events: Any, said: str) -> None:
        """The turn was quicker than we, or an event came to nobody: what is not written yet."""
        for event in events.ready():
            self._take(event)
        self._add(said[self._written :])

    def _add(self, delta: str) -> None:
        from .screen import Flow

        if not delta:
            return
        self._calls.end_line()
        if self._flow is None:
            self._flow = Flow(self._screen, self._label, label_style="bold green")
        self._flow.add(delta)

    def _tool(self, event: Any) -> None:
        if event.type == "turn.ended":
            return
        if self._screen.is_terminal:
            self.end()
        if event.type != "tool.approval_required":
            self._calls.show(event)
        elif self._decide is not None:
            self._calls.end_line()
            may = self._decide(called(event.name, event.arguments))
            (self._session.approve if may else self._session.reject)(event.call_id)

    def leave(self) -> None:
        """Nothing more comes: the cursor stands on a line of its own."""
        self.end()
        self._calls.end_line()

    def end(self, mark: str = "") -> None:
        """What is being written ends here; `mark` says why where that needs saying."""
        if self._flow is not None:
            self._flow.end(mark)
            self._flow = None
        elif mark:
            self._calls.end_line()
            self._screen.write(f"{self._label}{mark.strip() if not self._label else mark}", "dim")


def _next(events: Any) -> Any:
    """What has come; None where nothing has for a while, or nothing more will."""
    try:
        return next(events, None)
    except RealtimeError:  # none in time, or the link is lost: the turn says so
        return None
