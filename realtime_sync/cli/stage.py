"""What the demo sees of a session, by callbacks alone, and shows as it happens."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..core.usage import Metrics
    from ..events.server import ResponseObject
    from ..session import RealtimeSession
    from .screen import Flow, Screen

__all__ = ["Seen", "Stage"]

_YOU, _MODEL, _CALL, _PYTHON, _ERROR = (
    "  you     ",
    "  model   ",
    "  call    ",
    "  python  ",
    "  error   ",
)
_EVENTS = "  events  "


@dataclass
class Seen:
    """The events of one step.

    Attributes:
        types: Their names, in order.
        deltas: Text and transcripts of the model, piece by piece.
        audio: Bytes of audio of each delta that had some.
        calls: Names of the functions that the model called.
        ran: Output of each tool that ran here without an error.
        ended: The responses that have ended, oldest first.
        metrics: Timings of each.
        errors: What the server refused.
    """

    types: list[str] = field(default_factory=list)
    deltas: list[str] = field(default_factory=list)
    audio: list[bytes] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    ran: list[str] = field(default_factory=list)
    ended: list[ResponseObject] = field(default_factory=list)
    metrics: list[Metrics] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


class Stage:
    """Shows a session's events, and keeps those of the current step.

    Everything here runs where the session's callbacks run: in `pump`.
    """

    def __init__(self, session: RealtimeSession, screen: Screen) -> None:
        self.seen = Seen()
        self.total = 0  # events of all steps
        self._screen = screen
        self._flow: Flow | None = None  # the model's line, while it speaks
        callbacks: dict[str, Callable[[Any], None]] = {
            "*": self._any,
            "conversation.item.added": self._item,
            "response.output_text.delta": self._delta,
            "response.output_audio_transcript.delta": self._delta,
            "response.output_audio.delta": self._audio,
            "response.output_item.done": self._called,
            "tool.finished": self._ran,
            "response.done": self._done,
            "response.metrics": lambda event: self.seen.metrics.append(event.metrics),
            "error": self._error,
        }
        for name, callback in callbacks.items():
            session.on(name, callback)

    def begin(self) -> Seen:
        """A new step: nothing seen yet."""
        self.seen = Seen()
        return self.seen

    def show_events(self) -> None:
        """The names of what was seen, in the order of their first time, and how often."""
        counts = Counter(self.seen.types)
        names = (
            name if count == 1 else f"{name}\N{NO-BREAK SPACE}×{count}"
            for name, count in counts.items()
        )
        self._screen.labelled(_EVENTS, ", ".join(names), "dim", "dim")

    def _any(self, event: Any) -> None:
        self.total += 1
        self.seen.types.append(event.type)

    def _item(self, event: Any) -> None:
        if event.item.role == "user":
            self._screen.labelled(_YOU, event.item.text or "(speech)", "", "bold cyan")

    def _delta(self, event: Any) -> None:
        from .screen import Flow

        self.seen.deltas.append(event.delta)
        if self._flow is None:
            self._flow = Flow(self._screen, _MODEL, label_style="bold green")
        self._flow.add(event.delta)

    def _audio(self, event: Any) -> None:
        self.seen.audio.append(event.audio)

    def _called(self, event: Any) -> None:
        if event.item.type == "function_call":
            self.seen.calls.append(event.item.name)
            self._screen.labelled(
                _CALL, f"{event.item.name} {event.item.arguments}", "", "bold magenta"
            )

    def _ran(self, event: Any) -> None:
        if event.error is None:
            self.seen.ran.append(event.output)
        answer = event.output if event.error is None else event.error
        took = f"{event.name} ran for {event.seconds * 1000:.1f} ms and returned {answer}"
        self._screen.labelled(_PYTHON, took, "", "bold yellow")

    def _done(self, event: Any) -> None:
        response = event.response
        self.seen.ended.append(response)
        if self._flow is not None:
            cut = response.status != "completed"
            self._flow.end(f" … [{response.status}]" if cut else "", "bold red")
            self._flow = None

    def _error(self, event: Any) -> None:
        self.seen.errors.append(event.error.message)
        self._screen.labelled(_ERROR, event.error.message, "", "bold red")
