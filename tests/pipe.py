"""A link in memory, and the test is the server.

A `Line` stands in for the network: every attempt to connect takes the next `Pipe` from it. The
test says what the server says and expects what the client sends; nothing sleeps and nothing polls.
What was said has arrived when a marker said after it has (`arrived`), and its callbacks have run
when the marker's callback has (`settled`).
"""

from __future__ import annotations

import itertools
import json
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from realtime_sync import Compatible, RealtimeSession
from realtime_sync.runtime.clock import Deadline, monotonic
from realtime_sync.runtime.transport import Ended

LIMIT = 15.0  # seconds that only failures reach

Wire = dict[str, Any]

_counter = itertools.count(1)


class Pipe:
    """One link. What the runtime calls is above, what the test calls is below."""

    notify: Callable[[], None] | None = None  # set by the loop; None while nobody watches

    def __init__(self) -> None:
        self.ended: Ended | None = None
        self.last_received = monotonic()
        self.frames: list[bytes] = []  # what has left, oldest first
        self.threads: set[str] = set()  # names of the threads that drove it
        self.pings = 0
        self.closed = False  # the descriptor, if it had one
        self.client: Any = None  # the Connection; set by `Line`
        self._taken = 0  # frames that were expected so far
        self._came: deque[tuple[int, bytes]] = deque()
        self._end: Ended | None = None  # how it ends, once everything before is read
        self._unsent: deque[bytes | Ended] = deque()
        self._size = 0
        self._closing = False
        self._mute = False
        self._stalled = False
        self._changed = threading.Condition()

    # --- what the runtime calls

    def fileno(self) -> int:
        return -1

    @property
    def buffered(self) -> int:
        return self._size

    def receive(self) -> list[tuple[int, bytes]]:
        self._seen()
        if self.ended is not None:
            return []
        if not self._mute:
            self.last_received = monotonic()
        messages = []
        while self._came:
            messages.append(self._came.popleft())
        if self._end is not None and not self._came:
            self.ended = self._end
        return messages

    def send(self, payload: bytes) -> None:
        self._seen()
        if not self._closing:
            self._unsent.append(payload)
            self._size += len(payload)

    def send_close(self, code: int = 1000, reason: str = "") -> None:
        self._seen()
        if not self._closing:
            self._closing = True
            self._unsent.append(Ended(code, reason))
            self._size += 2

    def hidden(self, text: bytes) -> bytes:
        return text

    def ping(self) -> None:
        self._seen()
        self.pings += 1
        if not self._mute:
            self._ready()

    def flush(self) -> None:
        self._seen()
        while self._unsent and not self._stalled:
            frame = self._unsent.popleft()
            if isinstance(frame, bytes):
                self._size -= len(frame)
                with self._changed:
                    self.frames.append(frame)
                    self._changed.notify_all()
                continue
            self._size -= 2
            if not self._mute:  # the peer answers a close frame with its own
                self._end = self._end or frame
                self._ready()

    def abort(self) -> None:
        with self._changed:
            self._end = self._end or Ended(1006, "aborted")
            self._changed.notify_all()

    def dismiss(self) -> None:
        self.send_close()
        self.flush()
        self.close()

    def close(self) -> None:
        self._seen()
        self.closed = True
        with self._changed:
            self._changed.notify_all()

    def _seen(self) -> None:
        self.threads.add(threading.current_thread().name)

    def _ready(self) -> None:
        notify = self.notify
        if notify is not None:
            notify()

    # --- what the test calls

    def say(self, *events: Wire | str) -> None:
        """Sends events; a str is one that has a type only."""
        for event in events:
            body = {"type": event} if isinstance(event, str) else event
            self._came.append((1, json.dumps({"event_id": _new("ev"), **body}).encode()))
        self._ready()

    def say_text(self, raw: str | bytes) -> None:
        """Sends a text frame as it is."""
        self._came.append((1, raw.encode() if isinstance(raw, str) else raw))
        self._ready()

    def binary(self, payload: bytes = b"\0\1") -> None:
        """Sends a binary frame."""
        self._came.append((2, payload))
        self._ready()

    def greet(self, **session: Any) -> None:
        """Sends `session.created`."""
        self.say({"type": "session.created", "session": session_object(**session)})

    def cut(self, code: int = 1006, reason: str = "") -> None:
        """Ends the link, behind what was said."""
        self._end = Ended(code, reason)
        self._ready()

    def mute(self) -> None:
        """The peer answers nothing any more: no close frame, no pong."""
        self._mute = True

    def stall(self) -> None:
        """The kernel takes nothing any more."""
        self._stalled = True

    def flow(self) -> None:
        """The kernel takes everything again, and says so."""
        self._stalled = False
        connection = self.client

        def writable() -> None:
            self.flush()
            connection.on_writable()

        connection._loop.call(writable)

    def expect(self, kind: str, *, past: str | None = None) -> Wire:
        """The next client event, which must be of that type; those `past` may come before it."""
        while True:
            with self._changed:
                there = self._changed.wait_for(
                    lambda: len(self.frames) > self._taken or self.closed, LIMIT
                )
                if len(self.frames) <= self._taken:
                    why = "the link was closed" if there else "nothing came"
                    raise AssertionError(f"{kind} was expected, and {why}; sent: {self.types}")
                event: Wire = json.loads(self.frames[self._taken])
                self._taken += 1
            if event["type"] != past:
                assert event["type"] == kind, f"{kind} was expected, not {event}"
                return event

    def wait_closed(self) -> None:
        """Returns once the runtime has closed the link."""
        with self._changed:
            assert self._changed.wait_for(lambda: self.closed, LIMIT), "the link was never closed"

    def no_more(self) -> bool:
        """Whether everything that has left was expected."""
        return len(self.frames) == self._taken

    @property
    def types(self) -> list[str]:
        """Types of the client events so far."""
        return [json.loads(frame)["type"] for frame in self.frames]

    # --- longer words

    def confirm(self, event: Wire) -> None:
        """Says what acknowledges a client event."""
        kind = event["type"]
        if kind == "session.update":
            session = session_object(**event["session"])
            self.say({"type": "session.updated", "session": session})
        elif kind == "conversation.item.create":
            self.say({"type": "conversation.item.added", "item": event["item"]})
        elif kind.startswith("conversation.item."):
            past = {"delete": "deleted", "truncate": "truncated"}[kind.rpartition(".")[2]]
            self.say({**event, "type": f"conversation.item.{past}"})
        else:
            past = {"commit": "committed", "clear": "cleared"}[kind.rpartition(".")[2]]
            self.say({"type": f"input_audio_buffer.{past}", "item_id": _new("item")})

    def refuse(self, event: Wire, code: str = "invalid_value", message: str = "no") -> None:
        """Says an error that names a client event."""
        details = {"type": "invalid_request_error", "code": code, "message": message}
        self.say({"type": "error", "error": {**details, "event_id": event.get("event_id")}})

    def begin(self, create: Wire | None, response_id: str | None = None) -> str:
        """Says `response.created`, of a client's create or of the server's own doing."""
        response_id = response_id or _new("resp")
        self.say({"type": "response.created", "response": response_object(response_id, create)})
        return response_id

    def delta(self, response_id: str, text: str) -> None:
        """Says a piece of text."""
        self.say(
            {
                "type": "response.output_text.delta",
                "response_id": response_id,
                "item_id": f"item_of_{response_id}",
                "output_index": 0,
                "content_index": 0,
                "delta": text,
            }
        )

    def finish(self, response_id: str, text: str = "", status: str = "completed") -> None:
        """Says `response.done`."""
        item = {
            "id": f"item_of_{response_id}",
            "type": "message",
            "role": "assistant",
            "status": "completed",
            "content": [{"type": "output_text", "text": text}],
        }
        response = response_object(response_id, None, status=status, output=[item])
        self.say({"type": "response.done", "response": response})

    def respond(self, create: Wire | None, text: str = "Hi.") -> str:
        """Says a whole response."""
        response_id = self.begin(create)
        self.delta(response_id, text)
        self.finish(response_id, text)
        return response_id

    def take_turn(self, text: str = "Hi.") -> Wire:
        """Plays the server of one turn that has an item; the item's event."""
        item = self.expect("conversation.item.create")
        create = self.expect("response.create")
        self.confirm(item)
        self.respond(create, text)
        return item


class Line:
    """Stands in for the network; see the fixture `line`."""

    def __init__(self) -> None:
        self.dialled: list[tuple[str, dict[str, str]]] = []  # URL and headers of each attempt
        self._plans: deque[Any] = deque()
        self._sessions: list[RealtimeSession] = []

    def plan(self, *outcomes: Any) -> None:
        """What the next attempts come to: a Pipe, an exception, or `fn(deadline) -> Pipe`."""
        self._plans.extend(outcomes)

    def forget(self) -> None:
        """Nothing is planned any more."""
        self._plans.clear()

    def connect(self, url: str, headers: Any, *, deadline: Any, **_: Any) -> Pipe:
        """In place of `Transport.connect`."""
        self.dialled.append((url, dict(headers)))
        outcome = self._plans.popleft() if self._plans else greeted()
        if callable(outcome):
            outcome = outcome(deadline)
        if isinstance(outcome, BaseException):
            raise outcome
        outcome.client = self._sessions[-1]._connection
        return outcome  # type: ignore[no-any-return]

    def session(self, **arguments: Any) -> RealtimeSession:
        """A session that is not open; closed at the end of the test."""
        arguments.setdefault("endpoint", Compatible("ws://127.0.0.1:9"))
        arguments.setdefault("reconnect", None)  # a cut is the end, unless it is the subject
        session = RealtimeSession(**arguments)
        self._sessions.append(session)
        return session

    def open(self, **arguments: Any) -> tuple[RealtimeSession, Pipe]:
        """An open session and its link."""
        pipe = greeted()
        self.plan(pipe)
        session = self.session(**arguments).open(timeout=LIMIT)
        return session, pipe

    def close(self) -> None:
        """Closes all sessions."""
        for session in self._sessions:
            session.close(timeout=1)


class Task:
    """Something that runs on a thread of its own."""

    def __init__(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        self._value: Any = None
        self._error: BaseException | None = None

        def run() -> None:
            try:
                self._value = fn(*args, **kwargs)
            except BaseException as exc:
                self._error = exc

        self.thread = threading.Thread(target=run, name="test-task", daemon=True)
        self.thread.start()

    def result(self, limit: float = LIMIT) -> Any:
        """What it returned; raises what it raised."""
        self.thread.join(limit)
        assert not self.thread.is_alive(), f"still running after {limit} s"
        if self._error is not None:
            raise self._error
        return self._value

    @property
    def running(self) -> bool:
        return self.thread.is_alive()


class Later:
    """Calls `fn` on a thread of its own, 20 ms after `go()`, for which that thread has begun.

    Where `fn` raises a signal: Python takes one that comes in the start of a thread for whatever it
    likes.
    """

    def __init__(self, fn: Callable[[], Any]) -> None:
        self._held = threading.Lock()
        self._held.acquire()

        def run() -> None:
            assert self._held.acquire(timeout=LIMIT), "nobody let it go"
            threading.Event().wait(0.02)
            fn()

        self._task = Task(run)

    def go(self) -> None:
        """Begin to count."""
        self._held.release()

    def join(self) -> None:
        """Returns once it is over."""
        self._task.result()


class Gate:
    """Holds a thread until the test lets it go."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self._open = threading.Event()

    def __call__(self, *_: Any) -> None:
        """Runs on the thread that is held."""
        self.reached.set()
        assert self._open.wait(LIMIT), "the gate was never opened"

    def wait(self) -> None:
        """Waits until a thread stands before it."""
        assert self.reached.wait(LIMIT), "nobody came to the gate"

    def open(self) -> None:
        self._open.set()


@contextmanager
def gate() -> Iterator[Gate]:
    """A gate that is open at the end, whatever happens."""
    made = Gate()
    try:
        yield made
    finally:
        made.open()


def greeted(**session: Any) -> Pipe:
    """A link on which `session.created` has been said."""
    pipe = Pipe()
    pipe.greet(**session)
    return pipe


def arrived(session: RealtimeSession, pipe: Pipe) -> None:
    """Returns once the I/O thread has taken in what was said before, and passed it on."""
    for _ in range(2):  # watchers are fed before callbacks are queued: the second is behind both
        kind = _new("test.arrived")
        with session.expect(kind) as pending:
            pipe.say(kind)
        pending.result(timeout=LIMIT)


def until(so: Callable[[], object], what: str) -> None:
    """Returns once it is so, where nothing tells."""
    deadline = Deadline(LIMIT)
    while not so():
        assert not deadline.passed, f"{what}: not within {LIMIT:g} s"
        threading.Event().wait(0.001)


def lingering(kind: Any) -> Any:
    """That class of threads, each of which lives on after its work until somebody joins it.

    Its `ending` is set once one has done its work; to set its `go` lets all of them end.
    """

    class Lingering(kind):  # type: ignore[misc]  # known when it runs
        ending, go = threading.Event(), threading.Event()

        def run(self) -> None:
            super().run()
            self.ending.set()
            assert self.go.wait(LIMIT)

        def join(self, timeout: float | None = None) -> None:
            self.go.set()
            super().join(timeout)

    return Lingering


def settled(session: RealtimeSession, pipe: Pipe) -> None:
    """Returns once the callbacks of what was said before have run."""
    kind, ran = _new("test.settled"), threading.Event()
    session.once(kind, lambda _: ran.set())
    pipe.say(kind)
    assert ran.wait(LIMIT), "the marker's callback never ran"


def on_io(session: RealtimeSession, fn: Callable[[], Any]) -> Any:
    """Runs `fn` on the I/O thread, as a tap would; its result."""
    ran, box, kind = threading.Event(), [], _new("test.tap")

    def tap(_: str, event: Wire) -> None:
        if event["type"] != kind:
            return  # `remove` may not be there yet
        remove()
        try:
            box.append((fn(), None))
        except BaseException as exc:
            box.append((None, exc))
        ran.set()

    remove = session.tap(tap)
    pipe = session._connection._link
    assert isinstance(pipe, Pipe)
    pipe.say(kind)
    assert ran.wait(LIMIT)
    value, error = box[0]
    if error is not None:
        raise error
    return value


def session_object(**fields: Any) -> Wire:
    """The wire's session."""
    return {
        "id": "sess_1",
        "object": "realtime.session",
        "type": "realtime",
        "model": "gpt-realtime-2.1",
        **fields,
    }


def response_object(
    response_id: str, create: Wire | None, *, status: str = "in_progress", output: Any = ()
) -> Wire:
    """The wire's response; carries the metadata of its create."""
    asked = (create or {}).get("response") or {}
    return {
        "id": response_id,
        "object": "realtime.response",
        "status": status,
        "output": list(output),
        "conversation_id": None if asked.get("conversation") == "none" else "conv_1",
        "metadata": asked.get("metadata"),
    }


def _new(kind: str) -> str:
    return f"{kind}_{next(_counter)}"
