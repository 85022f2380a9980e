"""What the server answers next, and the faults that it commits on demand.

No sockets, no protocol. The queues are deques, whose ends are safe to use from any thread.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Literal, TypeVar

from realtime_sync.local.answers import Call, Fail, McpCall, Part, Say, Sound
from realtime_sync.local.heard import Heard, Spoken, heard_of
from realtime_sync.local.mcp import McpServer

__all__ = ["Answer", "Fault", "Refused", "Script", "parts_of"]

Answer = str | bytes | bytearray | Call | McpCall | BaseException | list[Any] | tuple[Any, ...]
"""What `LocalServer.reply` takes for one response."""

_PCM_BYTES_PER_SECOND = 48_000
RUN_ENDINGS = ("completed", "incomplete", "failed", "cancelled", "expired")


def parts_of(given: Answer) -> list[Part]:
    """The parts of the response that an answer stands for.

    Raises:
        TypeError: It is none of the kinds of `Answer`.
        ValueError: An odd number of bytes: PCM16 has two a sample.
    """
    if isinstance(given, list | tuple):
        return [part for one in given for part in parts_of(one)]
    return [_part(given)]


def _part(given: object) -> Part:
    match given:
        case str():
            return Say(given)
        case Say() | Sound() | Call() | McpCall() | Fail():
            return given
        case bytes() | bytearray():
            if len(given) % 2:
                raise ValueError("audio for reply() is PCM16: an even number of bytes")
            seconds = len(given) / _PCM_BYTES_PER_SECOND
            return Sound(bytes(given), "audio/pcm", f"[sound, {seconds:.1f} s]")
        case BaseException():
            return Fail.of(given)
    raise TypeError(
        "reply() takes str, server.call(...), PCM bytes, an exception, or a list of these; "
        f"not {type(given).__name__}"
    )


_T = TypeVar("_T")

FaultKind = Literal["cut", "mute", "frame", "close", "reset", "deaf", "pings", "raw"]


@dataclass(slots=True, eq=False)
class Fault:
    """One thing that goes wrong, once.

    Attributes:
        kind: "cut" drops the link, "reset" by a TCP reset; "mute" sends nothing any more (no pong
            either), "deaf" reads nothing any more; "frame" sends `payload` as a frame of its own,
            "raw" as bytes of the stream, whatever they are; "pings" sends some; "close" sends a
            close frame.
        after_events: Server events to send before it happens, counted over all links from now.
        after_bytes: Bytes to send before it happens, for "cut"; None counts events.
        payload: The raw text (str) or binary (bytes) frame; for "close" the reason.
        code: The close code.
        times: How many pings.
    """

    kind: FaultKind
    after_events: int = 0
    after_bytes: int | None = None
    payload: str | bytes = ""
    code: int = 1001
    times: int = 1


@dataclass(frozen=True, slots=True)
class Refused:
    """A handshake or a text call that is answered with an HTTP status instead."""

    status: int
    message: str
    headers: tuple[tuple[str, str], ...] = ()


class Script:
    """Answers and faults to come; each is used once, in order.

    Faults are meant for one link at a time: with several, whichever sends next counts. Answers of
    text models have them too, whole ones as one event: there `frame` is the data of an event, or
    the body, `close` an end that looks complete, `ping` a comment.

    Attributes:
        delay: Seconds that every server event is held back, even without pacing.
        slice: Bytes that leave at a time, at most, the handshake included; None: as many as the
            network takes. 1 cuts everything into single bytes.
        rate: Bytes a second that leave, the handshake included; None: as many as go.
        interleaved: True streams parallel calls of a chat completion in turns, a piece of each.
        held: True while responses stand still that `hold` has stopped.
        beta_names: True makes a GA server use the beta dialect's names of events and parts, as
            some compatible servers do; sessions and responses keep their GA shape.
        expirations: How often `expire` has ended all sessions.
        mcp_servers: By label, as `mcp` has them.
    """

    def __init__(self) -> None:
        self.delay = 0.0
        self.slice: int | None = None
        self.rate: float | None = None
        self.interleaved = False
        self.held = False
        self.beta_names = False
        self.expirations = 0
        self.ring: Callable[[], None] = _nobody  # wakes the connections, once there are any
        self.mcp_servers: dict[str, McpServer] = {}
        self._answers: deque[list[Part]] = deque()
        self._transcripts: deque[Heard | Fail] = deque()
        self._faults: deque[Fault] = deque()
        self._refused: deque[Refused] = deque()
        self._busy: deque[bool] = deque()
        self._holds: deque[int] = deque()
        self._endings: deque[str] = deque()

    def reply(self, *answers: Answer) -> None:
        """Queues what the next responses do, one answer each."""
        self._answers.extend([parts_of(answer) for answer in answers])

    def mcp(
        self, label: str, tools: Mapping[str, Any] | BaseException, *, late: bool = False
    ) -> None:
        """Plays an MCP server; one that is not played cannot be reached, and lists nothing.

        Args:
            label: The `server_label` under which sessions name it.
            tools: Tool -> what its calls give: text, anything else as JSON, an exception (the call
                fails), or a function of the arguments. An exception in place of all: the listing
                fails.
            late: True: calls end after the `response.done` of the response that makes them.
        """
        self.mcp_servers[label] = McpServer(tools, late)

    def transcripts(self, words: Iterable[Spoken]) -> None:
        """Queues the transcripts of the next user audio items; an exception fails one.

        A mapping may hold `transcript`, `deltas` (texts that need not add up to it), `logprobs`
        (pairs of token and log-probability, sent where the session includes them), `segments`
        (`text`, `speaker`, `start`, `end`), `languages` (codes), `after` (complete it only after
        so many later ones) and `translation`.

        Raises:
            TypeError: Neither text nor one of these.
            ValueError: A mapping with other fields, or without words.
        """
        self._transcripts.extend([heard_of(one) for one in words])

    def cut(self, *, after: int = 0, after_bytes: int | None = None) -> None:
        """Drops the link, without a close frame, after so many events or bytes."""
        self._faults.append(Fault("cut", after, after_bytes))

    def reset(self, *, after: int = 0) -> None:
        """Drops the link by a TCP reset after so many events: what is on its way is lost."""
        self._faults.append(Fault("reset", after))

    def close(self, code: int = 1001, reason: str = "", *, after: int = 0) -> None:
        """Ends the link with a close frame after so many events; 1005: one without a code."""
        self._faults.append(Fault("close", after, payload=reason, code=code))

    def expire(self) -> None:
        """Ends all sessions that are open now as expired: an error, then close 1001."""
        self.expirations += 1
        self.ring()

    def mute(self, *, after: int = 0) -> None:
        """Sends nothing any more on the link, not even a pong, after so many events."""
        self._faults.append(Fault("mute", after))

    def deafen(self, *, after: int = 0) -> None:
        """Reads nothing any more on the link after so many events, and goes on speaking."""
        self._faults.append(Fault("deaf", after))

    def ping(self, *, times: int = 1, after: int = 0) -> None:
        """Sends so many pings after so many events."""
        self._faults.append(Fault("pings", after, times=times))

    def raw(self, data: bytes, *, after: int = 0) -> None:
        """Sends these bytes as they are after so many events: half a frame, say, or garbage."""
        self._faults.append(Fault("raw", after, payload=data))

    def frame(self, payload: str | bytes, *, after: int = 0) -> None:
        """Sends this as a text (str) or binary (bytes) frame after so many events."""
        self._faults.append(Fault("frame", after, payload=payload))

    def refuse(self, status: int, message: str = "", *, times: int = 1, **headers: str) -> None:
        """Answers the next handshakes and text calls with an HTTP status.

        `retry_after="1"` gives a header.

        Raises:
            ValueError: There is no such status.
        """
        HTTPStatus(status)
        named = tuple((name.replace("_", "-").title(), value) for name, value in headers.items())
        self._refused.extend([Refused(status, message or f"HTTP {status}", named)] * times)

    def busy(self, *, times: int = 1) -> None:
        """Refuses the next `response.create` as if another response were running."""
        self._busy.extend([True] * times)

    def hold(self, *, after: int) -> None:
        """The next response stops after so many deltas until cancelled, or `release()`."""
        self.held = True  # first: a response of another link may take the next at once
        self._holds.append(after)

    def end_runs(self, *statuses: str) -> None:
        """The next runs of assistants, once they have said what they say, end with these.

        Raises:
            ValueError: No run ends so.
        """
        for status in statuses:
            if status not in RUN_ENDINGS:
                raise ValueError(f"{status!r}: a run ends as one of {', '.join(RUN_ENDINGS)}")
        self._endings.extend(statuses)

    def release(self) -> None:
        """Lets the responses go on that `hold` has stopped."""
        self.held = False

    def next_answer(self) -> list[Part] | None:
        return _taken(self._answers)

    @property
    def has_transcripts(self) -> bool:
        """Whether it says what the next user audio item contains."""
        return bool(self._transcripts)

    def next_transcript(self) -> Heard | Fail | None:
        return _taken(self._transcripts)

    def next_refusal(self) -> Refused | None:
        return _taken(self._refused)

    def next_hold(self) -> int | None:
        return _taken(self._holds)

    def next_ending(self) -> str | None:
        return _taken(self._endings)

    def is_busy(self) -> bool:
        """Whether this `response.create` is to be refused; counts down."""
        return _taken(self._busy) is not None

    @property
    def fault(self) -> Fault | None:
        """The fault that is next, not yet taken."""
        try:
            return self._faults[0]
        except IndexError:
            return None

    def take(self, fault: Fault) -> bool:
        """Takes this fault off; False: another link has committed it by now."""
        try:
            self._faults.remove(fault)
        except ValueError:
            return False
        return True

    def due_fault(self) -> Fault | None:
        """Takes the fault off that is to happen before the next event."""
        fault = self.fault
        if fault is None or fault.after_bytes is not None or fault.after_events > 0:
            return None
        return fault if self.take(fault) else None

    def sent(self) -> Fault | None:
        """Counts an event that was sent; takes the fault off that was to follow it."""
        fault = self.fault
        if fault is None or fault.after_bytes is not None:
            return None
        fault.after_events -= 1
        return self.due_fault()


def _nobody() -> None:
    """Stands for connections while there are none."""


def _taken(queue: deque[_T]) -> _T | None:
    try:
        return queue.popleft()
    except IndexError:
        return None
