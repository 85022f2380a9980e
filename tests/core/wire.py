"""What a server sends, in short: one line of a scenario becomes the events of wire.md (h)."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

TAG = "realtime_sync"
AUDIO_100_MS = base64.b64encode(bytes(4800)).decode()


class Server:
    """Spells events out. Remembers what each response has put out, for its `response.done`."""

    def __init__(self) -> None:
        self._output: dict[str, list[dict[str, Any]]] = {}
        self._last: str | None = None  # the newest item of the conversation

    def events(self, said: str | dict[str, Any]) -> list[dict[str, Any]]:
        """The events of one entry; a dict is one as it stands."""
        if isinstance(said, dict):
            return [said]
        verb, *words = said.split(" ")
        return _VERBS[verb](self, *words)

    def session(self, *_: str) -> list[dict[str, Any]]:
        return [_session("session.created")]

    def updated(self, *_: str) -> list[dict[str, Any]]:
        return [_session("session.updated")]

    def created(self, response: str, tag: str = "") -> list[dict[str, Any]]:
        """`created r1 e1`: the answer to e1; without: begun by the server itself."""
        told = _response(response, "in_progress")
        told["metadata"] = {TAG: tag} if tag else None
        return [{"type": "response.created", "response": told}]

    def done(self, response: str, status: str = "completed") -> list[dict[str, Any]]:
        told = _response(response, status)
        told["output"] = self._output.pop(response, [])
        return [{"type": "response.done", "response": told}]

    def user(self, item: str, *text: str) -> list[dict[str, Any]]:
        part = {"type": "input_text", "text": " ".join(text)}
        return self._placed(_message(item, "user", "completed", part))

    def say(self, response: str, item: str, *words: str) -> list[dict[str, Any]]:
        """A text item, from its beginning to its end."""
        whole = {"type": "output_text", "text": " ".join(words)}
        deltas = [
            {**_place(response, item), "type": "response.output_text.delta", "delta": piece}
            for piece in _pieces(words)
        ]
        done = {
            **_place(response, item),
            "type": "response.output_text.done",
            "text": whole["text"],
        }
        return self._item(response, _message(item, "assistant", "completed", whole), deltas, done)

    def speak(self, response: str, item: str, *words: str) -> list[dict[str, Any]]:
        """An audio item: 100 ms and one delta for each word."""
        whole = {"type": "output_audio", "transcript": " ".join(words)}
        deltas = []
        for piece in _pieces(words):
            place = _place(response, item)
            deltas += [
                {**place, "type": "response.output_audio_transcript.delta", "delta": piece},
                {**place, "type": "response.output_audio.delta", "delta": AUDIO_100_MS},
            ]
        done = {
            **_place(response, item),
            "type": "response.output_audio_transcript.done",
            "transcript": whole["transcript"],
        }
        return self._item(response, _message(item, "assistant", "completed", whole), deltas, done)

    def opens(self, response: str, item: str) -> list[dict[str, Any]]:
        """An assistant item begins."""
        begun = _message(item, "assistant", "in_progress")
        place = {"output_index": len(self._output.get(response, ())), "response_id": response}
        return [
            {"type": "response.output_item.added", **place, "item": begun},
            {
                "type": "conversation.item.added",
                "previous_item_id": self._after(item),
                "item": begun,
            },
        ]

    def text(self, response: str, item: str, *words: str) -> list[dict[str, Any]]:
        """One text delta."""
        delta = " ".join(words)
        return [{**_place(response, item), "type": "response.output_text.delta", "delta": delta}]

    def call(
        self, response: str, item: str, call_id: str, name: str, arguments: str = "{}"
    ) -> list[dict[str, Any]]:
        """A function call, whole."""
        base = {"id": item, "type": "function_call", "call_id": call_id, "name": name}
        whole = {**base, "status": "completed", "arguments": arguments}
        begun = {**base, "status": "in_progress", "arguments": ""}
        output = self._output.setdefault(response, [])
        place = {"response_id": response, "output_index": len(output)}
        output.append(whole)
        piece = {**place, "item_id": item, "call_id": call_id}
        kind = "response.function_call_arguments"
        return [
            {"type": "response.output_item.added", **place, "item": begun},
            {
                "type": "conversation.item.added",
                "previous_item_id": self._after(item),
                "item": begun,
            },
            {"type": f"{kind}.delta", **piece, "delta": arguments},
            {"type": f"{kind}.done", **piece, "arguments": arguments, "name": name},
            {"type": "response.output_item.done", **place, "item": whole},
            {"type": "conversation.item.done", "item": whole},
        ]

    def mcp(self, response: str, item: str, label: str, name: str) -> list[dict[str, Any]]:
        """An MCP call that has begun to run."""
        begun = {"id": item, "type": "mcp_call", "server_label": label, "name": name}
        return self._put(response, {**begun, "arguments": "{}"})

    def mcp_done(
        self, item: str, label: str, name: str, output: str, request: str = ""
    ) -> list[dict[str, Any]]:
        """Its end, as the conversation has it."""
        done = {"id": item, "type": "mcp_call", "server_label": label, "name": name}
        whole = {**done, "arguments": "{}", "output": output}
        if request:
            whole["approval_request_id"] = request
        return self._placed(whole)

    def asks(
        self, response: str, item: str, label: str, name: str, arguments: str
    ) -> list[dict[str, Any]]:
        """A request for the approval of an MCP call, whole."""
        wanted = {"type": "mcp_approval_request", "server_label": label, "name": name}
        whole = {"id": item, **wanted, "arguments": arguments}
        begun = self._put(response, whole)
        index = {"response_id": response, "output_index": begun[0]["output_index"]}
        return [*begun, {"type": "response.output_item.done", **index, "item": whole}]

    def _put(self, response: str, item: dict[str, Any]) -> list[dict[str, Any]]:
        output = self._output.setdefault(response, [])
        place = {"response_id": response, "output_index": len(output)}
        output.append(item)
        before = self._after(item["id"])
        return [
            {"type": "response.output_item.added", **place, "item": item},
            {"type": "conversation.item.added", "previous_item_id": before, "item": item},
        ]

    def added(self, item: str, previous: str = "") -> list[dict[str, Any]]:
        """The answer to an item of ours, or anybody's empty one."""
        placed = _message(item, "user", "completed")
        before = previous or self._last
        self._last = item
        return [{"type": "conversation.item.added", "previous_item_id": before, "item": placed}]

    def deleted(self, item: str) -> list[dict[str, Any]]:
        return [{"type": "conversation.item.deleted", "item_id": item}]

    def truncated(self, item: str, milliseconds: str) -> list[dict[str, Any]]:
        event = {"type": "conversation.item.truncated", "item_id": item, "content_index": 0}
        return [{**event, "audio_end_ms": int(milliseconds)}]

    def committed(self, item: str) -> list[dict[str, Any]]:
        return [{"type": "input_audio_buffer.committed", "item_id": item}]

    def heard(self, item: str, *text: str) -> list[dict[str, Any]]:
        """A whole user transcript."""
        kind = "conversation.item.input_audio_transcription.completed"
        return [{"type": kind, "item_id": item, "content_index": 0, "transcript": " ".join(text)}]

    def error(self, code: str, event_id: str = "") -> list[dict[str, Any]]:
        details = {"type": "invalid_request_error", "code": code, "message": f"refused: {code}"}
        return [{"type": "error", "error": {**details, "event_id": event_id or None}}]

    def _after(self, item: str) -> str | None:
        before, self._last = self._last, item
        return before

    def _placed(self, item: dict[str, Any]) -> list[dict[str, Any]]:
        before = self._after(item["id"])
        return [
            {"type": "conversation.item.added", "previous_item_id": before, "item": item},
            {"type": "conversation.item.done", "previous_item_id": before, "item": item},
        ]

    def _item(
        self, response: str, whole: dict[str, Any], deltas: list[Any], done: dict[str, Any]
    ) -> list[dict[str, Any]]:
        output = self._output.setdefault(response, [])
        place = {"response_id": response, "output_index": len(output)}
        output.append(whole)
        begun = {**whole, "status": "in_progress", "content": []}
        before = self._after(whole["id"])
        index = {"output_index": place["output_index"]}
        return [
            {"type": "response.output_item.added", **place, "item": begun},
            {"type": "conversation.item.added", "previous_item_id": before, "item": begun},
            *({**event, **index} for event in deltas),
            {**done, **index},
            {"type": "response.output_item.done", **place, "item": whole},
            {"type": "conversation.item.done", "item": whole},
        ]


def _session(kind: str) -> dict[str, Any]:
    pcm = {"format": {"type": "audio/pcm", "rate": 24000}}
    session = {"type": "realtime", "id": "sess_1", "audio": {"input": pcm, "output": pcm}}
    return {"type": kind, "session": session}


def _response(response: str, status: str) -> dict[str, Any]:
    return {"id": response, "status": status, "conversation_id": "conv_1", "output": []}


def _message(item: str, role: str, status: str, *parts: dict[str, Any]) -> dict[str, Any]:
    return {"id": item, "type": "message", "role": role, "status": status, "content": [*parts]}


def _place(response: str, item: str) -> dict[str, Any]:
    return {"response_id": response, "item_id": item, "output_index": 0, "content_index": 0}


def _pieces(words: tuple[str, ...]) -> list[str]:
    return [word if n == 0 else f" {word}" for n, word in enumerate(words)]


_VERBS: dict[str, Callable[..., list[dict[str, Any]]]] = {
    name: method
    for name, method in vars(Server).items()
    if not name.startswith("_") and name != "events"
}
