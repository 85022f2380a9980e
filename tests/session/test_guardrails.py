"""Guardrails: what they read, and what becomes of a response that they stop."""

from __future__ import annotations

import asyncio
import functools
import json
import logging
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from realtime_sync import NoReply, RealtimeSession, ReconnectPolicy
from realtime_sync.errors import ConnectError
from realtime_sync.local import LocalServer
from realtime_sync.runtime.clock import monotonic
from realtime_sync.tools.execution import MOST_ABANDONED

from .conftest import Opener
from .peers import Link, Peer

LIMIT = 15.0
Wire = dict[str, Any]


class Talk:
    """Speaks for the server, piece by piece."""

    def __init__(self, link: Link) -> None:
        self.link = link

    def next(self) -> Wire:
        """The next client event, whatever it is."""
        event: Wire = json.loads(self.link.connection.recv(timeout=LIMIT))
        return event

    def begin(self, response_id: str) -> None:
        """Answers the next create, with an item that has no text yet."""
        create = self.link.hear("response.create")
        response = self.link.response(create, response_id)
        self.link.say("response.created", response=response)
        self.link.say("response.output_item.added", **self._where(response_id), item=self.item)

    @property
    def item(self) -> Wire:
        return {"id": self.item_id, "type": "message", "role": "assistant", "content": []}

    def _where(self, response_id: str) -> Wire:
        self.item_id = f"item_{response_id}"
        return {"response_id": response_id, "item_id": self.item_id, "output_index": 0}

    def delta(self, response_id: str, text: str) -> None:
        where = self._where(response_id)
        self.link.say("response.output_text.delta", **where, content_index=0, delta=text)

    def end(self, response_id: str, text: str, status: str = "completed") -> None:
        self._where(response_id)
        content = [{"type": "output_text", "text": text}]
        done = {**self.item, "status": status, "content": content}
        if status == "completed":
            self.link.say("conversation.item.added", item=done)
        response = {"id": response_id, "conversation_id": "conv_1"}
        response.update(status=status, output=[done])  # type: ignore[call-overload]  # any JSON
        self.link.say("response.done", response=response)


@pytest.fixture
def session(bare: RealtimeSession) -> RealtimeSession:
    return bare


@pytest.fixture
def talk(session: RealtimeSession, peer: Peer) -> Talk:
    return Talk(peer.link())


class Gate:
    """A guardrail that waits until it is let go, and says then what it is told to."""

    def __init__(self, verdict: Any = None) -> None:
        self.verdict = verdict
        self.texts: list[str] = []
        self.threads: set[str] = set()
        self.entered, self.go = threading.Semaphore(0), threading.Semaphore(0)

    def __call__(self, text: str) -> Any:
        self.texts.append(text)
        self.threads.add(threading.current_thread().name)
        self.entered.release()
        self.go.acquire(timeout=LIMIT)
        return self.verdict

    def wait(self) -> None:
        assert self.entered.acquire(timeout=LIMIT)


@pytest.fixture
def gate() -> Iterator[Gate]:
    made = Gate()
    yield made
    for _ in range(20):
        made.go.release()


def bad(text: str) -> str | None:
    return "it said bad" if "bad" in text else None


# --- what is read


def test_what_is_read(session: RealtimeSession, talk: Talk) -> None:
    """All the text so far, each time so many characters have come, and at the end."""
    texts: list[str] = []
    read = threading.Semaphore(0)

    @session.guardrail(every_chars=10)
    def keep(text: str) -> None:
        texts.append(text)
        read.release()

    session.submit()
    talk.begin("r1")
    for piece, reads in (("12345", 0), ("67890a", 1), ("bcd", 0), ("e" * 30, 1), ("f", 0)):
        talk.delta("r1", piece)
        if reads:
            assert read.acquire(timeout=LIMIT)
    talk.end("r1", "12345" + "67890a" + "bcd" + "e" * 30 + "f")
    assert read.acquire(timeout=LIMIT)
    assert [len(text) for text in texts] == [11, 44, 45]
    assert not read.acquire(blocking=False)


def test_short_answers_and_transcripts(make: Opener, server: LocalServer) -> None:
    """A short answer is read once, at its end; of speech the transcript; of a call nothing."""
    texts: list[str] = []

    def add(a: int) -> int:
        """Adds."""
        return a

    with make(output_modalities=["audio"], tools=[add]) as session:
        tripped = session.events("guardrail.tripped")

        @session.guardrail
        def keep(text: str) -> bool:
            texts.append(text)
            return len(texts) == 2

        assert callable(keep)
        server.reply(server.call("add", a=1), "Hello.", "And goodbye.")
        session.ask("one")
        session.ask("two")
        assert next(tripped).text == "And goodbye."
    assert texts == ["Hello.", "And goodbye."]


def test_a_slow_one_delays_nothing(session: RealtimeSession, talk: Talk, gate: Gate) -> None:
    """Callbacks, answers and other guardrails go on; it reads the latest text then, once."""
    session.guardrail(every_chars=1)(gate)
    seen: list[str] = []
    session.guardrail(every_chars=1)(seen.append)
    with session.expect("response.output_text.delta", lambda e: e.delta == "9") as last:
        future = session.submit()
        talk.begin("r1")
        for n in range(10):
            talk.delta("r1", str(n))
            if n == 0:
                gate.wait()
        talk.end("r1", "0123456789")
        assert future.result(LIMIT).text == "0123456789"
    assert last.result(timeout=LIMIT).delta == "9"
    gate.go.release()
    gate.wait()
    gate.go.release()
    assert gate.texts == ["0", "0123456789"]
    assert all(name.startswith("realtime-guardrail-") for name in gate.threads)


# --- what becomes of the response


def test_a_trip(session: RealtimeSession, talk: Talk) -> None:
    """That response is cancelled, no callback gets more of it, and its turn ends with it."""
    session.guardrail(every_chars=5)(bad)
    tripped = session.events("guardrail.tripped")
    heard: list[str] = []
    over = threading.Event()
    session.on("response.output_text.delta", lambda event: heard.append(event.delta))
    session.on("response.done", lambda _: over.set())
    future = session.submit()
    talk.begin("r1")
    talk.delta("r1", "it is bad")
    event = next(tripped)
    assert (event.response_id, event.guardrail, event.reason) == ("r1", "bad", "it said bad")
    assert (event.text, event.corrected) == ("it is bad", False)
    assert talk.link.hear("response.cancel")["response_id"] == "r1"
    talk.delta("r1", ", really bad")
    talk.end("r1", "it is bad, really", "cancelled")
    response = future.result(LIMIT)
    assert (response.status, response.text) == ("cancelled", "it is bad, really")
    assert over.wait(LIMIT)
    assert ", really bad" not in heard


def test_deltas_that_wait_for_a_callback(session: RealtimeSession, talk: Talk) -> None:
    """Those that were there before the trip, but not given to a callback yet, are dropped too."""
    session.guardrail(every_chars=1)(bad)  # at five, it may read before the last word, and wait
    heard: list[str] = []
    go, inside, over = threading.Event(), threading.Event(), threading.Event()

    @session.on("response.output_text.delta")
    def show(event: Any) -> None:
        heard.append(event.delta)
        inside.set()
        go.wait(LIMIT)

    session.on("response.done", lambda _: over.set())
    tripped = session.events("guardrail.tripped")
    session.submit()
    talk.begin("r1")
    talk.delta("r1", "it")
    assert inside.wait(LIMIT)
    talk.delta("r1", " is")
    talk.delta("r1", " bad")
    next(tripped)
    talk.end("r1", "it is bad", "cancelled")
    go.set()
    assert over.wait(LIMIT)
    assert heard == ["it"]


def test_a_correction(session: RealtimeSession, talk: Talk) -> None:
    """The turn goes on: the correction follows the cancelled response, and is answered."""
    session.guardrail(every_chars=5, correction="Be polite.")(bad)
    tripped = session.events("guardrail.tripped")
    future = session.submit()
    talk.begin("r1")
    talk.delta("r1", "it is bad")
    assert next(tripped).corrected
    talk.link.hear("response.cancel")
    talk.end("r1", "it is bad", "cancelled")
    item = talk.link.hear("conversation.item.create")["item"]
    assert (item["role"], item["content"][0]["text"]) == ("system", "Be polite.")
    talk.begin("r2")
    talk.end("r2", "it is good")
    assert future.result(LIMIT).text == "it is good"


def test_one_correction_a_turn(session: RealtimeSession, talk: Talk) -> None:
    """A model that does not mend its ways is stopped again, and not asked a third time."""
    session.guardrail(every_chars=5, correction="Be polite.")(bad)
    tripped = session.events("guardrail.tripped")
    future = session.submit()
    for response_id in ("r1", "r2"):
        talk.begin(response_id)
        talk.delta(response_id, "it is bad")
        talk.link.hear("response.cancel")
        talk.end(response_id, "it is bad", "cancelled")
    assert future.result(LIMIT).status == "cancelled"
    assert [next(tripped).corrected for _ in range(2)] == [True, False]


def test_a_verdict_that_comes_late(session: RealtimeSession, talk: Talk, gate: Gate) -> None:
    """There is nothing to cancel any more; the correction goes out while nothing is newer."""
    gate.verdict = True
    session.guardrail(correction="Be polite.")(gate)
    tripped = session.events("guardrail.tripped")
    future = session.submit()
    talk.begin("r1")
    talk.end("r1", "it is bad")
    assert future.result(LIMIT).text == "it is bad"
    gate.wait()
    gate.go.release()
    event = next(tripped)
    assert (event.corrected, event.reason) == (True, None)
    assert talk.link.hear("conversation.item.create")["item"]["role"] == "system"
    with session.expect("turn.ended") as ended:
        talk.begin("r2")
        talk.end("r2", "sorry")
        gate.wait()
        gate.go.release()
    assert ended.result(timeout=LIMIT).response_ids == ("r2",)
    assert not next(tripped).corrected


@pytest.mark.parametrize("newer", ["asked", "running", "said", "speaking"])
def test_a_verdict_that_comes_too_late(
    session: RealtimeSession, talk: Talk, gate: Gate, newer: str
) -> None:
    """Where anything is newer, nothing is corrected; what is newer is left alone."""
    gate.verdict = True
    session.guardrail(correction="Be polite.")(gate)
    tripped = session.events("guardrail.tripped")
    session.submit()
    talk.begin("r1")
    talk.end("r1", "it is bad")
    gate.wait()
    future = None
    if newer in ("asked", "running"):
        future = session.submit()
    if newer == "running":
        talk.begin("r2")
        with session.expect("marker") as marker:
            talk.link.say("marker")
        marker.result(timeout=LIMIT)
    if newer == "said":
        item = {"id": "item_u", "type": "message", "role": "user", "content": []}
        with session.expect("conversation.item.added") as pending:
            talk.link.say("conversation.item.added", item=item, previous_item_id="item_r1")
        pending.result(timeout=LIMIT)
    if newer == "speaking":
        with session.expect("input_audio_buffer.speech_started") as pending:
            talk.link.say("input_audio_buffer.speech_started", item_id="u", audio_start_ms=1)
        pending.result(timeout=LIMIT)
    gate.go.release()
    assert not next(tripped).corrected
    if future is not None:
        gate.verdict = False
        if newer == "asked":
            talk.begin("r2")
        talk.end("r2", "fine")
        assert future.result(LIMIT).text == "fine"
    session.send({"type": "input_audio_buffer.clear", "event_id": "last"})
    assert talk.next()["type"] == "input_audio_buffer.clear"


def test_a_verdict_while_tools_run(make: Opener, server: LocalServer, gate: Gate) -> None:
    """The correction follows their outputs, before the reply, which answers all."""
    gate.verdict = True
    go = threading.Event()

    def slow() -> NoReply:
        """Takes its time."""
        go.wait(LIMIT)
        return NoReply("ok")

    with make(tools=[slow]) as session:
        session.guardrail(correction="mend it")(gate)
        server.reply(["bad", server.call("slow")], "mended")
        with session.expect("tool.started") as started:
            future = session.submit("go")
        gate.wait()
        started.result(timeout=LIMIT)
        with session.expect("guardrail.tripped") as tripped:
            gate.go.release()
        assert tripped.result(timeout=LIMIT).corrected
        go.set()
        gate.verdict = None
        gate.go.release()  # it reads the reply, too
        assert future.result(LIMIT).text == "mended"
        kinds = [(item.type, item.text) for item in session.conversation.items]
        assert kinds == [
            *(("message", "go"), ("message", "bad"), ("function_call", None)),
            *(("function_call_output", None), ("message", "mend it"), ("message", "mended")),
        ]


def test_a_user_who_speaks_meanwhile(session: RealtimeSession, talk: Talk) -> None:
    """The user has the word: the correction is not sent after all."""
    session.guardrail(every_chars=5, correction="Be polite.")(bad)
    future = session.submit()
    talk.begin("r1")
    talk.delta("r1", "it is bad")
    talk.link.hear("response.cancel")
    talk.link.say("input_audio_buffer.speech_started", item_id="u", audio_start_ms=1)
    talk.end("r1", "it is bad", "cancelled")
    assert future.result(LIMIT).status == "cancelled"
    session.send({"type": "input_audio_buffer.clear"})
    assert talk.next()["type"] == "input_audio_buffer.clear"


def test_a_response_out_of_band(session: RealtimeSession, talk: Talk) -> None:
    """It is stopped alone, beside the one that runs, and nothing is corrected."""
    session.guardrail(every_chars=5, correction="Be polite.")(bad)
    tripped = session.events("guardrail.tripped")
    future = session.submit()
    talk.begin("r1")
    made: list[Any] = []
    making = threading.Thread(
        target=lambda: made.append(session.response.create(conversation="none"))
    )
    making.start()
    talk.begin("r2")
    making.join(LIMIT)
    talk.delta("r2", "it is bad")
    assert talk.link.hear("response.cancel")["response_id"] == "r2"
    assert not next(tripped).corrected
    talk.end("r2", "it is bad", "cancelled")
    talk.end("r1", "fine")
    assert future.result(LIMIT).text == "fine"


def test_two_that_trip(session: RealtimeSession, talk: Talk) -> None:
    """The first one counts."""
    for _ in range(2):
        session.guardrail(every_chars=5)(bad)
    tripped = session.events("guardrail.tripped", "marker")
    future = session.submit()
    talk.begin("r1")
    talk.delta("r1", "it is bad")
    talk.link.hear("response.cancel")
    talk.end("r1", "it is bad", "cancelled")
    future.result(LIMIT)
    session.close()
    assert [event.type for event in tripped] == ["guardrail.tripped"]


# --- what may go wrong


def test_one_that_raises(
    session: RealtimeSession, talk: Talk, logged_errors: list[logging.LogRecord]
) -> None:
    """It is logged and told; the response goes on, and so does the guardrail."""
    texts: list[str] = []

    @session.guardrail(every_chars=1)
    def fail(text: str) -> bool:
        texts.append(text)
        if len(texts) == 1:
            raise SystemExit("oops")
        return False

    with session.expect("callback.error") as pending:
        future = session.submit()
        talk.begin("r1")
        talk.delta("r1", "x")
        error = pending.result(timeout=LIMIT)
    assert isinstance(error.error, SystemExit)
    assert (error.callback, error.event.delta) == (fail, "x")
    with session.expect("turn.ended"):
        talk.end("r1", "xy")
        assert future.result(LIMIT).text == "xy"
    session.close()
    assert "guardrail fail raised" in logged_errors[0].getMessage()
    assert texts[0] == "x"


def test_a_verdict_that_is_neither(
    session: RealtimeSession, talk: Talk, logged_errors: list[logging.LogRecord]
) -> None:
    """A verdict without a truth value, an array for instance, is told like what it raises."""

    class Neither:
        def __bool__(self) -> bool:
            raise ValueError("ambiguous")

    session.guardrail(lambda text: Neither())
    with session.expect("callback.error") as pending:
        future = session.submit()
        talk.begin("r1")
        talk.end("r1", "x")
        assert str(pending.result(timeout=LIMIT).error) == "ambiguous"
    assert future.result(LIMIT).status == "completed"
    assert "guardrail <lambda> raised" in logged_errors[0].getMessage()


class Judge:
    """A guardrail that has to be awaited."""

    async def __call__(self, text: str) -> str | None:
        await asyncio.sleep(0)
        return bad(text)


async def judge(text: str) -> str | None:
    return await Judge()(text)


@pytest.mark.parametrize("check", [judge, Judge(), functools.partial(judge)])
def test_one_that_is_awaited(
    check: Callable[[str], Any], session: RealtimeSession, talk: Talk
) -> None:
    """`async def` too, in a loop of its own: what it gives once it is awaited counts."""
    tripped = session.events("guardrail.tripped")
    session.guardrail(check)
    for name, text in (("r1", "good"), ("r2", "bad")):
        future = session.submit()
        talk.begin(name)
        talk.end(name, text)
        future.result(LIMIT)
    assert next(tripped).reason == "it said bad"


def test_close_ends_one_that_is_awaited(
    session: RealtimeSession, talk: Talk, caplog: pytest.LogCaptureFixture
) -> None:
    """close() ends its coroutine, and waits for nothing."""
    begun, ended = threading.Event(), threading.Event()

    @session.guardrail
    async def endless(text: str) -> None:
        begun.set()
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()

    session.submit()
    talk.begin("r1")
    talk.end("r1", "x")
    assert begun.wait(LIMIT)
    session.close()
    assert ended.is_set()
    assert "guardrail" not in caplog.text


def test_one_that_never_returns(
    make: Opener, server: LocalServer, gate: Gate, caplog: pytest.LogCaptureFixture
) -> None:
    """close() does not wait for it longer than it may; it is logged by name."""
    session = make().open()
    session.guardrail(gate)
    server.reply("Hello.")
    session.ask("go")
    gate.wait()
    session.close(timeout=0.2)
    assert "guardrail Gate still runs" in caplog.text
    gate.verdict = True  # which nobody hears


def test_one_that_hangs(
    session: RealtimeSession, talk: Talk, gate: Gate, caplog: pytest.LogCaptureFixture
) -> None:
    """Its time over, the next text is read without waiting for it; its own verdict still counts."""
    gate.verdict = "late"
    tripped = session.events("guardrail.tripped")
    session.guardrail(every_chars=1, timeout=0.05)(gate)
    future = session.submit()
    talk.begin("r1")
    talk.delta("r1", "x")
    gate.wait()
    talk.delta("r1", "y")
    gate.wait()
    assert gate.texts == ["x", "xy"]
    assert len(gate.threads) == 2
    assert "guardrail Gate has not returned within 0.05 s" in caplog.text
    gate.go.release()
    assert next(tripped).reason == "late"
    talk.link.hear("response.cancel")
    talk.end("r1", "xy", "cancelled")
    assert future.result(LIMIT).status == "cancelled"


def test_one_that_hangs_again_and_again(
    session: RealtimeSession, talk: Talk, gate: Gate, caplog: pytest.LogCaptureFixture
) -> None:
    """It has a few threads at most; then texts go unread, and it is said once."""
    session.guardrail(every_chars=1, timeout=0.01)(gate)
    session.submit()
    talk.begin("r1")
    end = monotonic() + LIMIT
    while caplog.text.count("runs on") <= MOST_ABANDONED or "texts go unread" not in caplog.text:
        with session.expect("response.output_text.delta") as heard:
            talk.delta("r1", "x")
        heard.result(timeout=LIMIT)
        assert monotonic() < end
    for _ in range(10):
        talk.delta("r1", "x")
    with session.expect("response.done") as over:
        talk.end("r1", "x")
    over.result(timeout=LIMIT)
    assert caplog.text.count("texts go unread") == 1
    assert len(gate.threads) <= MOST_ABANDONED + 2


def test_one_that_asks_the_model(make: Opener, server: LocalServer) -> None:
    """What it asks for is read by no guardrail, or it would be asked about for ever."""
    read: list[str] = []
    done = threading.Semaphore(0)

    def ask(text: str) -> None:
        read.append(text)
        said = session.response.create(
            conversation="none", input=[f"is it bad? {text}"], output_modalities=["text"]
        )
        read.append(said.wait(timeout=LIMIT).text)
        read.append(session.ask("and that?").text)
        done.release()

    with make() as session:
        session.guardrail(ask)
        for number in (1, 2):
            server.reply(f"answer {number}", "no", "no")
            session.ask("go")
            assert done.acquire(timeout=LIMIT)
    assert read == ["answer 1", "no", "no", "answer 2", "no", "no"]


def test_a_response_that_was_given_up(session: RealtimeSession, talk: Talk, gate: Gate) -> None:
    """Nobody waits for it, so nothing is told of it."""
    gate.verdict = True
    session.guardrail(every_chars=1)(gate)
    tripped = session.events("guardrail.tripped")
    stream = session.stream()
    talk.begin("r1")
    talk.delta("r1", "x")
    gate.wait()
    stream.close()
    talk.link.hear("response.cancel")
    gate.go.release()
    session.close()
    assert list(tripped) == []


def test_other_links(make: Opener, server: LocalServer) -> None:
    """It is there before the session opens, after an attempt that failed, and over new links."""
    session = make(reconnect=ReconnectPolicy(delays=(0, 0)))
    tripped: list[str] = []
    more = threading.Semaphore(0)

    @session.guardrail
    def stop(text: str) -> bool:
        return True

    @session.on("guardrail.tripped")
    def keep(event: Any) -> None:
        tripped.append(event.text)
        more.release()

    server.script.refuse(503)
    with pytest.raises(ConnectError):
        session.open()
    with session:
        server.reply("one")
        session.ask("go")
        assert more.acquire(timeout=LIMIT)
        with session.expect("connection.restored") as restored:
            server.script.cut()
            session.send({"type": "input_audio_buffer.clear"})
        restored.result(timeout=LIMIT)
        server.reply("two")
        session.ask("go")
        assert more.acquire(timeout=LIMIT)
    assert tripped == ["one", "two"]


@pytest.mark.parametrize(
    ("check", "options", "kind", "words"),
    [
        (7, {}, TypeError, "a function of one argument"),
        (lambda: None, {}, TypeError, "called with the text alone"),
        (bad, {"every_chars": 0}, ValueError, "every_chars: a number from 1 on, not 0"),
        (bad, {"every_chars": True}, ValueError, "every_chars"),
        (bad, {"correction": " "}, ValueError, "correction: what the model is told"),
    ],
)
def test_what_cannot_be(
    make: Opener, check: Callable[[str], Any], options: Wire, kind: type[Exception], words: str
) -> None:
    """It is refused when it is registered, with the reason."""
    with pytest.raises(kind, match=words):
        make().guardrail(**options)(check)
