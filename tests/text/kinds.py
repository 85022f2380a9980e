"""The kinds of session, all with the same server: what a test does to one holds for the others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from realtime_sync import RealtimeSession
from realtime_sync.calling import Calling
from realtime_sync.local import LocalServer
from realtime_sync.text import AssistantSession, ChatSession, create

__all__ = ["KINDS", "Make"]

#: Makes a session that talks to a server; takes what every kind of session takes.
Make = Callable[..., Calling]


def realtime(server: LocalServer, **arguments: Any) -> RealtimeSession:
    """A realtime session that writes."""
    made = RealtimeSession(endpoint=server.endpoint, output_modalities=["text"], **arguments)
    return made.open()


def chat(server: LocalServer, **arguments: Any) -> ChatSession:
    """A chat over chat completions."""
    return ChatSession("gpt-text", endpoint=server.endpoint, max_retries=0, **arguments)


def responses(server: LocalServer, **arguments: Any) -> ChatSession:
    """A chat over the Responses API."""
    return ChatSession(
        "gpt-text", endpoint=server.endpoint, max_retries=0, api="responses", **arguments
    )


def assistant(server: LocalServer, **arguments: Any) -> AssistantSession:
    """An assistant of its own, in a thread of its own."""
    made = create("gpt-text")
    return AssistantSession(made, endpoint=server.endpoint, max_retries=0, **arguments)


#: Name -> what makes one. A new kind of session comes in here, and has to pass everything.
KINDS: dict[str, Callable[..., Calling]] = {
    "realtime": realtime,
    "chat": chat,
    "responses": responses,
    "assistant": assistant,
}
