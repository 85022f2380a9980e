"""Faults in an order drawn from a seed, and afterwards the books are checked on both sides.

One session, three callers (one talks, one edits, one speaks), and an embedded server that commits
the faults F13 to F34. When all have ended, what the session believes is held against what the
server has: the conversation item for item, the audio piece by piece, each tool once. The seed is
printed with a failure; `REALTIME_SYNC_SEED` gives another.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
import faulthandler
import gc
import logging
import os
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from realtime_sync import Compatible, RealtimeSession, ReconnectPolicy, ToolContext, items
from realtime_sync.errors import ConnectionLost, QueueFull, RealtimeError, SessionClosed
from realtime_sync.local import LocalServer
from realtime_sync.local.hearing import Hearing
from realtime_sync.runtime.liveness import Liveness

STEPS = 10  # calls that each caller makes
TIMEOUT = 2.0  # of each call
SLACK = 10.0  # seconds beyond it that only a hang takes
PIECE = 960  # bytes of 20 ms, all of them the piece's number
NEAR = 20.0  # ms by which the audio gap may be told wrong
KEY = "sk-local-"  # how all keys begin
PONG = b"\x8a\x03abc"

# before conftest takes the variables of this name away
SEED = os.environ.get("REALTIME_SYNC_SEED")


class Told(logging.Handler):
    """Looks through what is logged for keys, and keeps none of the rest: too much for a report."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.keys: list[str] = []
        self.errors: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        text = self.format(record)
        if KEY in text:
            self.keys.append(text)
        if record.levelno >= logging.ERROR:
            self.errors.append(text)


@pytest.fixture
def told() -> Iterator[Told]:
    """All that the library logs in this test."""
    logger, handler = logging.getLogger("realtime_sync"), Told()
    logger.addHandler(handler)
    logger.propagate, level = False, logger.level
    logger.setLevel(logging.INFO)
    yield handler
    logger.setLevel(level)
    logger.propagate = True
    logger.removeHandler(handler)
    assert (handler.keys, handler.errors) == ([], [])


class Books:
    """What the server has of each session that it ever made."""

    def __init__(self, server: LocalServer, monkeypatch: pytest.MonkeyPatch) -> None:
        self.sessions: dict[str, Hearing] = {}
        self.said: dict[str, bytes] = {}  # id of an item of speech -> its audio
        made, committed = server._sessions.new, Hearing._committed

        def new(*args: Any, **kwargs: Any) -> Any:
            mind = made(*args, **kwargs)
            self.sessions[mind.session["id"]] = mind  # type: ignore[index]
            return mind

        def commit(mind: Hearing, item_id: str, audio: bytearray, now: float) -> Any:
            self.said[item_id] = bytes(audio)
            return committed(mind, item_id, audio, now)

        monkeypatch.setattr(server._sessions, "new", new)
        monkeypatch.setattr(Hearing, "_committed", commit)

    def conversation(self, session_id: str) -> list[Any]:
        """The items of a session."""
        return [_shown(entry.item) for entry in self.sessions[session_id].conversation.entries()]

    def buffer(self, session_id: str) -> bytes:
        """User audio that nothing has committed."""
        return bytes(self.sessions[session_id]._attention.buffer)


def _shown(item: dict[str, Any]) -> Any:
    texts = [p.get("text") or p.get("transcript") or "" for p in item.get("content", ())]
    what = [item.get(name) for name in ("role", "call_id", "name", "arguments", "output")]
    return (item["id"], item["type"], "".join(texts), *what)


def pieces(audio: bytes) -> list[int]:
    """The numbers of the pieces in some audio."""
    return [int.from_bytes(audio[at : at + 4], "little") for at in range(0, len(audio), PIECE)]


class Schedule:
    """One session, its callers, and the faults that they meet."""

    def __init__(self, server: LocalServer, books: Books, seed: int) -> None:
        self.seed, self.server, self.books = seed, server, books
        self.dice = random.Random(seed)
        self.problems: list[str] = []
        self.errors: list[Exception] = []
        self.futures: list[concurrent.futures.Future[Any]] = []
        self.runs: Counter[str] = Counter()  # call id -> how often its tool ran
        self.appended = 0  # pieces of audio
        self.heard: list[str] = []  # ids of committed items that the session has been told of
        self.lost_ms: list[float] = []
        self.faults: list[str] = []
        self.cut: set[str] = set()  # ids of items
        self.modality = self.dice.choice(["text", "audio"])
        self.keys = 0
        endpoint = server.endpoint
        assert isinstance(endpoint, Compatible)
        self.policy = ReconnectPolicy(
            delays=(0, 0.001, 0.005, 0.01) * 25,
            jitter=0.5,
            keep_audio=self.dice.choice([0.06, 0.2, 5]),
            replay_audio=self.dice.choice([0.15, 60]),
            renew_every=self.dice.choice([None, None, 0.1, 0.3]),
            renew_before=None,
        )
        self.session = RealtimeSession(
            endpoint=Compatible(server.url, api_key=self._key),
            output_modalities=[self.modality],
            turn_detection=None,
            transcription="whisper-1",
            tools=[self._tool],
            reconnect=self.policy,
            ping_interval=0.2,
        )
        self.session.tap(self._tap)
        self.session.on("connection.restored", lambda e: self.lost_ms.append(e.lost_audio_ms))

    def _key(self) -> str:
        """Another for each attempt."""
        self.keys += 1
        return f"{KEY}{self.seed}-{self.keys}"

    def _tool(self, city: str, context: ToolContext) -> str:
        """Looks how warm it is."""
        self.runs[context.call_id] += 1
        return f"4 degrees in {city}"

    def _tap(self, direction: str, event: dict[str, Any]) -> None:
        if direction == "received" and event.get("type") == "input_audio_buffer.committed":
            self.heard.append(event["item_id"])

    # --- the faults

    def plan(self) -> None:
        """Draws what will go wrong."""
        dice, script = self.dice, self.server.script
        bad = ['{"type": "response.done", "response": []}', "no event at all", b"\0\1", "[" * 99]
        codes = [1001, 1005, 1011, 1012, 1013]
        faults: dict[str, Callable[[int], Any]] = {
            "F13 close": lambda after: script.close(dice.choice(codes), after=after),
            "F14 cut": lambda after: script.cut(after=after),
            "F14 cut in a message": lambda after: script.cut(after_bytes=after * 97),
            "F15 reset": lambda after: script.reset(after=after),
            "F16 mute": lambda after: script.mute(after=after),
            "F20 deaf": lambda after: script.deafen(after=after),
            "F25 many": lambda after: [
                script.frame(bad[1], after=after * (not n)) for n in range(200)
            ],
            "F28 pong": lambda after: script.raw(PONG, after=after),
            "F29 pings": lambda after: script.ping(times=200, after=after),
            "F31 flaps": lambda after: [script.cut(after=after * (not n)) for n in range(4)],
            "B bad frame": lambda after: script.frame(dice.choice(bad), after=after),
            "B garbage": lambda after: script.raw(dice.randbytes(40), after=after),
        }
        for _ in range(dice.randint(1, 10)):
            name, after = dice.choice(list(faults)), dice.randint(0, 40)
            faults[name](after)
            self.faults.append(f"{name} after {after}")
        if dice.random() < 0.3:
            script.busy(times=dice.randint(1, 3))
        if dice.random() < 0.3:
            script.refuse(
                dice.choice([429, 500, 503]), times=dice.randint(1, 3), retry_after="0.01"
            )
        # slow links take long, so none of them is to carry audio
        slow = [("F22 delay", "delay", 0.002), ("F23 rate", "rate", 3e5), ("F24 slice", "slice", 7)]
        if self.modality == "text" and dice.random() < 0.5:
            name, attribute, value = dice.choice(slow)
            setattr(script, attribute, value)
            self.faults.append(name)

    def calm(self) -> None:
        """Nothing goes wrong any more."""
        script = self.server.script
        for waiting in (script._faults, script._refused, script._busy):
            waiting.clear()
        script.slice = script.rate = None
        script.delay = 0
        relink = self.session._connection._relink
        relink.policy = dataclasses.replace(self.policy, renew_every=None)
        if self.policy.renew_every is not None:
            with contextlib.suppress(RealtimeError):  # one may still be due
                self.session.wait_for("connection.restored", timeout=self.policy.renew_every + 0.1)
            self._stay()

    def _stay(self) -> None:
        """No renewal waits for a moment when nothing runs.

        It could come just when both sides are looked at, the next server still without an item.
        """
        connection = self.session._connection

        def stay() -> None:
            if connection._parting is not None and not connection._resetting:
                connection._renewal_failed(ConnectionLost("calm"))
            if connection._renewer is not None:
                connection._renewer.cancel()

        self._on_io(stay)

    def _be_patient(self) -> None:
        """No link is taken for dead any more: it could be while both sides are looked at."""
        connection = self.session._connection

        def wait() -> None:
            connection._liveness = Liveness(None)
            if connection._pinger is not None:
                connection._pinger.cancel()

        self._on_io(wait)

    def _on_io(self, fn: Callable[[], None]) -> None:
        done, loop = threading.Event(), self.session._connection._loop
        if loop is not None:
            loop.call(lambda: (fn(), done.set())[1])
            done.wait(SLACK)

    # --- the callers

    def talk(self, dice: random.Random) -> None:
        session = self.session

        def stream() -> None:
            with session.stream("tell me a long story", timeout=TIMEOUT) as deltas:
                for _ in deltas:
                    if dice.random() < 0.1:
                        break

        self._call(
            dice,
            lambda: session.ask("hello", timeout=TIMEOUT),
            lambda: session.ask('call _tool {"city": "Rome"}', timeout=TIMEOUT),
            lambda: session.ask(audio=bytes(9600), through="item", timeout=TIMEOUT),
            lambda: session.ask("in a hurry", timeout=dice.random() / 50),
            lambda: self.futures.append(session.submit("count to 3")),
            lambda: self.futures.append(session.request({"type": "response.create"})),
            lambda: session.response.create(on_active="cancel", timeout=TIMEOUT),
            lambda: session.response.cancel(timeout=TIMEOUT),
            stream,
        )

    def edit(self, dice: random.Random) -> None:
        session = self.session

        def some_item(role: str = "", status: str = "") -> str:
            there = [
                str(item.id)
                for item in session.conversation.items
                if item.type == "message"
                and role in ("", item.role)
                and status in ("", item.status)
            ]
            return dice.choice(there) if there else "none"

        def truncate() -> None:
            # one that is being made: the embedded server says all of its words at the end
            item_id = some_item("assistant", "completed")
            self.cut.add(item_id)
            session.conversation.truncate(item_id, dice.randint(10, 500), timeout=TIMEOUT)

        self._call(
            dice,
            lambda: session.conversation.create("noted", timeout=TIMEOUT),
            lambda: session.conversation.create("first", previous_item_id="root", timeout=TIMEOUT),
            lambda: session.conversation.create(items.user(audio=bytes(4800)), timeout=TIMEOUT),
            lambda: session.send({"type": "conversation.item.create", "item": items.system("so")}),
            lambda: session.conversation.delete(some_item(), timeout=TIMEOUT),
            lambda: session.conversation.retrieve(some_item(), timeout=TIMEOUT),
            truncate,
            lambda: session.update(instructions=str(dice.random()), timeout=TIMEOUT),
            lambda: session.wait_for("response.done", timeout=dice.random() / 10),
            lambda: self.server.script.expire() if dice.random() < 0.3 else None,
            lambda: session.reset(timeout=TIMEOUT) if dice.random() < 0.3 else None,
        )

    def speak(self, dice: random.Random) -> None:
        def append() -> None:
            for _ in range(dice.randint(1, 12)):
                number = self.appended
                try:
                    self.session.input_audio_buffer.append(number.to_bytes(4, "little") * 240)
                except QueueFull:
                    continue
                self.appended += 1

        commit = self.session.input_audio_buffer.commit
        self._call(dice, append, append, append, lambda: commit(timeout=TIMEOUT))

    def _call(self, dice: random.Random, *calls: Callable[[], Any]) -> None:
        for _ in range(STEPS):
            call, begun = dice.choice(calls), time.monotonic()
            try:
                call()
            except SessionClosed as exc:
                self.problems.append(f"the session has ended: {exc.__cause__!r}")
                return
            except (RealtimeError, ValueError) as exc:
                self.errors.append(exc)  # a timeout, a refusal, a loss: all of them are answers
            except BaseException as exc:
                self.problems.append(repr(exc))
            if time.monotonic() - begun > TIMEOUT + SLACK:
                self.problems.append("a call took too long")

    # --- the run

    def run(self) -> None:
        self.session.open(timeout=30)
        self.plan()
        callers = [
            threading.Thread(target=way, args=(random.Random(f"{self.seed}/{way.__name__}"),))
            for way in (self.talk, self.edit, self.speak)
        ]
        for caller in callers:
            caller.daemon = True
            caller.start()
        for caller in callers:
            caller.join(STEPS * TIMEOUT + SLACK)
            if caller.is_alive():
                self.problems.append("a caller hangs")
        self.calm()
        try:
            if not self.problems:
                self._come_to_rest()
                self._look_at_conversation()
                live = pieces(self.books.buffer(self.session.id or ""))
        finally:
            self.session.close()
        if not self.problems:
            self._look_at_audio(live)
        self._look_at_calls()

    def _come_to_rest(self) -> None:
        """Everything that was asked for is over, and the server has said so."""
        for _ in range(20):
            try:
                for future in self.futures:
                    future.exception(timeout=SLACK)
                self.session.ask("the end", timeout=SLACK)
                self._be_patient()
                # everything before it has been taken in on both sides
                self.session.update(instructions="the end", timeout=SLACK)
                return
            except ConnectionLost:
                continue
        self.problems.append("the session never came to rest")

    def _look_at_conversation(self) -> None:
        ours = [
            _shown({"type": item.type, **item.wire()}) for item in self.session.conversation.items
        ]
        theirs = self.books.conversation(self.session.id or "")
        for items_of in (ours, theirs):
            for at, item in enumerate(items_of):
                if item[0] in self.cut:  # where each side cuts its words is an estimate
                    items_of[at] = item[:2]
        if ours != theirs:
            self.problems.append(f"the mirror: {ours}\nthe server: {theirs}")

    def _look_at_audio(self, live: list[int]) -> None:
        there = [n for key in self.heard for n in pieces(self.books.said[key])] + live
        if len(set(there)) < len(there):
            self.problems.append(f"audio came twice: {there}")
        if there != sorted(there):
            self.problems.append(f"audio came in another order: {there}")
        missing = (self.appended - len(set(there))) * 20
        if abs(missing - sum(self.lost_ms)) > NEAR:
            self.problems.append(f"{missing} ms of audio are missing, told were {self.lost_ms}")

    def _look_at_calls(self) -> None:
        if KEY in repr([self.session, self.session.config, *self.futures, *self.errors]):
            self.problems.append("a key is shown")
        if set(self.runs.values()) - {1}:
            self.problems.append("a tool ran twice")
        for future in self.futures:
            error = future.exception(timeout=0) if future.done() else "not settled"
            if error is not None and not isinstance(error, RealtimeError):
                self.problems.append(f"a future: {error!r}")


def _descriptors() -> int:
    """How many are open, where the system tells."""
    there = Path("/proc/self/fd")
    return len(list(there.iterdir())) if there.exists() else 0


def judge(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs a schedule; what must hold holds."""
    gc.collect()  # what other tests have left behind
    threads, descriptors = set(threading.enumerate()), _descriptors()
    with monkeypatch.context() as patch:
        server = LocalServer(speed=None, voice="tones", transcripts=["said"] * 200)
        with server:
            schedule = Schedule(server, Books(server, patch), seed)
            schedule.run()
    again = f"REALTIME_SYNC_SEED={seed}; {schedule.faults}"
    assert not schedule.problems, "\n".join([again, *schedule.problems])
    left = [thread.name for thread in threading.enumerate() if thread not in threads]
    assert (left, max(0, _descriptors() - descriptors)) == ([], 0), again


def seeds(count: int) -> Iterator[int]:
    first = 20  # of some that do not take long
    yield from [int(SEED)] if SEED else range(first, first + count)


@pytest.mark.usefixtures("told")
@pytest.mark.row("F50", bound="mirror = server, audio gap ± 20 ms, each tool once, 0 hung")
def test_schedules(monkeypatch: pytest.MonkeyPatch) -> None:
    """Faults in any order: both sides agree on the conversation, and on what audio is missing."""
    for seed in seeds(5):
        judge(seed, monkeypatch)


@pytest.mark.long
@pytest.mark.usefixtures("told")
@pytest.mark.parametrize("hundred", range(10))
def test_a_thousand_schedules(hundred: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same, a thousand times."""
    faulthandler.cancel_dump_traceback_later()  # pytest takes a test of minutes for hung
    for seed in range(hundred * 100, hundred * 100 + 100):
        judge(seed, monkeypatch)
