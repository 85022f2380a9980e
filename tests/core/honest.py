"""A small server that keeps the rules of wire.md, for a machine that interleaves everything.

Imports nothing of the core. Both directions are queues: what is under way is delivered when the
machine says so.
"""

from __future__ import annotations

import base64
from collections import deque
from typing import Any

ACTIVE = "conversation_already_has_active_response"
AUDIO_100_MS = base64.b64encode(bytes(4800)).decode()
TOOLS = "add", "multiply"

Wire = dict[str, Any]


class Making:
    """A response in the making: the item that is open, and those that are complete."""

    def __init__(self, told: Wire, default: bool) -> None:
        self.told = told
        self.default = default  # it writes the conversation
        self.output: list[Wire] = []
        self.open: Wire | None = None  # the message that is being said
        self.words: list[str] = []  # of it


class Honest:
    """One conversation, one default response at a time, any number out of band."""

    def __init__(self, count: int = 0, *, echo: bool = True) -> None:
        """`count`: ids go on from there; `echo`: responses show the metadata they were given."""
        self.heard: deque[Wire] = deque()  # client events under way to it
        self.said: deque[Wire] = deque()  # server events under way to the client
        self.items: list[str] = []
        self.audio: dict[str, int] = {}  # milliseconds that were said, by assistant item
        self.unheard: list[str] = []  # user audio without a transcript
        self.running: dict[str, Making] = {}  # by response id
        self.active: str | None = None
        self.question: dict[str, str | None] = {}  # response id -> the newest question
        self._newest: str | None = None
        self.count = count  # of ids
        self.echo = echo

    def step(self, refuse: bool = False) -> None:
        """Take in the oldest client event; `refuse`: an item or create is not liked."""
        event = self.heard.popleft()
        known = {
            "conversation.item.create": self._create_item,
            "conversation.item.delete": self._delete,
            "conversation.item.truncate": self._truncate,
            "response.create": self._respond,
            "response.cancel": self._cancel,
        }
        if refuse and event["type"] in ("conversation.item.create", "response.create"):
            self._refuse(event, "server_error")
        else:
            known[event["type"]](event)

    # --- by itself

    def speech(self, early: bool = False) -> None:
        """The user speaks; the server answers by itself, unless it is at it.

        Args:
            early: A piece of the transcript is faster than the item.
        """
        part = {"type": "input_audio", "transcript": None}
        item = {"id": self._id("u"), "type": "message", "role": "user", "content": [part]}
        if early:
            self._transcript(item["id"], "delta", delta="hear")
        self._place(item)
        self._say("conversation.item.done", item=item, previous_item_id=None)
        self.unheard.append(item["id"])
        if self.active is None and self.echo:  # else whose it is cannot be known
            self._begin({}, None)

    def transcribe(self, item: str) -> None:
        """A transcript comes, however late."""
        self.unheard.remove(item)
        self._transcript(item, "delta", delta="hear")
        self._transcript(item, "completed", transcript=f"heard {item}")

    def speak(self, response: str, word: str, spoken: bool = True) -> None:
        """A response says a word more, in an item that it opens where none is."""
        made = self.running[response]
        if made.open is None:
            begun = {"type": "message", "role": "assistant", "status": "in_progress"}
            made.open, made.words = {"id": self._id("i"), **begun, "content": []}, []
            if spoken:
                self.audio[made.open["id"]] = 0
            self._output("response.output_item.added", response, item=made.open)
            if made.default:
                self._place(made.open)
        item = made.open["id"]
        delta = f" {word}" if made.words else word
        made.words.append(delta)
        kind = "output_audio_transcript" if item in self.audio else "output_text"
        place = {"item_id": item, "content_index": 0}
        self._output(f"response.{kind}.delta", response, **place, delta=delta)
        if item in self.audio:
            self._output("response.output_audio.delta", response, **place, delta=AUDIO_100_MS)
            self.audio[item] += 100

    def close(self, response: str, status: str = "completed") -> None:
        """The open item is complete; another may follow."""
        made = self.running[response]
        if made.open is None:
            return
        item, text = made.open["id"], "".join(made.words)
        spoken = item in self.audio
        kind, field = ("output_audio", "transcript") if spoken else ("output_text", "text")
        place = {"item_id": item, "content_index": 0, field: text}
        event = "output_audio_transcript" if spoken else "output_text"
        self._output(f"response.{event}.done", response, **place)
        whole = {**made.open, "status": status, "content": [{"type": kind, field: text}]}
        self._end_item(response, whole)
        made.open = None

    def progress(
        self, response: str, *calls: str, status: str = "completed", names: tuple[str, ...] = ()
    ) -> None:
        """A response comes to its end, with these calls, or else with what it has said.

        Args:
            response: Its id.
            calls: Ids of the calls.
            status: How it ends.
            names: Whom they call, one each; nothing: one of `TOOLS`.
        """
        self.close(response, status)
        named = iter(names)
        for call in calls:
            name = next(named, TOOLS[self.count % 2])
            base = {"type": "function_call", "call_id": call, "name": name, "arguments": "{}"}
            item = {"id": self._id("i"), **base}
            self._output("response.output_item.added", response, item=item)
            if self.running[response].default:
                self._place(item)
            self._end_item(response, item)
        made = self.running.pop(response)
        if response == self.active:
            self.active = None
        self._say("response.done", response={**made.told, "status": status, "output": made.output})

    def _end_item(self, response: str, item: Wire) -> None:
        made = self.running[response]
        self._output("response.output_item.done", response, item=item)
        if item["id"] in self.items:
            self._say("conversation.item.done", item=item, previous_item_id=None)
        made.output.append(item)

    # --- what a client asks for

    def _create_item(self, event: Wire) -> None:
        before = event.get("previous_item_id")
        if before not in (None, "root", *self.items):
            self._refuse(event, "item_create_invalid_previous_item_id")
            return
        item = {**event["item"], "content": event["item"].get("content", [])}
        self._place(item, before)
        self._say("conversation.item.done", item=item, previous_item_id=None)
        if item["id"].endswith("_asked"):
            self._newest = item["id"]

    def _delete(self, event: Wire) -> None:
        if event["item_id"] not in self.items:
            self._refuse(event, "item_delete_invalid_item_id")
            return
        self.items.remove(event["item_id"])
        self._say("conversation.item.deleted", item_id=event["item_id"])

    def _truncate(self, event: Wire) -> None:
        item, end = event["item_id"], event["audio_end_ms"]
        if item not in self.items or not self.audio.get(item):
            self._refuse(event, "item_truncate_invalid_item_id")
        elif end > self.audio[item]:
            self._refuse(event, "invalid_value")
        else:
            self.audio[item] = end
            told = {"item_id": item, "content_index": 0, "audio_end_ms": end}
            self._say("conversation.item.truncated", **told)

    def _respond(self, event: Wire) -> None:
        params = event.get("response") or {}
        if params.get("conversation") != "none" and self.active is not None:
            self._refuse(event, ACTIVE)
        else:
            self._begin(params, params.get("metadata"))

    def _cancel(self, event: Wire) -> None:
        response = event.get("response_id") or self.active
        if response not in self.running:
            self._refuse(event, "response_cancel_not_active")
        else:
            self.progress(str(response), status="cancelled")

    def _begin(self, params: Wire, metadata: Any) -> None:
        response = self._id("r")
        default = params.get("conversation") != "none"
        told: Wire = {
            "id": response,
            "conversation_id": "conv_1" if default else None,
        }
        if self.echo:
            told["metadata"] = metadata
        self.running[response] = Making(told, default)
        if default:
            self.active = response
        self.question[response] = self._newest
        self._say("response.created", response=told)

    # --- words

    def _place(self, item: Wire, before: str | None = None) -> None:
        at = self.items.index(before) + 1 if before in self.items else len(self.items)
        at = 0 if before == "root" else at
        previous = self.items[at - 1] if at else None
        self.items.insert(at, item["id"])
        self._say("conversation.item.added", item=item, previous_item_id=previous)

    def _refuse(self, event: Wire, code: str) -> None:
        details = {"type": "invalid_request_error", "code": code, "event_id": event["event_id"]}
        self._say("error", error=details)

    def _transcript(self, item: str, kind: str, **fields: str) -> None:
        name = f"conversation.item.input_audio_transcription.{kind}"
        self._say(name, item_id=item, content_index=0, **fields)

    def _output(self, kind: str, response: str, **fields: Any) -> None:
        index = len(self.running[response].output)
        self._say(kind, response_id=response, output_index=index, **fields)

    def _say(self, kind: str, **fields: Any) -> None:
        self.said.append({"type": kind, **fields})

    def _id(self, kind: str) -> str:
        self.count += 1
        return f"{kind}{self.count}"
