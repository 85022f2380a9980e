"""What each client does, in a process of its own: `python -m benchmarks.clients JOB {json}`.

Three of them: ours, the `openai` package, and websocket-client alone, which is the floor. A job
prints its measures as JSON. Each decodes what it receives: audio to bytes, through `json` and
`base64` where the client leaves that to its user.
"""

from __future__ import annotations

import base64
import json
import struct
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

__all__ = ["JOBS"]

Json = dict[str, Any]
#: 20 ms and 100 ms of PCM16 at 24 kHz.
FRAMES = {20: bytes(range(240)) * 4, 100: bytes(range(240)) * 20}


# --- receive: a response of so many deltas, to a handler


def receive_ours(url: str, kind: str, count: int, how: str) -> Json:
    """Default dispatcher, the conversation's mirror and a live handle on."""
    from realtime_sync import Compatible, RealtimeSession

    seen, size, done = 0, 0, threading.Event()

    def take(event: Any) -> None:
        nonlocal seen, size
        seen += 1
        size += len(event.audio if kind != "text" and hasattr(event, "audio") else event.delta)

    with RealtimeSession(endpoint=Compatible(url, "k")) as session:
        if how == "callback":
            session.on("response.output_audio.delta", take)
            session.on("response.output_text.delta", take)
            session.on("response.output_audio_transcript.delta", take)
        session.on("response.done", lambda _: done.set())
        began = time.process_time()
        if how == "iterator":
            events = session.events("response.*")
        handle = session.response.create()
        if how == "iterator":
            for event in events:
                if event.type.endswith(".delta"):
                    take(event)
                elif event.type == "response.done":
                    break
        assert done.wait(60)
        spent = time.process_time() - began
        assert handle.done
    assert seen == count, (seen, count)
    return {"µs CPU": spent / count * 1e6}


def receive_theirs(url: str, kind: str, count: int, how: str) -> Json:
    """openai-python, dispatch_events with handlers, or iteration."""
    import openai

    del kind
    seen, size = 0, 0

    def take(event: Any) -> None:
        nonlocal seen, size
        seen += 1
        size += len(base64.b64decode(event.delta) if "audio.delta" in event.type else event.delta)

    client = openai.OpenAI(api_key="k", base_url=url)
    with client.realtime.connect(model="m") as connection:
        began = time.process_time()
        connection.response.create()
        if how == "callback":
            for name in ("output_audio", "output_text", "output_audio_transcript"):
                connection.on(f"response.{name}.delta", take)
            connection.on("response.done", lambda _: connection.close())
            connection.dispatch_events()
        else:
            for event in connection:
                if event.type.endswith(".delta"):
                    take(event)
                elif event.type == "response.done":
                    break
        spent = time.process_time() - began
    assert seen == count, (seen, count)
    return {"µs CPU": spent / count * 1e6}


def receive_floor(url: str, kind: str, count: int, how: str) -> Json:
    """websocket-client, one thread, json and base64."""
    import websocket

    del kind, how
    link = websocket.create_connection(
        url.replace("http", "ws") + "/realtime", skip_utf8_validation=True
    )
    link.recv()
    seen, size = 0, 0
    began = time.process_time()
    link.send(json.dumps({"type": "response.create"}))
    while True:
        event = json.loads(link.recv_data()[1])
        if event["type"].endswith(".delta"):
            seen += 1
            delta = event["delta"]
            size += len(base64.b64decode(delta) if "audio.delta" in event["type"] else delta)
        elif event["type"] == "response.done":
            break
    spent = time.process_time() - began
    link.close()
    assert seen == count, (seen, count)
    return {"µs CPU": spent / count * 1e6}


# --- append


def append_ours(url: str, ms: int, count: int) -> Json:
    """Until the server has the last byte."""
    from realtime_sync import Compatible, RealtimeSession

    data = FRAMES[ms]
    with RealtimeSession(endpoint=Compatible(url, "k")) as session:
        append = session.input_audio_buffer.append
        began, wall = time.process_time(), time.perf_counter()
        for _ in range(count):
            append(data, timeout=None)
        called = time.process_time() - began
        session.request({"type": "input_audio_buffer.commit"}).result(60)
        spent, took = time.process_time() - began, time.perf_counter() - wall
    return {
        "µs CPU": spent / count * 1e6,
        "µs wall": took / count * 1e6,
        "µs call": called / count * 1e6,
    }


def append_theirs(url: str, ms: int, count: int) -> Json:
    """openai-python; the caller encodes, as its examples do."""
    import openai

    data = FRAMES[ms]
    client = openai.OpenAI(api_key="k", base_url=url)
    with client.realtime.connect(model="m") as connection:
        append = connection.input_audio_buffer.append
        began, wall = time.process_time(), time.perf_counter()
        for _ in range(count):
            append(audio=base64.b64encode(data).decode())
        called = time.process_time() - began
        connection.input_audio_buffer.commit()
        for event in connection:
            if event.type == "input_audio_buffer.committed":
                break
        spent, took = time.process_time() - began, time.perf_counter() - wall
    return {
        "µs CPU": spent / count * 1e6,
        "µs wall": took / count * 1e6,
        "µs call": called / count * 1e6,
    }


def _paced(begin: Callable[[], Callable[[], None]], sessions: int, seconds: float) -> Json:
    """Each of so many sessions is given 20 ms fifty times a second, by one thread."""
    appends = [begin() for _ in range(sessions)]
    began, start = time.process_time(), time.monotonic()
    for tick in range(int(seconds * 50)):
        left = start + tick * 0.02 - time.monotonic()
        if left > 0:
            time.sleep(left)
        for append in appends:
            append()
    time.sleep(0.2)
    return {"% of a core": (time.process_time() - began) / seconds * 100}


def paced_ours(url: str, sessions: int, seconds: float) -> Json:
    """Fifty sessions in one process."""
    from realtime_sync import Compatible, RealtimeSession

    opened = []

    def begin() -> Callable[[], None]:
        session = RealtimeSession(endpoint=Compatible(url, "k")).open()
        opened.append(session)
        append = session.input_audio_buffer.append
        return lambda: append(FRAMES[20])

    told = _paced(begin, sessions, seconds)
    for session in opened:
        session.close()
    return told


def paced_theirs(url: str, sessions: int, seconds: float) -> Json:
    """The same with openai-python."""
    import openai

    client = openai.OpenAI(api_key="k", base_url=url)
    opened = []

    def begin() -> Callable[[], None]:
        connection = client.realtime.connect(model="m").__enter__()
        opened.append(connection)
        append = connection.input_audio_buffer.append
        return lambda: append(audio=base64.b64encode(FRAMES[20]).decode())

    told = _paced(begin, sessions, seconds)
    for connection in opened:
        connection.close()
    return told


# --- ask


def ask_ours(url: str, count: int, beside: str) -> Json:
    """Round trips; beside them, perhaps, a session that streams audio both ways."""
    from realtime_sync import Compatible, RealtimeSession

    with RealtimeSession(endpoint=Compatible(url, "k")) as session:
        stop, busy = threading.Event(), None
        if beside:
            busy = threading.Thread(target=_stream_audio, args=(beside, stop), daemon=True)
            busy.start()
        took = []
        for _ in range(count):
            began = time.perf_counter()
            session.ask("hi")
            took.append(time.perf_counter() - began)
        stop.set()
        if busy is not None:
            busy.join()
    return _percentiles(took)


def _stream_audio(url: str, stop: threading.Event) -> None:
    from realtime_sync import Compatible, RealtimeSession

    with RealtimeSession(endpoint=Compatible(url, "k")) as session:
        session.on("response.output_audio.delta", lambda event: len(event.audio))
        while not stop.wait(0.02):
            session.input_audio_buffer.append(FRAMES[20])


def ask_floor(url: str, count: int, beside: str) -> Json:
    """The same messages by hand."""
    import websocket

    del beside
    link = websocket.create_connection(
        url.replace("http", "ws") + "/realtime", skip_utf8_validation=True
    )
    link.recv()
    took = []
    part = {"type": "input_text", "text": "hi"}
    for n in range(count):
        began = time.perf_counter()
        item = {"id": f"item_{n}", "type": "message", "role": "user", "content": [part]}
        link.send(json.dumps({"type": "conversation.item.create", "item": item}))
        link.send(json.dumps({"type": "response.create", "response": {"metadata": {"t": "x"}}}))
        while json.loads(link.recv_data()[1])["type"] != "response.done":
            pass
        took.append(time.perf_counter() - began)
    link.close()
    return _percentiles(took)


def _percentiles(took: list[float]) -> Json:
    took.sort()
    return {"ms p50": took[len(took) // 2] * 1e3, "ms p99": took[int(len(took) * 0.99)] * 1e3}


# --- many sessions at real time


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
    rest = FRAMES[20][9:]
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


JOBS: dict[str, Callable[..., Json]] = {
    name: job
    for name, job in globals().items()
    if name.endswith(("_ours", "_theirs", "_floor")) and callable(job)
}

if __name__ == "__main__":
    print(json.dumps(JOBS[sys.argv[1]](**json.loads(sys.argv[2]))))
