"""The 11 events of a GA client, and two of translations. Knows no socket, thread or state.

Source: wire.md sections (b) and (c), and ga_client_events.json. Wrong values are refused here,
before they leave; unknown fields pass.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from .base import ClientEvent
from .config import AudioConfig, SessionConfig
from .items import Item
from .options import Prompt, Reasoning
from .tools import ToolChoice, ToolObject
from .value import Value


class ResponseParams(Value):
    """What one response does otherwise than the session; `response.create`'s `response`."""

    audio: AudioConfig | None = None
    conversation: str | None = None
    input: tuple[Item, ...] | None = None
    instructions: str | None = None
    max_output_tokens: Annotated[int, Field(strict=True)] | str | None = None
    metadata: dict[str, str] | None = None
    output_modalities: tuple[str, ...] | None = None
    parallel_tool_calls: bool | None = None
    prompt: Prompt | None = None
    reasoning: Reasoning | None = None
    tool_choice: str | ToolChoice | None = None
    tools: tuple[ToolObject, ...] | None = None


class SessionUpdate(ClientEvent):
    """Changes the fields that are present; all or nothing. Answered by `session.updated`."""

    type: Literal["session.update"] = "session.update"
    session: SessionConfig


class ConversationItemCreate(ClientEvent):
    """Puts an item into the conversation: at the end, at "root", or behind an id."""

    type: Literal["conversation.item.create"] = "conversation.item.create"
    item: Item
    previous_item_id: str | None = None


class ConversationItemDelete(ClientEvent):
    """Answered by `conversation.item.deleted`."""

    type: Literal["conversation.item.delete"] = "conversation.item.delete"
    item_id: str


class ConversationItemRetrieve(ClientEvent):
    """Answered by `conversation.item.retrieved`, which carries audio."""

    type: Literal["conversation.item.retrieve"] = "conversation.item.retrieve"
    item_id: str


class ConversationItemTruncate(ClientEvent):
    """Cuts assistant audio at `audio_end_ms`; `content_index` is 0."""

    type: Literal["conversation.item.truncate"] = "conversation.item.truncate"
    item_id: str
    content_index: int = 0
    audio_end_ms: int

    def model_post_init(self, _: Any, /) -> None:
        # the server insists on it, and what was not set is not sent
        self.__pydantic_fields_set__.add("content_index")


class InputAudioBufferAppend(ClientEvent):
    """Base64 audio, at most 15 MiB; nothing answers it."""

    type: Literal["input_audio_buffer.append"] = "input_audio_buffer.append"
    audio: Annotated[str, Field(strict=True)]  # bytes are not base64 yet


class InputAudioBufferCommit(ClientEvent):
    """Makes the buffer a user item; begins no response."""

    type: Literal["input_audio_buffer.commit"] = "input_audio_buffer.commit"


class InputAudioBufferClear(ClientEvent):
    """Forgets what was appended."""

    type: Literal["input_audio_buffer.clear"] = "input_audio_buffer.clear"


class OutputAudioBufferClear(ClientEvent):
    """Cuts playback (WebRTC, SIP)."""

    type: Literal["output_audio_buffer.clear"] = "output_audio_buffer.clear"


class ResponseCreate(ClientEvent):
    """Asks for a response; one at a time writes the conversation."""

    type: Literal["response.create"] = "response.create"
    response: ResponseParams | None = None


class ResponseCancel(ClientEvent):
    """Without an id: the running response of the default conversation."""

    type: Literal["response.cancel"] = "response.cancel"
    response_id: str | None = None


# --- translations


class SessionInputAudioBufferAppend(ClientEvent):
    """Base64 audio to translate: PCM16, 24 kHz, mono; 200 ms each are advised."""

    type: Literal["session.input_audio_buffer.append"] = "session.input_audio_buffer.append"
    audio: Annotated[str, Field(strict=True)]  # bytes are not base64 yet


class SessionClose(ClientEvent):
    """Ends a translation; what is left of it comes before `session.closed`."""

    type: Literal["session.close"] = "session.close"


#: Wire name -> class.
CLIENT_EVENTS: dict[str, type[ClientEvent]] = {
    cls.model_fields["type"].default: cls for cls in ClientEvent.__subclasses__()
}
