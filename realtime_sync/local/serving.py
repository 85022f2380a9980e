"""One REST call over a connection: its request comes in, its reply leaves, at its pace.

Commits the script's faults upon streams as a WebSocket has them. No threads, sockets or clock.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, ClassVar, Protocol

from realtime_sync.local.http import Exchange, Reply, Request, chunk, sse, stream_head
from realtime_sync.local.schedule import Flow, Schedule, Standing
from realtime_sync.local.script import Fault, Script

__all__ = ["Line", "Serving"]

Wire = dict[str, Any]


class Line(Protocol):
    """The connection, as `Dialogue` is one."""

    unsent: bytearray
    cut: bool
    reset: bool
    deaf: bool
    half_closed: bool

    @property
    def has_room(self) -> bool:
        """Whether the client reads what is sent."""
        ...


class Serving:
    """One request and its reply.

    Args:
        line: Where both go.
        answer: Makes the reply.
        script: The faults.
        speed: Multiplies the pace of streams; None sends them at once.
    """

    def __init__(
        self,
        line: Line,
        *,
        answer: Callable[[Request, float], Reply | Flow],
        script: Script,
        speed: float | None,
    ) -> None:
        self._line = line
        self._answer = answer
        self._script = script
        self._exchange = Exchange()
        self._schedule: Schedule[Standing] = Schedule(script, speed)
        self._flow: Flow | None = None  # what is being sent in pieces
        self._muted = False

    @property
    def under_way(self) -> bool:
        """True once the request is whole and its reply takes time."""
        return self._flow is not None

    def received(self, data: bytes, now: float) -> None:
        """Takes more of the request; what comes after it is not read."""
        if self._flow is not None or self._line.half_closed:
            return
        request = self._exchange.received(data)
        if self._exchange.proceed and request is None:
            self._exchange.proceed = False
            self._line.unsent += b"HTTP/1.1 100 Continue\r\n\r\n"
        if request is not None:
            self._reply(request if isinstance(request, Reply) else self._answer(request, now), now)

    @property
    def due(self) -> float | None:
        """When `advance` is to be called next; None: nothing is under way."""
        idle = self._flow is None or self._muted or self._line.cut or self._line.half_closed
        return None if idle or not self._line.has_room else self._schedule.due

    def advance(self, now: float) -> None:
        """Sends what is due by now."""
        if self.due is None:
            return
        for events, _ in self._schedule.advance(now):
            for event in events:
                self._send(event)
            if not self._line.has_room:
                return  # the rest stays due until the client has read this
        if self._schedule.due is None and not self._line.half_closed and not self._muted:
            self._end()

    def ended(self) -> None:
        """The connection is no more."""
        if self._flow is not None:
            self._flow.ended()

    def _reply(self, reply: Reply | Flow, now: float) -> None:
        if isinstance(reply, Reply):
            self._line.unsent += reply.wire()
            self._line.half_closed = True
            return
        self._flow = reply
        if reply.streamed:
            self._write(stream_head())
        self._schedule.add(now + self._script.delay, reply.steps, reply.response)
        self.advance(now)

    def _send(self, event: Wire) -> None:
        assert self._flow is not None
        while (fault := self._script.due_fault()) is not None:
            self._commit(fault)
        if self._line.cut or self._muted or self._line.half_closed:
            return
        if self._flow.streamed:
            self._write(chunk(sse(event)))
        else:
            self._whole(json.dumps(event).encode())
        fault = self._script.sent()
        if fault is not None:
            self._commit(fault)

    def _whole(self, body: bytes) -> None:
        self._write(Reply(200, body).wire())
        self._line.half_closed = True

    def _end(self) -> None:
        assert self._flow is not None
        if self._flow.streamed:
            self._write(chunk(b""))
        self._line.half_closed = True

    def _write(self, data: bytes) -> None:
        if self._line.cut or self._muted:
            return
        fault = self._script.fault
        if fault is not None and fault.after_bytes is not None:
            if len(data) < fault.after_bytes:
                fault.after_bytes -= len(data)
            elif self._script.take(fault):
                data = data[: fault.after_bytes]
                self._commit(fault)
        self._line.unsent += data

    def _commit(self, fault: Fault) -> None:
        self._FAULTS[fault.kind](self, fault)

    def _cut(self, _fault: Fault) -> None:
        self._line.cut = True

    def _reset(self, _fault: Fault) -> None:
        self._line.cut = self._line.reset = True

    def _mute(self, _fault: Fault) -> None:
        self._muted = True

    def _deafen(self, _fault: Fault) -> None:
        self._line.deaf = True

    def _close(self, _fault: Fault) -> None:
        """The stream ends as one that is complete, but is not."""
        if not self._line.half_closed:
            self._end()

    def _frame(self, fault: Fault) -> None:
        assert self._flow is not None
        given = fault.payload
        if not self._flow.streamed:
            return self._whole(given if isinstance(given, bytes) else given.encode())
        text = given.decode("utf-8", "replace") if isinstance(given, bytes) else given
        return self._write(chunk(sse({"data": text})))

    def _stream(self, fault: Fault) -> None:
        self._write(bytes(fault.payload))  # type: ignore[arg-type]  # `raw` takes bytes only

    def _ping(self, fault: Fault) -> None:
        self._write(chunk(b": ping\n\n") * fault.times)

    _FAULTS: ClassVar[dict[str, Callable[..., None]]] = {
        "cut": _cut,
        "reset": _reset,
        "mute": _mute,
        "deaf": _deafen,
        "close": _close,
        "frame": _frame,
        "raw": _stream,
        "pings": _ping,
    }
