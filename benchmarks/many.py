"""What clients do with many sessions, and with a lost link; see `clients`."""

from __future__ import annotations

import base64
import struct
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

Json = dict[str, Any]
#: 20 ms of PCM16 at 24 kHz.
FRAME = bytes(range(240)) * 4


def crowd_ours(url: str, sessions: int, seconds: float) -> Json:
    """Each is given 20 ms fifty times a second, and has a callback for ten deltas a second."""
    from realtime_sync import Compatible, RealtimeSession

    late: list[float] = []

    def take(event: Any) -> None:
        late.append(time.monotonic() - event.sent)

    opened = []
    for _ in range(sessions):
        session = RealtimeSession(endpoint=Compatible(url, "k"))
        session.on("response.output_audio.delta", take)
        opened.append(session.open())
    appends = [session.input_audio_buffer.append for session in opened]
    return _crowd(appends, late, seconds, opened)


def crowd_theirs(url: str, sessions: int, seconds: float) -> Json:
    """openai-python, one thread each to receive."""
    import openai

    late: list[float] = []
    client = openai.OpenAI(api_key="k", base_url=url)
    opened = []

    def listen(connection: Any) -> None:
        connection.on("response.output_audio.delta", take)
        try:
            connection.dispatch_events()
        except Exception:
            return  # closed

    def take(event: Any) -> None:
        late.append(time.monotonic() - event.sent)
        base64.b64decode(event.delta)

    for _ in range(sessions):
        connection = client.realtime.connect(model="m").__enter__()
        opened.append(connection)
        threading.Thread(target=listen, args=(connection,), daemon=True).start()

    def appender(connection: Any) -> Callable[[bytes], None]:
        append = connection.input_audio_buffer.append
        return lambda data: append(audio=base64.b64encode(data).decode())

    appends = [appender(connection) for connection in opened]
    return _crowd(appends, late, seconds, opened)


def _crowd(
    appends: Sequence[Callable[[bytes], None]], late: list[float], seconds: float, opened: list[Any]
) -> Json:
    rest = FRAME[9:]
    sent = 0
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
    time.sleep(0.5)
    for one in opened:
        one.close()
    late.sort()
    return {
        "cores": spent / took,
        "ms p50": late[len(late) // 2] * 1e3,
        "ms p99": late[int(len(late) * 0.99)] * 1e3,
        "deltas": len(late),
        "appends": sent,
    }


# --- memory


def memory_ours(url: str, sessions: int) -> Json:
    """Resident memory that each of so many idle sessions adds, stacks included."""
    from realtime_sync import Compatible, RealtimeSession

    def begin() -> RealtimeSession:
        session = RealtimeSession(endpoint=Compatible(url, "k"))
        session.on("response.done", lambda _: None)
        return session.open()

    kept = [begin() for _ in range(5)]  # what the first ones load is not theirs
    before = _resident()
    kept += [begin() for _ in range(sessions)]
    time.sleep(0.5)
    told = {"KB a session": (_resident() - before) / sessions / 1024}
    for session in kept:
        session.close()
    return told


def memory_theirs(url: str, sessions: int) -> Json:
    """openai-python, with a thread each that waits for events."""
    import openai

    client = openai.OpenAI(api_key="k", base_url=url)

    def listen(connection: Any) -> None:
        try:
            for _ in connection:
                pass
        except Exception:
            return  # closed

    def begin() -> Any:
        connection = client.realtime.connect(model="m").__enter__()
        threading.Thread(target=listen, args=(connection,), daemon=True).start()
        return connection

    kept = [begin() for _ in range(5)]
    before = _resident()
    kept += [begin() for _ in range(sessions)]
    time.sleep(0.5)
    told = {"KB a session": (_resident() - before) / sessions / 1024}
    for connection in kept:
        connection.close()
    return told


def _resident() -> int:
    with open("/proc/self/statm", encoding="ascii") as told:
        return int(told.read().split()[1]) * 4096


# --- reconnect


def reconnect_ours(url: str, items: int) -> Json:
    """From a link that is cut to connection.restored, with so many items to say again."""
    from realtime_sync import Compatible, RealtimeSession, ReconnectPolicy

    history = [f"item number {n}" for n in range(items)]
    with RealtimeSession(
        endpoint=Compatible(url, "k"), history=history, reconnect=ReconnectPolicy(delays=(0,) * 5)
    ) as session:
        link: Any = session._connection._link
        began = time.perf_counter()
        with session.expect("connection.restored") as pending:
            link.abort()
            back = pending.result(timeout=60)
        took = time.perf_counter() - began
        assert len(back.replayed) == items, (len(back.replayed), back.skipped)
    return {"ms": took * 1e3}
