"""Conversation items and their content parts. Knows no event and no session.

One class serves every kind of item, as the wire has one list of them: what a kind does not have
is None, and kinds of tomorrow keep their fields. Source: wire.md section (d).
"""

from __future__ import annotations

import binascii
import logging
from collections.abc import Callable
from typing import Any

import pybase64

from .tools import ListedTool
from .value import Value

__all__ = ["Item", "McpError", "Part", "decode_audio"]

log = logging.getLogger(__name__)

#: What an item has beside its fields. In `__dict__`: private attributes, as pydantic has them, cost
#: every item 2 µs, and nearly none has one.
_AUDIO, _CONFIDENCE = "_audio", "_confidence"
#: Part types of both dialects, by what they hold.
TEXT_PARTS = frozenset({"input_text", "output_text", "text"})
AUDIO_PARTS = frozenset({"input_audio", "output_audio", "audio"})


def decode_audio(text: str | None, *, told: bool = False) -> bytes:
    """Bytes of a base64 text; b"" where it is none: bad input never raises.

    There is a WARNING then, unless it was told of.
    """
    if not text:
        return b""
    try:
        return pybase64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        if not told:
            log.warning("audio that is not base64 was skipped: %d characters", len(text))
        return b""


class Part(Value):
    """One content part of a message.

    Attributes:
        type: "input_text", "input_audio", "input_image", "output_text", "output_audio"; the beta
            names "text" and "audio" too.
        text: Of text parts.
        audio: Base64, in the session's format; `Item.audio` gives bytes.
        transcript: Of audio parts; None until it is known.
        image_url: A data URI, PNG or JPEG.
        detail: "auto", "low" or "high".
    """

    type: str | None = None
    text: str | None = None
    audio: str | None = None
    transcript: str | None = None
    image_url: str | None = None
    detail: str | None = None


class McpError(Value):
    """Why an MCP call has no output.

    Attributes:
        type: "protocol_error", "http_error" or "tool_execution_error".
        code: Of the first two, a number.
    """

    type: str | None = None
    code: int | str | None = None
    message: str | None = None


class Item(Value):
    """A conversation item: message, function call, its output, or one of the MCP kinds.

    An item you hold never changes; look it up again to see what has come since.

    Attributes:
        id: Chosen by us (at most 32 characters) or by the server.
        type: "message", "function_call", "function_call_output", "mcp_call", ...
        role: Of messages: "system", "user" or "assistant"; else None.
        status: "in_progress", "completed" or "incomplete"; None where the server gave none.
        content: Parts of a message.
        call_id: Of function calls and their outputs.
        name: Of calls.
        arguments: Of calls: JSON text, as the model wrote it (it may be invalid).
        output: Of outputs and MCP calls.
        phase: Of messages by reasoning models: "commentary" or "final_answer".
        server_label: Of the MCP kinds: whose tools they are.
        tools: Of "mcp_list_tools".
        error: Of "mcp_call"; a text where a server gave only that.
        approval_request_id: Of "mcp_call", and of "mcp_approval_response", with `approve` and
            `reason`: the id of the "mcp_approval_request".
    """

    id: str | None = None
    object: str | None = None
    type: str = "message"
    role: str | None = None
    status: str | None = None
    content: tuple[Part, ...] | None = None
    call_id: str | None = None
    name: str | None = None
    arguments: str | None = None
    output: str | None = None
    phase: str | None = None
    server_label: str | None = None
    tools: tuple[ListedTool, ...] | None = None
    error: McpError | str | None = None
    approval_request_id: str | None = None
    approve: bool | None = None
    reason: str | None = None

    @property
    def text(self) -> str | None:
        """Texts and transcripts of a message, joined; None for other kinds."""
        if self.type != "message":
            return None
        return "".join(p.text or p.transcript or "" for p in self.content or ())

    @property
    def transcript(self) -> str | None:
        """Transcripts of a message's audio, joined; None while there is none."""
        known = [p.transcript for p in self.content or () if p.transcript is not None]
        return "".join(known) if known else None

    @property
    def confidence(self) -> float | None:
        """How sure the model was of a user transcript, 0 to 1; None where it did not say.

        exp of the mean log-probability of its tokens; they are sent where `include` has
        "item.input_audio_transcription.logprobs" and the transcription model has them.
        """
        return self.__dict__.get(_CONFIDENCE)

    @property
    def audio(self) -> bytes | None:
        """Audio bytes in the session's format, b"" where they were not kept; None if no message."""
        if self.type != "message":
            return None
        made = self._audio
        if made is not None:
            return made() if callable(made) else made
        return b"".join(decode_audio(p.audio) for p in self.content or () if p.audio)

    @property
    def _audio(self) -> bytes | Callable[[], bytes] | None:
        """What `with_audio` was given: bytes, or what fetches them; None: the content has it."""
        return self.__dict__.get(_AUDIO)

    def __getstate__(self) -> dict[Any, Any]:
        state = super().__getstate__()
        if callable(self._audio):  # it holds a file, which another process does not have
            state = {**state, "__dict__": {**state["__dict__"], _AUDIO: self.audio}}
        return state

    def with_audio(self, audio: bytes | Callable[[], bytes]) -> Item:
        """The same item, with these bytes, or what fetches them when they are asked for."""
        item = self.model_copy()
        item.__dict__[_AUDIO] = audio
        return item

    def with_confidence(self, confidence: float | None) -> Item:
        """The same item, with how sure the model was of its transcript."""
        item = self.model_copy()
        item.__dict__[_CONFIDENCE] = confidence
        return item

    def _repr_html_(self) -> str:
        """As a notebook shows it: who said what."""
        from ..notebook.cards import item_card

        return item_card(self)

    def describe(self) -> str:
        """One line for logs; never the content's bytes."""
        what = self.role if self.type == "message" else self.name or self.type
        return f"{what} {self.id} {self.status or ''}".rstrip()
