"""What realtime and transcription sessions share: items, input audio, and its transcripts.

No sockets, no threads, no clock, no responses.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar

from realtime_sync.local import settings
from realtime_sync.local.attention import Attention
from realtime_sync.local.conversation import Conversation, Entry, bytes_per_ms
from realtime_sync.local.mind import Mind
from realtime_sync.local.refusal import Refusal
from realtime_sync.local.responses import Running
from realtime_sync.local.schedule import Schedule
from realtime_sync.local.script import Script
from realtime_sync.local.sound import Sound
from realtime_sync.local.transcripts import Transcripts

__all__ = ["Hearing"]

Wire = dict[str, Any]

_LEAST_COMMIT_MS = 100
_LOGPROBS = "item.input_audio_transcription.logprobs"


class Hearing(Mind):
    """A session with a conversation and an input audio buffer.

    Args:
        script: As in `Mind`.
        identity: As in `Mind`.
        ends: As in `Mind`.
        speed: Multiplies the pace of the service; None sends everything at once.
    """

    def __init__(
        self,
        *,
        script: Script,
        identity: str,
        ends: float = math.inf,
        speed: float | None = 1.0,
    ) -> None:
        super().__init__(script=script, identity=identity, ends=ends)
        self._schedule: Schedule[Running] = Schedule(script, speed)
        self._transcripts = Transcripts(self._schedule, self._event, self._new_id)
        self._attention = Attention()  # to the input audio that is not committed yet
        self._coming: str | None = None  # id of the item that the speech will be
        self.conversation = Conversation(self._new_id("conv"))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._identity}, {len(self.conversation)} items>"

    @property
    def due(self) -> float | None:
        """When `advance` is to be called next; None while nothing is under way."""
        return self._schedule.due

    def advance(self, now: float) -> Iterator[list[Wire]]:
        """The events that are due by now, step by step; what is not taken stays due."""
        for events, running in self._schedule.advance(now):
            if running is not None and running.done:
                events += self._ended(running, now)
            self._transcripts.advance(now)
            yield events

    def _ended(self, running: Running, now: float) -> list[Wire]:
        """What follows `response.done`; here there are no responses."""
        raise NotImplementedError

    def _checked(self, wanted: Wire) -> Wire:
        """The session after an update whose shape is right.

        Raises:
            Refusal: The session does not allow it now.
        """
        return dict(settings.merged(self.session, wanted))

    def _update(self, event: Wire, _now: float) -> list[Wire]:
        self.session = self._checked(event["session"])
        return [self._event("session.updated", session=self.reported_session())]

    def _create_item(self, event: Wire, _now: float) -> list[Wire]:
        place = self.conversation.place(event.get("previous_item_id"))
        entry = self._entry(event["item"])
        if self.conversation.get(entry.id) is not None:
            raise Refusal(
                "invalid_value",
                f"Error creating item: an item with id '{entry.id}' exists already.",
                param="item.id",
            )
        return self._added(entry, place)

    def _delete_item(self, event: Wire, _now: float) -> list[Wire]:
        self.conversation.remove(event["item_id"])
        return [self._event("conversation.item.deleted", item_id=event["item_id"])]

    def _retrieve_item(self, event: Wire, _now: float) -> list[Wire]:
        entry = self.conversation.find(event["item_id"], "retrieve")
        return [self._event("conversation.item.retrieved", item=entry.with_audio())]

    def _truncate_item(self, event: Wire, _now: float) -> list[Wire]:
        named = {name: event[name] for name in ("item_id", "content_index", "audio_end_ms")}
        self.conversation.truncate(**named)
        return [self._event("conversation.item.truncated", **named)]

    def _append(self, event: Wire, now: float) -> list[Wire]:
        self._attention.set(self._detection, self._input_format)
        events: list[Wire] = []
        for speech in self._attention.hear(base64.b64decode(event["audio"])):
            if speech.kind == "started":
                events += self._speech_started(speech.at_ms, now)
            else:
                events += self._speech_stopped(speech.at_ms, now)
        self._attention.settle()
        return events

    def _speech_started(self, at_ms: int, now: float) -> list[Wire]:
        self._coming = self._new_id("item")
        start = self._attention.begin(at_ms)
        started = self._event(
            "input_audio_buffer.speech_started", audio_start_ms=start, item_id=self._coming
        )
        return [started, *self._interrupted(now)]

    def _speech_stopped(self, at_ms: int, now: float) -> list[Wire]:
        item_id, self._coming = self._coming or self._new_id("item"), None
        stopped = self._event(
            "input_audio_buffer.speech_stopped", audio_end_ms=at_ms, item_id=item_id
        )
        audio = self._attention.speech(at_ms)
        return [stopped, *self._committed(item_id, audio, now), *self._turn_ended(now)]

    def _interrupted(self, _now: float) -> list[Wire]:
        """What the beginning of speech cuts off; here there are no responses."""
        return []

    def _turn_ended(self, _now: float) -> list[Wire]:
        """What answers the speech; here nothing does."""
        return []

    def _clear(self, _event: Wire, _now: float) -> list[Wire]:
        self._attention.take()
        self._coming = None
        return [self._event("input_audio_buffer.cleared")]

    def _commit(self, _event: Wire, now: float) -> list[Wire]:
        self._attention.set(self._detection, self._input_format)
        milliseconds = len(self._attention.buffer) / bytes_per_ms(self._input_format)
        if milliseconds < _LEAST_COMMIT_MS:
            raise Refusal(
                "input_audio_buffer_commit_empty",
                "Error committing input audio buffer: buffer too small. Expected at least "
                f"{_LEAST_COMMIT_MS}ms of audio, but buffer only has {milliseconds:.2f}ms of "
                "audio.",
            )
        item_id, self._coming = self._coming or self._new_id("item"), None
        return self._committed(item_id, self._attention.take(), now)

    def _committed(self, item_id: str, audio: Sound, now: float) -> list[Wire]:
        """Audio of the buffer becomes a user item, by the client's wish or the detector's."""
        content = [{"type": "input_audio", "transcript": None}]
        item = {
            "id": item_id,
            "type": "message",
            "status": "completed",
            "role": "user",
            "content": content,
        }
        entry = Entry(item, format=self._input_format, audio=audio, part=0)
        previous = self.conversation.last_id
        committed = self._event(
            "input_audio_buffer.committed", previous_item_id=previous, item_id=item_id
        )
        self._transcribe(entry, now)
        return [committed, *self._added(entry, None)]

    def _transcribe(self, entry: Entry, now: float) -> None:
        """What the user has said is written down, if the session wants that."""
        transcription = self.session["audio"]["input"]["transcription"]
        if transcription is not None:
            words, model = self._script.next_transcript(), transcription["model"]
            wanted = _LOGPROBS in (self.session["include"] or ())
            self._transcripts.begin(entry, model, words, now, logprobs=wanted)

    def _no_output_buffer(self, _event: Wire, _now: float) -> list[Wire]:
        raise Refusal(
            "invalid_value",
            "output_audio_buffer.clear is for WebRTC and SIP: over a WebSocket there is no "
            "output audio buffer.",
            param="type",
        )

    def _added(self, entry: Entry, place: int | None) -> list[Wire]:
        previous = self.conversation.add(entry, place)
        return [
            self._event(kind, previous_item_id=previous, item=entry.reported())
            for kind in ("conversation.item.added", "conversation.item.done")
        ]

    def _entry(self, item: Wire) -> Entry:
        prefix = "call" if item["type"] == "function_call" and not item.get("call_id") else None
        if prefix:
            item = {**item, "call_id": self._new_id(prefix)}
        return Entry.from_client(item, new_id=self._new_id("item"), audio_format=self._input_format)

    @property
    def _detection(self) -> Wire | None:
        detection: Wire | None = self.session["audio"]["input"]["turn_detection"]
        return detection

    @property
    def _input_format(self) -> str:
        return str(self.session["audio"]["input"]["format"]["type"])

    ANSWERS: ClassVar[Mapping[str, Callable[..., list[Wire]]]] = {
        "session.update": _update,
        "conversation.item.create": _create_item,
        "conversation.item.delete": _delete_item,
        "conversation.item.retrieve": _retrieve_item,
        "conversation.item.truncate": _truncate_item,
        "input_audio_buffer.append": _append,
        "input_audio_buffer.commit": _commit,
        "input_audio_buffer.clear": _clear,
        "output_audio_buffer.clear": _no_output_buffer,
    }
