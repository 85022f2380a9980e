"""One response of a text model, told in events of the Realtime API. No thread, no network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .model import Call, Counted, Ended, Piece, Text

__all__ = ["Answer", "Wire"]

Wire = dict[str, Any]


class _Output:
    """An item of the response while it grows."""

    def __init__(self, item: Wire, index: int) -> None:
        self.item = item  # as it was added
        self.index = index
        self.pieces: list[str] = []  # of its text, or of its arguments

    @property
    def calls(self) -> bool:
        return bool(self.item["type"] == "function_call")

    def whole(self, status: str) -> Wire:
        said = "".join(self.pieces)
        if self.calls:
            return {**self.item, "arguments": said, "status": status}
        return {**self.item, "content": [_text(said)], "status": status}


class Answer:
    """A response as it comes in pieces.

    Args:
        response_id: Its id.
        create: The `response.create` that asked for it.
        new_id: Makes ids of items: given a kind, at most 32 characters.
        call_id: Makes the id of a call unlike those of all other calls; given the model's own.
    """

    def __init__(
        self,
        response_id: str,
        create: Wire,
        *,
        new_id: Callable[[str], str],
        call_id: Callable[[str | None], str],
    ) -> None:
        self.id = response_id
        self.params: Wire = create.get("response") or {}
        self.default = self.params.get("conversation") != "none"  # it writes the conversation
        self.items: list[Wire] = []  # as they stand at its end
        self._new_id = new_id
        self._call_id = call_id
        self._outputs: list[_Output] = []
        self._texts: dict[str | None, _Output] = {}  # by the id that the model gave the message
        self._calls: dict[Any, _Output] = {}  # by the index that the model counts by
        self._early: dict[Any, Wire] = {}  # calls of which no name has come yet
        self._usage: Wire | None = None

    # --- in

    def created(self) -> list[Wire]:
        """It begins."""
        return [{"type": "response.created", "response": self._object("in_progress")}]

    def take(self, piece: Piece, after: str | None) -> list[Wire]:
        """A piece of it.

        Args:
            piece: Any but `Ended`.
            after: Id of the last item of the conversation.
        """
        match piece:
            case Text():
                return self._said(piece.delta, piece.item_id, after)
            case Call():
                return self._called(piece, after)
            case Counted():
                self._usage = piece.usage
        return []

    def end(self, ended: Ended, after: str | None) -> list[Wire]:
        """It is over."""
        told: list[Wire] = []
        for index in list(self._early):  # the core answers a call without a name
            told += self._begin_call(index, "", after)
        status = "completed" if ended.status == "completed" else "incomplete"
        for output in self._outputs:
            item = output.whole(status)
            self.items.append(item)
            told += self._over(output, item)
        details: Wire | None = None
        if ended.status != "completed":
            details = {"type": ended.status, "reason": ended.reason}
            if ended.error is not None:
                details["error"] = dict(ended.error)
        done = {**self._object(ended.status), "status_details": details, "output": self.items}
        if self._usage is not None:
            done["usage"] = self._usage
        return [*told, {"type": "response.done", "response": done}]

    # --- out

    def _said(self, delta: str, item_id: str | None, after: str | None) -> list[Wire]:
        told: list[Wire] = []
        if not delta:
            return told
        if item_id not in self._texts:
            item = {"id": item_id or self._new_id("msg"), "type": "message", "role": "assistant"}
            self._texts[item_id], told = self._add({**item, "content": []}, after)
            place = {**self._place(self._texts[item_id]), "content_index": 0}
            told.append({"type": "response.content_part.added", **place, "part": _text("")})
        text = self._texts[item_id]
        text.pieces.append(delta)
        place = {**self._place(text), "content_index": 0}
        return [*told, {"type": "response.output_text.delta", **place, "delta": delta}]

    def _called(self, piece: Call, after: str | None) -> list[Wire]:
        known = self._calls.get(piece.index)
        if known is not None:
            return self._argued(known, piece.arguments)
        early = self._early.setdefault(piece.index, {"arguments": "", "id": None})
        early["arguments"] += piece.arguments
        early["id"] = early["id"] or piece.call_id
        return self._begin_call(piece.index, piece.name, after) if piece.name else []

    def _begin_call(self, index: Any, name: str, after: str | None) -> list[Wire]:
        early = self._early.pop(index)
        item = {
            "id": self._new_id("fc"),
            "type": "function_call",
            "call_id": self._call_id(early["id"]),
            "name": name,
            "arguments": "",
        }
        output, told = self._add(item, after)
        self._calls[index] = output
        return [*told, *self._argued(output, early["arguments"])]

    def _argued(self, output: _Output, delta: str) -> list[Wire]:
        if not delta:
            return []
        output.pieces.append(delta)
        place = {**self._place(output), "call_id": output.item["call_id"]}
        return [{"type": "response.function_call_arguments.delta", **place, "delta": delta}]

    def _add(self, item: Wire, after: str | None) -> tuple[_Output, list[Wire]]:
        item = {"object": "realtime.item", **item, "status": "in_progress"}
        output = _Output(item, len(self._outputs))
        before = self._outputs[-1].item["id"] if self._outputs else after
        self._outputs.append(output)
        place = {"response_id": self.id, "output_index": output.index}
        told: list[Wire] = [{"type": "response.output_item.added", **place, "item": item}]
        if self.default:
            added = {"type": "conversation.item.added", "previous_item_id": before}
            told.insert(0, {**added, "item": item})
        return output, told

    def _over(self, output: _Output, item: Wire) -> list[Wire]:
        place, said = self._place(output), "".join(output.pieces)
        told: list[Wire]
        if output.calls:
            done = {"call_id": item["call_id"], "name": item["name"], "arguments": said}
            told = [{"type": "response.function_call_arguments.done", **place, **done}]
        else:
            place["content_index"] = 0
            told = [
                {"type": "response.output_text.done", **place, "text": said},
                {"type": "response.content_part.done", **place, "part": _text(said)},
            ]
        place = {"response_id": self.id, "output_index": output.index}
        told.append({"type": "response.output_item.done", **place, "item": item})
        if self.default:
            told.append({"type": "conversation.item.done", "item": item})
        return told

    def _place(self, output: _Output) -> Wire:
        return {
            "response_id": self.id,
            "item_id": output.item["id"],
            "output_index": output.index,
        }

    def _object(self, status: str) -> Wire:
        return {
            "id": self.id,
            "object": "realtime.response",
            "status": status,
            "output": [],
            "conversation_id": "conv_text" if self.default else None,
            "output_modalities": ["text"],
            "metadata": self.params.get("metadata"),
        }


def _text(text: str) -> Wire:
    return {"type": "output_text", "text": text}
