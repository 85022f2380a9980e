"""One connection without its socket: bytes and the time in, bytes out.

Between the WebSocket protocol (`websockets`, handed in), the reception and a brain; commits the
script's faults, to the byte. What is no WebSocket goes to the REST desk. No threads, sockets or
clock.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from realtime_sync.local.beta import Plain, spoken
from realtime_sync.local.body import value_of
from realtime_sync.local.calls import Calls, Member
from realtime_sync.local.desk import Desk
from realtime_sync.local.logbook import Onlooker, onlookers, refused
from realtime_sync.local.mind import Mind
from realtime_sync.local.reception import Dismissal, Reception, Rejection, Visit, is_text
from realtime_sync.local.refusal import Refusal
from realtime_sync.local.script import Fault, Script
from realtime_sync.local.serving import Serving
from realtime_sync.local.sessions import Sessions

if TYPE_CHECKING:
    from realtime_sync.local.page import Site, Viewing

__all__ = ["Dialogue"]

Wire = dict[str, Any]

_CONTINUATION, _TEXT, _BINARY = 0, 1, 2  # opcodes of RFC 6455
# close codes; 1005 is a frame without one, 1006 no frame at all
_GOING_AWAY, _NO_CODE, _CUT, _BAD_TEXT = 1001, 1005, 1006, 1007
_REQUEST_LINE_MOST = 8192
# Bytes that may wait to be written: text turns leave in one write, of a long audio reply the first
# seconds leave while the next are still being spoken, and a client that does not read gets no more.
_UNSENT_MOST = 1 << 18


class Dialogue:
    """What goes over one connection.

    Args:
        protocol: A `websockets.server.ServerProtocol`, fresh.
        reception: Lets the client in.
        desk: Answers what is no WebSocket.
        sessions: Makes the brain of a new session.
        calls: Has the brains of the sessions that are shared.
        heard: Called with every client event.
        told: Called with every server event.
        site: The server's page; None: it has none.
    """

    def __init__(
        self,
        protocol: Any,
        *,
        reception: Reception,
        desk: Desk,
        sessions: Sessions,
        calls: Calls,
        heard: Callable[[Wire], None],
        told: Callable[[Wire], None],
        site: Site | None = None,
    ) -> None:
        self.unsent = bytearray()  # to be written by the owner, who deletes what is written
        self.cut = False  # True: write what is unsent, then drop the link without a word
        self.reset = False  # True: end the link by a TCP reset
        self.deaf = False  # True: read nothing any more
        self.half_closed = False  # True: write what is unsent, then end our half
        self._protocol = protocol
        self._reception = reception
        self._desk = desk
        self._sessions = sessions
        self._calls = calls
        self._script: Script = sessions.script
        self._heard, self._told = heard, told
        self._site = site
        self._onlookers: tuple[Onlooker, ...] = ()  # the page and the log, where they are wanted
        self._brain: Mind | Member | None = None  # None until the handshake is done
        self._dialect = Plain()
        self._expirations = 0  # how often all sessions had been ended when this one began
        self._first = bytearray()  # of the request, until its first line is whole
        # a REST call, or somebody who looks at the page; None for a WebSocket
        self._serving: Serving | Viewing | None = None
        self._viewed = False  # True where that is the page, which no fault touches
        self._answered = False  # True once the first line was looked at
        self._dismissed = False  # True once the client was let in only to be told why not
        self._message = bytearray()  # of a fragmented message
        self._opcode = _CONTINUATION  # the kind of that message
        self._late: deque[tuple[float, Wire]] = deque()  # what script.delay holds back
        self._muted = False

    @property
    def established(self) -> bool:
        """True once the handshake is done, or a REST call is being answered."""
        return self._brain is not None or (self._serving is not None and self._serving.under_way)

    @property
    def leaving(self) -> bool:
        """True once the peer's close, or its end of TCP, is all that is waited for."""
        return self.half_closed or bool(self._protocol.close_expected())

    @property
    def pace(self) -> tuple[int | None, float | None]:
        """Bytes that leave at a time, and a second; None: as many as the network takes."""
        return (None, None) if self._viewed else (self._script.slice, self._script.rate)

    @property
    def has_room(self) -> bool:
        """Whether the client reads what is sent."""
        return len(self.unsent) < _UNSENT_MOST

    @property
    def due(self) -> float | None:
        """When `advance` is to be called next; None: nothing is under way."""
        if self._serving is not None:
            return self._serving.due
        if self._brain is None or self.leaving:
            return None
        ends = self._brain.ends
        if not self.has_room:
            return ends
        late = self._late[0][0] if self._late else None
        return min(time for time in (self._brain.due, late, ends) if time is not None)

    def received(self, data: bytes, now: float) -> None:
        """Takes what the client sent; the answers are in `unsent`."""
        if not self._answered:
            self._first += data
            data = self._looked_at()
        if self._serving is not None:
            return self._serving.received(data, now)
        if data:
            self._protocol.receive_data(data)
            self._flush()
        for event in self._protocol.events_received():
            if self._brain is not None:
                self._frame(event, now)
            elif not self._dismissed:
                self._shake_hands(event, now)
        return None

    def advance(self, now: float) -> None:
        """Sends what is due by now."""
        if self._serving is not None:
            self._serving.advance(now)
        if self._brain is None or self.leaving:
            return
        if self._expirations != self._script.expirations or now >= self._brain.ends:
            self._expire()
            return
        for events in self._brain.advance(now) if self.has_room else ():
            self._say(events, now)
            if not self.has_room:
                break  # the rest stays due until the client has read this
        while self._late and self._late[0][0] <= now:
            self._send(self._late.popleft()[1])
        if self._brain.over is not None and not self._late:
            self.farewell(*self._brain.over)

    def ended(self) -> None:
        """The connection is no more."""
        if self._serving is not None:
            self._serving.ended()
        for one in (self._brain, *self._onlookers):
            if one is not None:
                one.leave()

    def farewell(self, code: int = _GOING_AWAY, reason: str = "") -> None:
        """Says goodbye with a close frame, if there is anybody to say it to; 1006: without."""
        if self._brain is None or code == _CUT:
            self.cut = True
        elif not self.leaving:
            said = () if code == _NO_CODE else (code, reason)
            self._protocol.send_close(*said)
            self._flush()

    def _looked_at(self) -> bytes:
        """The bytes for the protocol, once the request's first line is there."""
        line, end, _ = bytes(self._first).partition(b"\r\n")
        if not end and len(line) < _REQUEST_LINE_MOST and line[:1].isalpha():
            return b""
        self._answered = True
        # websockets hangs up on any method but GET
        method, target, *_ = [*line.decode("latin-1").split(" ", 2), ""]
        if self._site is not None and self._site.has(target):
            self._serving, self._viewed = self._site.viewing(self), True
        elif method != "GET" or is_text(target):
            self._serving = Serving(
                self, answer=self._desk.answer, script=self._script, speed=self._sessions.speed
            )
        return bytes(self._first)

    def _shake_hands(self, request: Any, now: float) -> None:
        headers = {name.lower(): value for name, value in request.headers.raw_items()}
        scripted = self._script.next_refusal()
        if scripted is not None:
            rejection = Rejection(scripted.status, scripted.message, headers=scripted.headers)
            return self._reject(rejection)
        visit = self._reception.visit(request.path, headers, now)
        if isinstance(visit, Rejection):
            return self._reject(visit)
        if isinstance(visit, Dismissal):
            self._accept(request, lambda: self._dismiss(visit))
            return None
        try:
            brain = self._brain_for(visit, now)
        except Refusal as refusal:
            status = 404 if refusal.code == "call_id_not_found" else 400
            return self._reject(Rejection(status, refusal.message, refusal.code))
        if not self._accept(request, lambda: self._begin(visit, brain, now)):
            brain.leave()
        return None

    def _accept(self, request: Any, then: Callable[[], None]) -> bool:
        """Answers the handshake; whether it has made a WebSocket."""
        response = self._protocol.accept(request)
        self._protocol.send_response(response)
        self._flush()
        if response.status_code == 101:
            then()
        return bool(response.status_code == 101)

    def _brain_for(self, visit: Visit, now: float) -> Mind | Member:
        if self._sessions.replay is not None:
            return self._sessions.replayed(now)
        if visit.kind == "sideband":
            return self._calls.join(visit.call_id, now)
        return self._sessions.new(visit.kind, visit.model, now, visit.preset)

    def _begin(self, visit: Visit, brain: Mind | Member, now: float) -> None:
        self._brain = brain
        self._expirations = self._script.expirations
        if self._sessions.replay is None:  # a recording is in the words that were spoken
            self._dialect = spoken(visit.dialect, names=self._script.beta_names)
        self._onlookers = onlookers(visit, self._site)
        self._say(brain.hello(), now)

    def _dismiss(self, dismissal: Dismissal) -> None:
        self._dismissed = True
        refused(dismissal.close, dismissal.message)
        refusal = Refusal(dismissal.code, dismissal.message)
        event_id = f"event_{self._sessions.new_identity()}"
        event = {"type": "error", "event_id": event_id, "error": refusal.wire(None)}
        self._protocol.send_text(json.dumps(event).encode())
        self._protocol.send_close(dismissal.close, dismissal.reason)
        self._flush()

    def _expire(self) -> None:
        assert self._brain is not None
        minutes = self._sessions.seconds / 60
        text = f"Your session hit the maximum duration of {minutes:.4g} minutes."
        self._late.clear()
        for event in self._brain.refused(Refusal("session_expired", text)):
            self._send(event)
        self.farewell(_GOING_AWAY, text)

    def _reject(self, rejection: Rejection) -> None:
        refused(rejection.status, rejection.message)
        response = self._protocol.reject(rejection.status, rejection.body())
        del response.headers["Content-Type"]
        response.headers["Content-Type"] = "application/json"
        for name, value in rejection.headers:
            response.headers[name] = value
        self._protocol.send_response(response)
        self._flush()

    def _frame(self, frame: Any, now: float) -> None:
        if frame.opcode in (_TEXT, _BINARY):
            self._opcode = frame.opcode
        elif frame.opcode != _CONTINUATION:
            return  # ping, pong and close: the protocol has answered
        self._message += frame.data
        if not frame.fin:
            return
        message, self._message = bytes(self._message), bytearray()
        try:
            # a binary frame is no event whatever it holds
            text = message.decode() if self._opcode == _TEXT else ""
        except UnicodeDecodeError:
            self._protocol.fail(_BAD_TEXT, "text frames are UTF-8")
            self._flush()
            return
        self._event(value_of(text), now)

    def _event(self, event: object, now: float) -> None:
        assert self._brain is not None
        if isinstance(event, dict):
            self._heard(event)
        for one in self._onlookers:
            one.heard(event)
        try:
            taken = self._dialect.incoming(event)
        except Refusal as refusal:
            # in the dialect's own words already
            self._tell(self._brain.refused(refusal, event), now)
        else:
            self._say(self._brain.received(taken, now), now)
        # at once, or without pacing the next event in the buffer would meet a response under way
        self.advance(now)

    def _say(self, events: list[Wire], now: float) -> None:
        self._tell([told for event in events for told in self._dialect.outgoing(event)], now)

    def _tell(self, events: list[Wire], now: float) -> None:
        if self._script.delay or self._late:
            self._late.extend((now + self._script.delay, event) for event in events)
            return
        for event in events:
            self._send(event)

    def _send(self, event: Wire) -> None:
        # a link that is on its way out leaves the rest to the next one
        while not self._over and (fault := self._script.due_fault()) is not None:
            self._commit(fault)
        if self._over or self._muted:
            return
        self._protocol.send_text(json.dumps(event, separators=(",", ":")).encode())
        self._flush()
        self._told(event)
        for one in self._onlookers:
            one.told(event)
        fault = self._script.sent()
        if fault is not None:
            self._commit(fault)

    @property
    def _over(self) -> bool:
        return self.cut or self.leaving

    def _commit(self, fault: Fault) -> None:
        self._FAULTS[fault.kind](self, fault)

    def _cut(self, _fault: Fault) -> None:
        self.cut = True

    def _reset(self, _fault: Fault) -> None:
        self.cut = self.reset = True

    def _deafen(self, _fault: Fault) -> None:
        self.deaf = True

    def _ping(self, fault: Fault) -> None:
        for number in range(fault.times):
            self._protocol.send_ping(number.to_bytes(4, "big"))
        self._flush()

    def _stream(self, fault: Fault) -> None:
        self.unsent += bytes(fault.payload)  # type: ignore[arg-type]  # `raw` takes bytes only

    def _mute(self, _fault: Fault) -> None:
        self._muted = True

    def _close(self, fault: Fault) -> None:
        self.farewell(fault.code, str(fault.payload))

    def _say_frame(self, fault: Fault) -> None:
        if isinstance(fault.payload, bytes):
            self._protocol.send_binary(fault.payload)
        else:
            self._protocol.send_text(fault.payload.encode("utf-8", "surrogateescape"))
        self._flush()

    _FAULTS: ClassVar[dict[str, Callable[..., None]]] = {
        "cut": _cut,
        "reset": _reset,
        "mute": _mute,
        "deaf": _deafen,
        "close": _close,
        "frame": _say_frame,
        "raw": _stream,
        "pings": _ping,
    }

    def _flush(self) -> None:
        """Moves what the protocol wants to send into `unsent`."""
        for data in self._protocol.data_to_send():
            if self.cut or self._muted:
                continue
            if not data:  # websockets' sign for the end of our half
                self.half_closed = True
                continue
            self.unsent += self._counted(data)

    def _counted(self, data: bytes) -> bytes:
        fault = self._script.fault
        if fault is None or fault.after_bytes is None or self._brain is None:
            return data
        if len(data) < fault.after_bytes:
            fault.after_bytes -= len(data)
            return data
        if not self._script.take(fault):
            return data
        self._commit(fault)
        return data[: fault.after_bytes]
