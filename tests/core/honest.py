"""A small server that keeps the rules of wire.md, for a machine that interleaves everything.

Imports nothing of the core. Both directions are queues: what is under way is delivered when the
machine says so.
"""

from __future__ import annotations

from collections import deque
from typing import Any

ACTIVE = "conversation_already_has_active_response"


class Honest:
    """One conversation, one default response at a time, any number out of band."""

    def __init__(self) -> None:
        self.heard: deque[dict[str, Any]] = deque()  # client events under way to it
        self.said: deque[dict[str, Any]] = deque()  # server events under way to the client
        self.items: list[str] = []
        self.running: dict[str, dict[str, Any]] = {}  # response id -> response object
        self.active: str | None = None
        self.question: dict[str, str | None] = {}  # response id -> the newest question
        self._count = 0

    def step(self, refuse: bool = False) -> None:
        """Take in the oldest client event; `refuse`: an item or create is not liked."""
        event = self.heard.popleft()
        known = {
            "conversation.item.create": self._create_item,
            "conversation.item.delete": self._delete,
            "response.create": self._respond,
            "response.cancel": self._cancel,
        }
        if refuse and event["type"] in ("conversation.item.create", "response.create"):
            self._refuse(event, "server_error")
        else:
            known[event["type"]](event)

    def speech(self) -> None:
        """The user speaks; the server answers by itself, unless it is at it."""
        item = {"id": self._id("u"), "type": "message", "role": "user", "content": []}
        self._place(item)
        if self.active is None:
            self._begin({}, None)

    def progress(self, response: str, *calls: str, status: str = "completed") -> None:
        """A response comes to its end, with these calls, or else with a message."""
        told = self.running.pop(response)
        output = [
            {"type": "function_call", "call_id": c, "name": "add", "arguments": "{}"} for c in calls
        ] or [{"type": "message", "role": "assistant", "content": []}]
        for index, item in enumerate(output):
            item["id"] = self._id("i")
            place = {"response_id": response, "output_index": index, "item": item}
            self.said.append({"type": "response.output_item.added", **place})
            if response == self.active:
                self._place(item)
            self.said.append({"type": "response.output_item.done", **place})
        if response == self.active:
            self.active = None
        ended = {**told, "status": status, "output": output}
        self.said.append({"type": "response.done", "response": ended})

    def _create_item(self, event: dict[str, Any]) -> None:
        self._place(event["item"])

    def _delete(self, event: dict[str, Any]) -> None:
        if event["item_id"] not in self.items:
            self._refuse(event, "item_delete_invalid_item_id")
            return
        self.items.remove(event["item_id"])
        self.said.append({"type": "conversation.item.deleted", "item_id": event["item_id"]})

    def _respond(self, event: dict[str, Any]) -> None:
        params = event.get("response") or {}
        if params.get("conversation") != "none" and self.active is not None:
            self._refuse(event, ACTIVE)
        else:
            self._begin(params, params.get("metadata"))

    def _cancel(self, event: dict[str, Any]) -> None:
        response = event.get("response_id") or self.active
        if response not in self.running:
            self._refuse(event, "response_cancel_not_active")
        else:
            self.progress(str(response), status="cancelled")

    def _begin(self, params: dict[str, Any], metadata: Any) -> None:
        response = self._id("r")
        default = params.get("conversation") != "none"
        told = {
            "id": response,
            "metadata": metadata,
            "conversation_id": "conv_1" if default else None,
        }
        self.running[response] = told
        if default:
            self.active = response
        asked = [item for item in self.items if item.endswith("_asked")]
        self.question[response] = asked[-1] if asked else None
        self.said.append({"type": "response.created", "response": told})

    def _place(self, item: dict[str, Any]) -> None:
        before = self.items[-1] if self.items else None
        self.items.append(item["id"])
        told = {"previous_item_id": before, "item": item}
        self.said.append({"type": "conversation.item.added", **told})
        self.said.append({"type": "conversation.item.done", **told})

    def _refuse(self, event: dict[str, Any], code: str) -> None:
        details = {"type": "invalid_request_error", "code": code, "event_id": event["event_id"]}
        self.said.append({"type": "error", "error": details})

    def _id(self, kind: str) -> str:
        self._count += 1
        return f"{kind}{self._count}"
