"""Drives a brain as a connection would, with a clock of its own, and judges what it says."""

from __future__ import annotations

import base64
import itertools
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from openai.types.beta.realtime import RealtimeServerEvent as BetaServerEvent
from openai.types.realtime import RealtimeServerEvent, RealtimeTranslationServerEvent
from pydantic import TypeAdapter

from realtime_sync.local.script import Script
from realtime_sync.local.sessions import Sessions

Wire = dict[str, Any]

JUDGES: dict[str, TypeAdapter[Any]] = {
    "ga": TypeAdapter(RealtimeServerEvent),
    "beta": TypeAdapter(BetaServerEvent),
    "translation": TypeAdapter(RealtimeTranslationServerEvent),
}


class Beeper:
    """A voice in which each word is 100 ms of one byte."""

    def speak(self, text: str) -> Iterator[bytes]:
        for word in text.split():
            yield bytes([len(word) % 256]) * 4800

    def convert(self, audio: bytes, source: str, target: str) -> bytes:
        if source == target:
            return audio
        if target == "audio/pcm":
            return audio * 6
        return audio[::6]


def sessions(script: Script, *, speed: float | None = None, seconds: float = 3600.0) -> Sessions:
    """A factory whose clocks stand still."""
    count = itertools.count()
    return Sessions(
        script=script,
        voice=Beeper(),
        speed=speed,
        seconds=seconds,
        epoch=lambda: 1_800_000_000 - seconds,
        clock=lambda: datetime(2026, 11, 20, 14, 5),
        new_identity=lambda: f"t{next(count) or ''}",
    )


class Driver:
    """One session's brain; every event it says is checked against the openai package."""

    def __init__(
        self,
        kind: str = "realtime",
        *,
        speed: float | None = None,
        preset: Wire | None = None,
        model: str = "gpt-realtime-2.1",
    ) -> None:
        self.script = Script()
        self.now = 0.0
        self.judge = JUDGES["translation" if kind == "translation" else "ga"]
        made = sessions(self.script, speed=speed)
        self.brain: Any = made.new(kind, model, self.now, preset)

    def send(self, kind: str, **fields: Any) -> list[Wire]:
        """Sends an event; returns what is said to it, until nothing more is due."""
        return self.give(kind, **fields) + self.rest()

    def give(self, kind: str, **fields: Any) -> list[Wire]:
        """Sends an event; returns what is said at once."""
        return checked(self.brain.received({"type": kind, **fields}, self.now), self.judge)

    def rest(self, most: int = 100_000) -> list[Wire]:
        """Lets the time pass until nothing more is due, or `most` events were said."""
        events: list[Wire] = []
        while self.brain.due is not None and len(events) < most:
            self.now = max(self.now, self.brain.due)
            for step in self.brain.advance(self.now):
                events += checked(step, self.judge)
                if len(events) >= most:
                    break
        return events

    def until(self, kind: str) -> list[Wire]:
        """Lets the time pass until such an event was said."""
        events: list[Wire] = []
        while not any(event["type"] == kind for event in events):
            events += self.rest(most=1)
        return events

    def say(self, text: str, **item: Any) -> list[Wire]:
        content = [{"type": "input_text", "text": text}]
        message = {"type": "message", "role": "user", "content": content, **item}
        return self.send("conversation.item.create", item=message)

    def ask(self, text: str, **response: Any) -> list[Wire]:
        """A text turn; returns the response's events."""
        self.say(text)
        return self.respond(**{"output_modalities": ["text"], **response})

    def respond(self, **response: Any) -> list[Wire]:
        return self.send("response.create", response=response)

    def speak(self, milliseconds: int, sample: bytes = b"\x01\x02") -> list[Wire]:
        self.send("input_audio_buffer.append", audio=b64(sample * 24 * milliseconds))
        return self.send("input_audio_buffer.commit")

    def refused(self, kind: str, **fields: Any) -> Wire:
        """Sends an event that must be answered by one error; returns the error."""
        events = self.send(kind, event_id="mine", **fields)
        assert types(events) == ["error"], events
        assert events[0]["error"]["event_id"] == "mine"
        return events[0]["error"]


def checked(events: list[Wire], judge: TypeAdapter[Any] = JUDGES["ga"]) -> list[Wire]:
    """The events, once the openai package's own models have parsed each strictly by type."""
    for event in events:
        parsed = judge.validate_python(event)
        assert parsed.type == event["type"]
    return events


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def types(events: list[Wire]) -> list[str]:
    return [event["type"] for event in events]


def squeezed(events: list[Wire]) -> list[str]:
    """The types, repeated deltas once."""
    found: list[str] = []
    for kind in types(events):
        if not (found and found[-1] == kind and kind.endswith(".delta")):
            found.append(kind)
    return found


def only(events: list[Wire], kind: str) -> Wire:
    (found,) = [event for event in events if event["type"] == kind]
    return found


def every(events: list[Wire], kind: str) -> list[Wire]:
    return [event for event in events if event["type"] == kind]


def done(events: list[Wire]) -> Wire:
    """The response of the one `response.done`."""
    return only(events, "response.done")["response"]


def text_of(events: list[Wire]) -> str:
    return "".join(event["delta"] for event in every(events, "response.output_text.delta"))


def audio_of(events: list[Wire]) -> bytes:
    deltas = every(events, "response.output_audio.delta")
    return b"".join(base64.b64decode(event["delta"]) for event in deltas)
