"""Sessions worth looking at, and pictures of the page that shows them.

`pictures(folder)` makes the pictures of `realtime-sync serve --ui`, for whoever wants to see them
without a browser of his own.
"""

from __future__ import annotations

import math
import struct
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from realtime_sync import RealtimeSession
from realtime_sync.local import LocalServer

from .browser import Browser

_PIECE_MS = 40


def temperature(city: str) -> float:
    """The temperature in a city right now, in degrees Celsius."""
    time.sleep(0.3)  # as long as looking it up takes
    return {"Oslo": 4.5}.get(city, 20.0)


def humming(ms: int) -> bytes:
    """Something like a voice: three syllables a second."""
    samples = (
        int(9000 * math.sin(n / 12) * abs(math.sin(n / 2500)) * (0.6 + 0.4 * math.sin(n / 9000)))
        for n in range(24 * ms)
    )
    return b"".join(struct.pack("<h", one) for one in samples)


def speak(session: RealtimeSession, pcm: bytes) -> None:
    """Appends as a microphone does, piece by piece, as time goes by."""
    size = 48 * _PIECE_MS
    began = time.monotonic()
    for number, at in enumerate(range(0, len(pcm), size)):
        session.input_audio_buffer.append(pcm[at : at + size])
        time.sleep(max(0.0, began + number * _PIECE_MS / 1000 - time.monotonic()))


@contextmanager
def conversations(server: LocalServer) -> Iterator[None]:
    """A text session that has ended, one that waits, and a spoken one with all that happens."""
    with ExitStack() as stack:
        with RealtimeSession(endpoint=server.endpoint, output_modalities=["text"]) as short:
            short.ask("Count to 3")
        stack.enter_context(RealtimeSession("gpt-realtime-mini", endpoint=server.endpoint))
        session = RealtimeSession(endpoint=server.endpoint, tools=[temperature])
        stack.enter_context(session)
        with session.expect("response.done") as answered:
            speak(session, bytes(48 * 400) + humming(1400) + bytes(48 * 700))
        answered.result(timeout=20)
        session.ask('call temperature {"city": "Oslo"}')
        time.sleep(2.5)  # until that has been heard, too
        with session.expect("response.output_audio.delta") as speaking:
            story = session.submit("Tell me a long story.")
        speaking.result(timeout=20)
        time.sleep(1.5)  # so long it is listened to
        session.interrupt(1200)
        story.result(timeout=20)
        session.send({"type": "response.bogus"})
        session.ask("Count to 3")
        yield


def pictures(folder: Path) -> list[Path]:
    """Makes the pictures: of the page in light and dark, narrow, opened, and after the end.

    Args:
        folder: Where to put them; it is there.

    Returns:
        The files, `page-*.png`.
    """
    made: list[Path] = []

    def take(name: str) -> None:
        made.append(folder / f"page-{name}.png")
        made[-1].write_bytes(browser.picture())

    with Browser() as browser:
        with LocalServer(ui=True) as server:
            browser.open(server.ui_url)
            browser.size(1280, 1000)
            browser.reads("#empty", "No session yet")
            take("empty")
            with conversations(server):
                browser.until(lambda: browser.count("#turns tr") == 4)
                browser.until(lambda: "1, 2, 3." in "".join(browser.texts("#events .said")))
                take("light")
                browser.scheme("dark")
                browser.click("#events .event:nth-last-child(6) button")
                take("dark")
                browser.size(390, 1000)
                take("narrow")
        browser.size(1280, 1000)
        browser.scheme("light")
        browser.reads("#ended", "The server has ended")
        take("ended")
    return made
