"""/assistants and /threads: who answers, and what has been said.

Its owner sees that one call is made at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from realtime_sync.local.text.files import Files
from realtime_sync.local.text.listing import Listing
from realtime_sync.local.text.vocabulary import (
    ASSISTANT,
    ASSISTANT_UPDATE,
    METADATA_UPDATE,
    THREAD,
    THREAD_MESSAGE,
    THREAD_UPDATE,
)

__all__ = ["Assistants", "Threads"]

Wire = dict[str, Any]


class Assistants:
    """The assistants of a server.

    Args:
        new_id: Makes ids that no other has.
        epoch: Seconds since 1970, now.
    """

    def __init__(self, *, new_id: Callable[[str], str], epoch: Callable[[], float]) -> None:
        self._new_id = new_id
        self._epoch = epoch
        self._assistants = Listing("assistant")

    def create(self, body: Wire) -> Wire:
        """A new one.

        Raises:
            Refusal: The body is wrong.
        """
        ASSISTANT(body, "")
        return self._assistants.add(
            {
                "id": self._new_id("asst_"),
                "object": "assistant",
                "created_at": int(self._epoch()),
                "name": None,
                "description": None,
                "instructions": None,
                "response_format": "auto",
                **body,
                **_settings(body),
            }
        )

    def update(self, body: Wire, assistant_id: str) -> Wire:
        """Changes what is given.

        Raises:
            Refusal: The body is wrong, or there is no such assistant.
        """
        ASSISTANT_UPDATE(body, "")
        found = self._assistants.find(assistant_id)
        found.update(body)
        found.update(_settings(found))
        return found

    def retrieve(self, _query: Wire, assistant_id: str) -> Wire:
        """One of them."""
        return self._assistants.find(assistant_id)

    def list(self, query: Wire) -> Wire:
        """A page of them."""
        return self._assistants.page(query)

    def delete(self, _query: Wire, assistant_id: str) -> Wire:
        """Takes one out."""
        return self._assistants.remove(assistant_id)


class Threads:
    """The threads of a server, and their messages.

    Args:
        files: What messages may point to.
        new_id: Makes ids that no other has.
        epoch: Seconds since 1970, now.
        check_idle: Raises `Refusal` while a run of this thread is active.
    """

    def __init__(
        self,
        *,
        files: Files,
        new_id: Callable[[str], str],
        epoch: Callable[[], float],
        check_idle: Callable[[str], None],
    ) -> None:
        self._files = files
        self._new_id = new_id
        self._epoch = epoch
        self._check_idle = check_idle
        self._threads = Listing("thread", most=1000)
        self._messages: dict[str, Listing] = {}

    def create(self, body: Wire) -> Wire:
        """A new one, with the messages that are given.

        Raises:
            Refusal: The body is wrong.
        """
        THREAD(body, "")
        thread = self._threads.add(
            {
                "id": self._new_id("thread_"),
                "object": "thread",
                "created_at": int(self._epoch()),
                "metadata": body.get("metadata") or {},
                "tool_resources": body.get("tool_resources") or {},
            }
        )
        self._messages[thread["id"]] = Listing("message")
        for message in body.get("messages") or ():
            self.add_given(thread["id"], message)
        kept = {one["id"] for one in self._threads}
        self._messages = {key: value for key, value in self._messages.items() if key in kept}
        return thread

    def retrieve(self, _query: Wire, thread_id: str) -> Wire:
        """One of them."""
        return self._threads.find(thread_id)

    def update(self, body: Wire, thread_id: str) -> Wire:
        """Changes its metadata."""
        THREAD_UPDATE(body, "")
        found = self._threads.find(thread_id)
        found.update({name: value or {} for name, value in body.items()})
        return found

    def delete(self, _query: Wire, thread_id: str) -> Wire:
        """Takes one out, with its messages."""
        deleted = self._threads.remove(thread_id)
        del self._messages[thread_id]
        return deleted

    def create_message(self, body: Wire, thread_id: str) -> Wire:
        """Puts a message at the end.

        Raises:
            Refusal: The body is wrong, there is no such thread, or a run of it is active.
        """
        THREAD_MESSAGE(body, "")
        self._threads.find(thread_id)
        self._check_idle(thread_id)
        return self.add_given(thread_id, body)

    def list_messages(self, query: Wire, thread_id: str) -> Wire:
        """A page of them, or of those of one run."""
        run_id = query.get("run_id")
        return self.messages(thread_id).page(query, lambda one: run_id in (None, one["run_id"]))

    def retrieve_message(self, _query: Wire, thread_id: str, message_id: str) -> Wire:
        """One of them."""
        return self.messages(thread_id).find(message_id)

    def update_message(self, body: Wire, thread_id: str, message_id: str) -> Wire:
        """Changes its metadata."""
        METADATA_UPDATE(body, "")
        found = self.messages(thread_id).find(message_id)
        found["metadata"] = body.get("metadata") or {}
        return found

    def delete_message(self, _query: Wire, thread_id: str, message_id: str) -> Wire:
        """Takes one out."""
        return self.messages(thread_id).remove(message_id)

    def messages(self, thread_id: str) -> Listing:
        """The messages of a thread.

        Raises:
            Refusal: There is no such thread.
        """
        self._threads.find(thread_id)
        return self._messages[thread_id]

    def add_given(self, thread_id: str, given: Wire) -> Wire:
        """A message of a client's, checked already.

        Raises:
            Refusal: It points to a file that there is not.
        """
        content = given["content"]
        parts: list[Wire] = (
            [{"type": "text", "text": content}] if isinstance(content, str) else content
        )
        for part in parts:
            if part["type"] == "image_file":
                self._files.retrieve({}, part["image_file"]["file_id"])
        message = self.new_message(thread_id, given["role"], [_shown(part) for part in parts])
        message.update(
            status="completed",
            completed_at=int(self._epoch()),
            metadata=given.get("metadata") or {},
            attachments=given.get("attachments") or [],
        )
        return message

    def new_message(self, thread_id: str, role: str, content: list[Wire]) -> Wire:
        """A message in progress, at the end of the thread."""
        return self.messages(thread_id).add(
            {
                "id": self._new_id("msg_"),
                "object": "thread.message",
                "created_at": int(self._epoch()),
                "thread_id": thread_id,
                "assistant_id": None,
                "run_id": None,
                "status": "in_progress",
                "incomplete_details": None,
                "incomplete_at": None,
                "completed_at": None,
                "role": role,
                "content": content,
                "attachments": [],
                "metadata": {},
            }
        )

    def items(self, thread_id: str) -> list[Wire]:
        """What has been said, as a realtime session has it."""
        return [
            {
                "type": "message",
                "role": message["role"],
                "content": [_part(part, message["role"]) for part in message["content"]],
            }
            for message in self.messages(thread_id)
            if message["content"]
        ]


def _settings(given: Wire) -> Wire:
    """What is reported in the place of null and of what was left out."""
    return {
        "metadata": given.get("metadata") or {},
        "tools": given.get("tools") or [],
        "tool_resources": given.get("tool_resources") or {},
        "temperature": 1.0 if given.get("temperature") is None else given["temperature"],
        "top_p": 1.0 if given.get("top_p") is None else given["top_p"],
    }


def _shown(part: Wire) -> Wire:
    """A part of a message as it is reported."""
    if part["type"] == "text":
        return {"type": "text", "text": {"value": part["text"], "annotations": []}}
    return {"type": part["type"], part["type"]: {"detail": "auto", **part[part["type"]]}}


def _part(part: Wire, role: str) -> Wire:
    if part["type"] == "text":
        kind = "output_text" if role == "assistant" else "input_text"
        return {"type": kind, "text": part["text"]["value"]}
    return {"type": "input_image"}
