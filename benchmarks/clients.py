"""What each client does, in a process of its own: `python -m benchmarks.clients JOB {json}`.

Three of them: ours, the `openai` package, and websocket-client alone, which is the floor. A job
prints its measures as JSON. Each decodes what it receives: audio to bytes, through `json` and
`base64` where the client leaves that to its user.
"""

from __future__ import annotations

import base64
import json
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from . import bargein, many
from .many import KEY

__all__ = ["JOBS"]

Json = dict[str, Any]
#: 20 ms and 100 ms of PCM16 at 24 kHz.
FRAMES = {20: bytes(range(240)) * 4, 100: bytes(range(240)) * 20}


# --- receive: responses of so many deltas, to a handler; the first one warms up


def receive_ours(url: str, kind: str, count: int, how: str, responses: int) -> Json:
    """Default dispatcher, the conversation's mirror and a live handle on."""
    from realtime_sync import Compatible, RealtimeSession

    seen, size, done = 0, 0, threading.Semaphore(0)

    def take(event: Any) -> None:
        nonlocal seen, size
        seen += 1
        size += len(event.audio if kind != "text" and hasattr(event, "audio") else event.delta)

    with RealtimeSession(endpoint=Compatible(url, KEY)) as session:
        if how == "callback":
            session.on("response.output_audio.delta", take)
            session.on("response.output_text.delta", take)
            session.on("response.output_audio_transcript.delta", take)
            session.on("response.done", lambda _: done.release())
        else:
            events = session.events("response.*")

        def receive() -> None:
            handle = session.response.create()
            if how == "callback":
                assert done.acquire(timeout=60)
            else:
                for event in events:
                    if event.type.endswith(".delta"):
                        take(event)
                    elif event.type == "response.done":
                        break
            assert handle.done

        spent = _receive(receive, responses)
    assert seen == count * (responses + 1), (seen, count)
    return {"µs CPU": spent / (count * responses) * 1e6}


def receive_theirs(url: str, kind: str, count: int, how: str, responses: int) -> Json:
    """openai-python, dispatch_events with handlers, or iteration."""
    import openai

    del kind
    seen, size = 0, 0
    client = openai.OpenAI(api_key=KEY, base_url=url)

    def take(event: Any) -> None:
        nonlocal seen, size
        seen += 1
        size += len(base64.b64decode(event.delta) if "audio.delta" in event.type else event.delta)

    with client.realtime.connect(model="m") as connection:
        if how == "callback":
            left, began = responses, 0.0

            def over(_: Any) -> None:
                nonlocal left, began
                if left == responses:
                    began = time.process_time()
                if not left:
                    connection.close()
                else:
                    connection.response.create()
                left -= 1

            for name in ("output_audio", "output_text", "output_audio_transcript"):
                connection.on(f"response.{name}.delta", take)
            connection.on("response.done", over)
            connection.response.create()
            connection.dispatch_events()
            spent = time.process_time() - began
        else:

            def receive() -> None:
                connection.response.create()
                for event in connection:
                    if event.type.endswith(".delta"):
                        take(event)
                    elif event.type == "response.done":
                        break

            spent = _receive(receive, responses)
    assert seen == count * (responses + 1), (seen, count)
    return {"µs CPU": spent / (count * responses) * 1e6}


def receive_floor(url: str, kind: str, count: int, how: str, responses: int) -> Json:
    """websocket-client, one thread, json and base64."""
    import websocket

    del kind, how
    link = websocket.create_connection(
        url.replace("http", "ws") + "/realtime", skip_utf8_validation=True
    )
    link.recv()
    seen, size = 0, 0

    def receive() -> None:
        nonlocal seen, size
        link.send(json.dumps({"type": "response.create"}))
        while True:
            event = json.loads(link.recv_data()[1])
            if event["type"].endswith(".delta"):
                seen += 1
                delta = event["delta"]
                size += len(base64.b64decode(delta) if "audio.delta" in event["type"] else delta)
            elif event["type"] == "response.done":
                break

    spent = _receive(receive, responses)
    link.close()
    assert seen == count * (responses + 1), (seen, count)
    return {"µs CPU": spent / (count * responses) * 1e6}


def _receive(one: Callable[[], None], responses: int) -> float:
    """Seconds of the processor for so many responses, after one that warms up."""
    one()
    began = time.process_time()
    for _ in range(responses):
        one()
    return time.process_time() - began


# --- append


def append_ours(url: str, ms: int, count: int) -> Json:
    """Until the server has the last byte."""
    from realtime_sync import Compatible, RealtimeSession

    data = FRAMES[ms]
    with RealtimeSession(endpoint=Compatible(url, KEY)) as session:
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
    client = openai.OpenAI(api_key=KEY, base_url=url)
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
        session = RealtimeSession(endpoint=Compatible(url, KEY)).open()
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

    client = openai.OpenAI(api_key=KEY, base_url=url)
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

    with RealtimeSession(endpoint=Compatible(url, KEY)) as session:
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

    with RealtimeSession(endpoint=Compatible(url, KEY)) as session:
        session.on("response.output_audio.delta", lambda event: len(event.audio))
        while not stop.wait(0.02):
            session.input_audio_buffer.append(FRAMES[20])


def ask_default_floor(url: str, count: int, beside: str) -> Json:
    """The same messages by hand, with websocket-client as it comes: it checks UTF-8, in Python."""
    return ask_floor(url, count, beside, check=True)


def ask_floor(url: str, count: int, beside: str, *, check: bool = False) -> Json:
    """The same messages by hand."""
    import websocket

    del beside
    link = websocket.create_connection(
        url.replace("http", "ws") + "/realtime", skip_utf8_validation=not check
    )
    link.recv()
    receive = link.recv if check else lambda: link.recv_data()[1]
    took = []
    part = {"type": "input_text", "text": "hi"}
    for n in range(count):
        began = time.perf_counter()
        item = {"id": f"item_{n}", "type": "message", "role": "user", "content": [part]}
        link.send(json.dumps({"type": "conversation.item.create", "item": item}))
        link.send(json.dumps({"type": "response.create", "response": {"metadata": {"t": "x"}}}))
        while json.loads(receive())["type"] != "response.done":
            pass
        took.append(time.perf_counter() - began)
    link.close()
    return _percentiles(took)


def _percentiles(took: list[float]) -> Json:
    took.sort()
    return {"ms p50": took[len(took) // 2] * 1e3, "ms p99": took[int(len(took) * 0.99)] * 1e3}


JOBS: dict[str, Callable[..., Json]] = {
    name: job
    for name, job in {**globals(), **vars(many), **vars(bargein)}.items()
    if name.endswith(("_ours", "_theirs", "_floor")) and callable(job)
}

if __name__ == "__main__":
    print(json.dumps(JOBS[sys.argv[1]](**json.loads(sys.argv[2]))))
