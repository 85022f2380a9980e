"""What clients do with many sessions, and with a lost link; see `clients`."""

from __future__ import annotations

import base64
import struct
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

Json = dict[str, Any]
#: As long as one of OpenAI's.
KEY = "sk-proj-" + "k3Y" * 52
#: 20 ms of PCM16 at 24 kHz.
FRAME = bytes(range(240)) * 4


class _Heard:
    """What came of the deltas of all sessions; each session's are numbered."""

    def __init__(self) -> None:
        self.late: list[float] = []  # seconds from sending to the callback
        self.lost = 0

    def taker(self, audio: Callable[[Any], bytes]) -> Callable[[Any], None]:
        """A callback for one session, which takes the audio of each event."""
        last = 0

        def take(event: Any) -> None:
            nonlocal last
            self.late.append(time.monotonic() - event.sent)
            audio(event)
            if last:
                self.lost += event.number - last - 1
            last = event.number

        return take


def crowd_ours(url: str, sessions: int, seconds: float) -> Json:
    """Each is given 20 ms fifty times a second, and has a callback for ten deltas a second."""
    from realtime_sync import Compatible, RealtimeSession

    heard = _Heard()
    opened = []
    for _ in range(sessions):
        session = RealtimeSession(endpoint=Compatible(url, KEY))
        session.on("response.output_audio.delta", heard.taker(lambda event: event.audio))
        opened.append(session.open(timeout=60))
    appends = [session.input_audio_buffer.append for session in opened]
    return _crowd(appends, heard, seconds, opened)


def crowd_theirs(url: str, sessions: int, seconds: float) -> Json:
    """openai-python, one thread each to receive."""
    import openai

    heard = _Heard()
    client = openai.OpenAI(api_key=KEY, base_url=url)
    opened = []

    def listen(connection: Any) -> None:
        decode = heard.taker(lambda event: base64.b64decode(event.delta))
        connection.on("response.output_audio.delta", decode)
        try:
            connection.dispatch_events()
        except Exception:
            return  # closed

    for _ in range(sessions):
        connection = client.realtime.connect(model="m").__enter__()
        opened.append(connection)
        threading.Thread(target=listen, args=(connection,), daemon=True).start()

    def appender(connection: Any) -> Callable[[bytes], None]:
        append = connection.input_audio_buffer.append
        return lambda data: append(audio=base64.b64encode(data).decode())

    return _crowd([appender(connection) for connection in opened], heard, seconds, opened)


def _crowd(
    appends: Sequence[Callable[[bytes], None]], heard: _Heard, seconds: float, opened: list[Any]
) -> Json:
    rest = FRAME[9:]
    sent = 0
    time.sleep(0.5)  # what opening them has left behind is no part of it
    heard.late.clear()
    began, start = time.process_time(), time.monotonic()
    for tick in range(int(seconds * 50)):
        for n, append in enumerate(appends):
            # spread over the 20 ms, as sessions of different people are
            if n % 25 == 0:
                left = start + tick * 0.02 + n / len(appends) * 0.02 - time.monotonic()
                if left > 0:
                    time.sleep(left)
            due = start + tick * 0.02 + (n - n % 25) / len(appends) * 0.02
            append(struct.pack("<d", due) + b"\0" + rest)
            sent += 1
    spent = time.process_time() - began
    took = time.monotonic() - start
    late = sorted(heard.late)
    time.sleep(0.5)
    for one in opened:
        one.close()
    return {
        "cores": spent / took,
        "ms p50": late[len(late) // 2] * 1e3,
        "ms p99": late[int(len(late) * 0.99)] * 1e3,
        "deltas lost": heard.lost,
        "appends": sent,
    }


# --- memory


def memory_ours(url: str, sessions: int, busy: bool) -> Json:
    """Resident memory that each of so many sessions adds, stacks included.

    An idle one has a handler; a busy one has just heard a response, which it keeps until the next.
    """
    from realtime_sync import Compatible, RealtimeSession

    def begin() -> RealtimeSession:
        session = RealtimeSession(endpoint=Compatible(url, KEY))
        session.on("response.done", lambda _: None)
        session.open()
        if busy:
            session.response.create().wait()
        return session

    kept = [begin() for _ in range(5)]  # what the first ones load is not theirs
    before = _resident()
    kept += [begin() for _ in range(sessions)]
    time.sleep(0.5)
    told = {"KB a session": (_resident() - before) / sessions / 1024}
    for session in kept:
        session.close()
    return told


def memory_theirs(url: str, sessions: int, busy: bool) -> Json:
    """openai-python, with a thread each that waits for events; it keeps none of them."""
    import openai

    client = openai.OpenAI(api_key=KEY, base_url=url)

    def listen(connection: Any, over: threading.Event) -> None:
        try:
            for event in connection:
                if event.type == "response.done":
                    over.set()
        except Exception:
            return  # closed

    def begin() -> Any:
        connection, over = client.realtime.connect(model="m").__enter__(), threading.Event()
        threading.Thread(target=listen, args=(connection, over), daemon=True).start()
        if busy:
            connection.response.create()
            assert over.wait(10)
        return connection

    kept = [begin() for _ in range(5)]
    before = _resident()
    kept += [begin() for _ in range(sessions)]
    time.sleep(0.5)
    told = {"KB a session": (_resident() - before) / sessions / 1024}
    for connection in kept:
        connection.close()
    return told


def hour_ours(url: str, minutes: int, deltas: int) -> Json:
    """Resident memory that an hour adds: responses of a minute, and as much audio sent."""
    from realtime_sync import Compatible, RealtimeSession

    with RealtimeSession(endpoint=Compatible(url, KEY)) as session:
        session.on("response.output_audio.delta", lambda event: len(event.audio))
        append = session.input_audio_buffer.append

        def minute() -> None:
            for _ in range(5 * deltas):
                append(FRAME, timeout=None)
            session.response.create().wait()

        return _hour(minute, minutes)


def hour_theirs(url: str, minutes: int, deltas: int) -> Json:
    """openai-python; the same."""
    import openai

    client = openai.OpenAI(api_key=KEY, base_url=url)
    with client.realtime.connect(model="m") as connection:

        def minute() -> None:
            for _ in range(5 * deltas):
                connection.input_audio_buffer.append(audio=base64.b64encode(FRAME).decode())
            connection.response.create()
            for event in connection:
                if event.type == "response.output_audio.delta":
                    base64.b64decode(event.delta)
                elif event.type == "response.done":
                    return

        return _hour(minute, minutes)


def _hour(minute: Callable[[], None], minutes: int) -> Json:
    for _ in range(5):  # what the first ones load and keep, each later one replaces
        minute()
    before = _resident()
    for _ in range(minutes):
        minute()
    return {"MB": max(0, _resident() - before) / 1e6}


def _resident() -> int:
    with open("/proc/self/statm", encoding="ascii") as told:
        return int(told.read().split()[1]) * 4096


# --- reconnect


def reconnect_ours(url: str, items: int) -> Json:
    """From a link that is cut to connection.restored, with so many items to say again."""
    from realtime_sync import Compatible, RealtimeSession, ReconnectPolicy

    history = [f"item number {n}" for n in range(items)]
    with RealtimeSession(
        endpoint=Compatible(url, KEY), history=history, reconnect=ReconnectPolicy(delays=(0,) * 5)
    ) as session:
        link: Any = session._connection._link
        began = time.perf_counter()
        with session.expect("connection.restored") as pending:
            link.abort()
            back = pending.result(timeout=60)
        took = time.perf_counter() - began
        assert len(back.replayed) == items, (len(back.replayed), back.skipped)
    return {"ms": took * 1e3}
