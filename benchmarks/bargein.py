"""The user speaks while the model does: how soon it is silent, and the server knows."""

from __future__ import annotations

import statistics
import threading
import time
from typing import Any

from .many import KEY

Json = dict[str, Any]
#: Seconds into a response at which the user begins to speak.
AFTER = 0.15


class _Sink:
    """A speaker that plays nothing, and knows when it last played something."""

    def __init__(self) -> None:
        self.sounded = 0.0  # when the newest slice that is not silence came

    def write(self, pcm: bytes) -> None:
        """A slice of 20 ms."""
        if pcm.strip(b"\0"):
            self.sounded = time.monotonic()


def bargein_ours(url: str, count: int) -> Json:
    """`talk` with a sink for a speaker: it cuts by itself."""
    from realtime_sync import Compatible, RealtimeSession

    sink, silent, cut = _Sink(), [], threading.Semaphore(0)
    with RealtimeSession(endpoint=Compatible(url, KEY), turn_detection="server_vad") as session:
        spoke = 0.0

        def speech_started(event: Any) -> None:
            nonlocal spoke
            spoke = event.sent

        session.on("input_audio_buffer.speech_started", speech_started)
        session.on("conversation.item.truncated", lambda _: cut.release())
        with session.talk(_quiet(), sink, echo="none", transcription=None):
            for _ in range(count):
                session.response.create().wait()
                time.sleep(AFTER)
                session.send({"type": "benchmark.speak"})
                assert cut.acquire(timeout=10)
                time.sleep(0.1)
                silent.append(max(0.0, sink.sounded - spoke))
    return {"ms silent": statistics.median(silent) * 1e3}


def _quiet() -> Any:
    """A microphone that hears nothing, for as long as it is asked."""
    while True:
        yield bytes(960)


def bargein_theirs(url: str, count: int) -> Json:
    """openai-python: by hand, on the thread that has the events; it has no speaker."""
    import openai

    client = openai.OpenAI(api_key=KEY, base_url=url)
    with client.realtime.connect(model="m") as connection:
        for _ in range(count):
            connection.response.create()
            for event in connection:
                if event.type == "response.output_audio.delta":
                    item_id = event.item_id
                elif event.type == "response.done":
                    time.sleep(AFTER)
                    connection.send({"type": "benchmark.speak"})
                elif event.type == "input_audio_buffer.speech_started":
                    connection.conversation.item.truncate(
                        item_id=item_id, content_index=0, audio_end_ms=int(AFTER * 1000)
                    )
                elif event.type == "conversation.item.truncated":
                    break
    return {}
