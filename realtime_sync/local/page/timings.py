"""How long each turn took: until it spoke, in responses, in tools. No clock, no thread.

A turn is what a user says, then responses and tool calls until a response makes no call.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from realtime_sync.local.page.excerpt import inside

__all__ = ["Timings", "Turn"]

Wire = dict[str, Any]

_TURNS = 200
_WAITING = 100  # of what waits for its answer: a client may never give it


@dataclass(slots=True)
class Turn:
    """One turn; all times are milliseconds.

    Attributes:
        number: From 1 on.
        at: When it was asked for, on the session's time: by `response.create`, or by the end of
            the user's speech.
        first_token, first_audio: From then on until the first of them came; None: none yet.
        response_ms: In responses, from `response.created` to `response.done`.
        tool_ms: In tools, from their calls to the last of their outputs, MCP servers' too.
        total_ms: From `at` to the end of its last response.
        responses: How many it took.
        status: Of the last one; "in_progress" while there is one.
        tokens: Of all of them.
        revision: What the last change is known by.
    """

    number: int
    at: float
    first_token: float | None = None
    first_audio: float | None = None
    response_ms: float = 0.0
    tool_ms: float = 0.0
    total_ms: float | None = None
    responses: int = 0
    status: str = "in_progress"
    tokens: int = 0
    revision: int = 0
    calls: set[str] = field(default_factory=set)  # those without an output
    called: float | None = None  # when they were made; None: there was none
    tools: float = 0.0  # what earlier calls took
    answered: bool = False  # True once the model has what it called for

    def wire(self) -> Wire:
        """As JSON has it; `n` is its number, `waiting` how many calls have no output yet."""
        names = ("at", "first_token", "first_audio", "response_ms", "tool_ms", "total_ms")
        times = {name: getattr(self, name) for name in names}
        shown = {name: None if ms is None else round(ms, 1) for name, ms in times.items()}
        counts = {"responses": self.responses, "tokens": self.tokens, "waiting": len(self.calls)}
        return {"n": self.number, "status": self.status, **shown, **counts}


class Timings:
    """The last 200 turns of one session; fed with every event. One thread at a time."""

    def __init__(self) -> None:
        self.turns: deque[Turn] = deque(maxlen=_TURNS)
        self._asked: OrderedDict[str, float] = OrderedDict()  # response.create by its event id
        self._spoken: float | None = None  # when the user's speech ended; None: it was answered
        self._fresh = True  # True once something new was asked
        self._running: OrderedDict[str, tuple[Turn, float]] = OrderedDict()  # responses, since when
        self._calls: OrderedDict[str, Turn] = OrderedDict()
        self._mcp: OrderedDict[str, float] = OrderedDict()  # item id -> since when

    def heard(self, event: Wire, at: float, revision: int) -> None:
        """A client event, at so many ms of the session."""
        if event["type"] == "response.create":
            _keep(self._asked, str(event.get("event_id") or f"#{at}"), at)
        elif event["type"] == "conversation.item.create":
            call_id = inside(event, "item", "call_id")
            turn = self._calls.pop(str(call_id), None)
            if turn is not None:
                self._answered(turn, str(call_id), at, revision)
            elif inside(event, "item", "role") == "user":
                self._fresh = True

    def told(self, event: Wire, at: float, revision: int) -> None:
        """A server event, at so many ms of the session."""
        taken = self._TAKEN.get(event["type"])
        if taken is not None:
            taken(self, event, at, revision)

    def since(self, revision: int) -> list[Wire]:
        """The turns that have changed since then, the oldest first, as JSON has them."""
        return [turn.wire() for turn in self.turns if turn.revision > revision]

    def _answered(self, turn: Turn, call_id: str, at: float, revision: int) -> None:
        turn.calls.discard(call_id)
        if turn.called is not None:
            turn.tool_ms = turn.tools + at - turn.called
        if not turn.calls:
            turn.tools, turn.called, turn.answered = turn.tool_ms, None, True
        turn.revision = revision

    def _stopped(self, _event: Wire, at: float, _revision: int) -> None:
        self._spoken, self._fresh = at, True

    def _committed(self, _event: Wire, _at: float, _revision: int) -> None:
        self._fresh = True

    def _created(self, event: Wire, at: float, revision: int) -> None:
        asked = self._asked.popitem(last=False)[1] if self._asked else self._spoken
        self._spoken = None
        # what follows the outputs of calls belongs to the turn that called, though others may have
        # begun meanwhile, beside the conversation
        turn = next((one for one in reversed(self.turns) if one.answered and not self._fresh), None)
        for one in self.turns if self._fresh else ():
            one.answered = False  # nothing follows any more
        if turn is None:
            number = self.turns[-1].number + 1 if self.turns else 1
            turn = Turn(number, at if asked is None else asked)
            self.turns.append(turn)
        self._fresh = turn.answered = False
        turn.responses += 1
        turn.status, turn.revision = "in_progress", revision
        _keep(self._running, str(inside(event, "response", "id")), (turn, at))

    def _of(self, event: Wire) -> Turn | None:
        running = self._running.get(str(event.get("response_id")))
        return None if running is None else running[0]

    def _token(self, event: Wire, at: float, revision: int) -> None:
        turn = self._of(event)
        if turn is not None and turn.first_token is None:
            turn.first_token, turn.revision = at - turn.at, revision

    def _audio(self, event: Wire, at: float, revision: int) -> None:
        turn = self._of(event)
        if turn is not None and turn.first_audio is None:
            turn.first_audio, turn.revision = at - turn.at, revision

    def _done(self, event: Wire, at: float, revision: int) -> None:
        response = event.get("response")
        running = self._running.pop(str(inside(response, "id")), None)
        if running is None:
            return
        turn, since = running
        turn.response_ms += at - since
        turn.total_ms, turn.revision = at - turn.at, revision
        turn.status = str(inside(response, "status"))[:40]
        tokens = inside(response, "usage", "total_tokens")
        turn.tokens += tokens if isinstance(tokens, int) else 0
        output = inside(response, "output")
        for item in output if isinstance(output, list) else ():
            if inside(item, "type") == "function_call":
                call_id = str(inside(item, "call_id"))
                turn.calls.add(call_id)
                turn.called = at
                _keep(self._calls, call_id, turn)

    def _mcp_began(self, event: Wire, at: float, _revision: int) -> None:
        _keep(self._mcp, str(event.get("item_id")), at)

    def _mcp_ended(self, event: Wire, at: float, revision: int) -> None:
        since = self._mcp.pop(str(event.get("item_id")), None)
        turn = self.turns[-1] if self.turns else None
        if since is not None and turn is not None:
            turn.tools += at - since
            turn.tool_ms += at - since
            turn.answered, turn.revision = True, revision

    def _refused(self, event: Wire, _at: float, _revision: int) -> None:
        self._asked.pop(str(inside(event, "error", "event_id")), None)

    _TAKEN: ClassVar[Mapping[str, Callable[..., None]]] = {
        "error": _refused,
        "input_audio_buffer.committed": _committed,
        "input_audio_buffer.speech_stopped": _stopped,
        "response.created": _created,
        "response.done": _done,
        "response.output_text.delta": _token,
        "response.text.delta": _token,
        "response.output_audio_transcript.delta": _token,
        "response.audio_transcript.delta": _token,
        "response.function_call_arguments.delta": _token,
        "response.mcp_call_arguments.delta": _token,
        "response.output_audio.delta": _audio,
        "response.audio.delta": _audio,
        "response.mcp_call.in_progress": _mcp_began,
        "response.mcp_call.completed": _mcp_ended,
        "response.mcp_call.failed": _mcp_ended,
    }


def _keep(waiting: OrderedDict[str, Any], key: str, value: Any) -> None:
    waiting[key] = value
    if len(waiting) > _WAITING:
        waiting.popitem(last=False)
