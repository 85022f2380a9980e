"""Blocking calls in the rarer places that the library calls: they return, or say why not."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from typing import Any

import pytest

from realtime_sync import Compatible, RealtimeSession, ReconnectPolicy, tool
from realtime_sync.errors import ConfigurationError, RealtimeError, SessionClosed, WouldDeadlock
from realtime_sync.local import LocalServer

HUNG = 5.0  # seconds after which a call is taken to hang
SHORT = 0.1  # seconds for what cannot come

Act = Callable[[RealtimeSession], Any]


def spare() -> str:
    """A tool that comes and goes."""
    return "spare"


def _commit(session: RealtimeSession) -> Any:
    session.input_audio_buffer.append(bytes(9600), timeout=HUNG)
    return session.input_audio_buffer.commit(timeout=HUNG)


CALLS: dict[str, Act] = {
    "close": lambda s: s.close(timeout=1),
    "reset": lambda s: s.reset(timeout=HUNG),
    "update": lambda s: s.update(instructions="x", timeout=HUNG),
    "ask": lambda s: s.ask("hello", timeout=HUNG),
    "say": lambda s: s.say("hello", timeout=HUNG),
    "response": lambda s: s.response.create(timeout=HUNG).wait(timeout=HUNG),
    "interrupt": lambda s: s.interrupt(),
    "wait_for": lambda s: s.wait_for("never", timeout=SHORT),
    "commit": _commit,
    "tools": lambda s: (s.tools.add(spare), s.tools.remove("spare")),
    "pump": lambda s: s.pump(SHORT),
}


class Scene:
    """A session, and one of the places from which the library calls."""

    def __init__(self, server: LocalServer, act: Act, stack: ExitStack) -> None:
        self.server = server
        self.act = act
        self.ended: queue.SimpleQueue[tuple[Any, float]] = queue.SimpleQueue()
        self._stack = stack
        self._begun = threading.Event()
        self._session: RealtimeSession | None = None

    def session(self, **options: Any) -> RealtimeSession:
        options.setdefault("endpoint", self.server.endpoint)
        policy = ReconnectPolicy(delays=(0, 0, 0))
        made = RealtimeSession(output_modalities=["text"], reconnect=policy, **options)
        self._session = made
        self._stack.callback(made.close)
        return made

    def here(self, *_: Any) -> None:
        """Is called by the library; only once it acts."""
        if self._begun.is_set():
            return
        self._begun.set()
        assert self._session is not None
        begun = time.monotonic()
        try:
            outcome = self.act(self._session)
        except BaseException as exc:
            outcome = exc
        self.ended.put((outcome, time.monotonic() - begun))


def in_handler_of_the_beginning(scene: Scene) -> None:
    session = scene.session()
    session.on("session.created", scene.here)
    with suppress(SessionClosed):  # it is closed while it opens
        session.open()


def in_handler_of_a_loss(scene: Scene) -> None:
    session = scene.session()
    session.on("connection.lost", scene.here)
    session.open()
    scene.server.script.cut()
    session.send({"type": "input_audio_buffer.clear"})


def in_approver(scene: Scene) -> None:
    @tool(needs_approval=True)
    def look() -> str:
        """Looks."""
        return "seen"

    session = scene.session(tools=[look], approver=lambda _: scene.here() or True).open()
    scene.server.reply(scene.server.call("look"))
    session.submit("go")


def in_dispatch(scene: Scene) -> None:
    def dispatch(fn: Callable[[], None]) -> None:
        scene.here()
        fn()

    session = scene.session(dispatcher=dispatch)
    session.on("response.done", lambda _: None)
    session.open().submit("hello")


def in_predicate(scene: Scene) -> None:
    session = scene.session().open()
    with session.expect("response.done", lambda _: scene.here() or True) as pending:
        session.submit("hello")
    with suppress(RealtimeError):  # the call may close the session, or lose the event
        pending.result(timeout=HUNG)


PLACES = [
    in_handler_of_the_beginning,
    in_handler_of_a_loss,
    in_approver,
    in_dispatch,
    in_predicate,
]


@pytest.mark.row("F37", bound="5 s")
@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.__name__)
def test_a_call_inside(place: Callable[[Scene], None], call: str, server: LocalServer) -> None:
    """At the beginning and at a loss, in approvers, dispatchers and predicates: none hangs."""
    with ExitStack() as stack:
        scene = Scene(server, CALLS[call], stack)
        place(scene)
        outcome, took = scene.ended.get(timeout=2 * HUNG)
    assert took < HUNG
    if isinstance(outcome, BaseException):
        fair = (RealtimeError, ValueError, RuntimeError) if call == "pump" else RealtimeError
        assert isinstance(outcome, fair), repr(outcome)
        assert not isinstance(outcome, WouldDeadlock)


@pytest.mark.row("F37", bound="the call's own timeout")
def test_a_call_inside_a_key_function(server: LocalServer) -> None:
    """It waits for the link that waits for the key: it ends with its timeout, and all goes on."""
    ended: list[BaseException | None] = []

    def key() -> str:
        if session.state == "reconnecting" and not ended:
            ended.append(None)
            try:
                session.ask("hello", timeout=SHORT)
            except BaseException as exc:
                ended[0] = exc
        return "sk-local-x"

    session = RealtimeSession(
        endpoint=Compatible(server.url, api_key=key),
        output_modalities=["text"],
        reconnect=ReconnectPolicy(delays=(0, 0, 0)),
    )
    with session:
        with session.expect("connection.restored") as pending:
            server.script.cut()
            session.send({"type": "input_audio_buffer.clear"})
            pending.result(timeout=2 * HUNG)
        assert session.ask("hello", timeout=HUNG).status == "completed"
    assert "no answer within" in str(ended[0])
    assert not isinstance(ended[0], ConfigurationError)
