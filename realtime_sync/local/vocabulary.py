"""The client events of the protocol: which there are, and which fields each may have.

Tables of shapes; they do nothing.
"""

from __future__ import annotations

from realtime_sync.local import settings
from realtime_sync.local.conversation import INPUT_ITEM, ITEM
from realtime_sync.local.shapes import (
    Shape,
    array,
    base64_text,
    choice,
    integer,
    metadata,
    nullable,
    record,
    text,
)

__all__ = ["SHAPES", "TRANSCRIPTION_SHAPES", "TRANSLATION_SESSION", "TRANSLATION_SHAPES"]

_ENVELOPE: dict[str, Shape] = {"event_id": nullable(text(512)), "type": text()}
_RESPONSE = record(
    {
        **settings.RESPONSE_SETTINGS,
        "audio": record({"output": settings.OUTPUT}),
        "conversation": nullable(choice("auto", "none")),
        "input": nullable(array(INPUT_ITEM)),
        "metadata": nullable(metadata),
    }
)


def _event_shape(fields: dict[str, Shape], required: tuple[str, ...] = ()) -> Shape:
    return record({**_ENVELOPE, **fields}, required)


_ITEM_ID = {"item_id": text()}
_APPEND = _event_shape({"audio": base64_text}, ("audio",))
SHAPES: dict[str, Shape] = {
    "session.update": _event_shape({"session": settings.SESSION}, ("session",)),
    "conversation.item.create": _event_shape(
        {"item": ITEM, "previous_item_id": nullable(text())}, ("item",)
    ),
    "conversation.item.delete": _event_shape(_ITEM_ID, ("item_id",)),
    "conversation.item.retrieve": _event_shape(_ITEM_ID, ("item_id",)),
    "conversation.item.truncate": _event_shape(
        {**_ITEM_ID, "content_index": integer(0, 0), "audio_end_ms": integer(0, 1 << 31)},
        ("item_id", "content_index", "audio_end_ms"),
    ),
    "input_audio_buffer.append": _APPEND,
    "input_audio_buffer.commit": _event_shape({}),
    "input_audio_buffer.clear": _event_shape({}),
    "output_audio_buffer.clear": _event_shape({}),
    "response.create": _event_shape({"response": nullable(_RESPONSE)}),
    "response.cancel": _event_shape({"response_id": nullable(text())}),
}
"""Every client event of the GA protocol."""

TRANSCRIPTION_SHAPES: dict[str, Shape] = {
    **SHAPES,
    "session.update": _event_shape({"session": settings.TRANSCRIPTION_SESSION}, ("session",)),
}
"""The same in a transcription session."""

_TRANSLATION_AUDIO = record(
    {
        "input": record(
            {
                "transcription": nullable(record({"model": text()}, ("model",))),
                "noise_reduction": nullable(settings.NOISE_REDUCTION),
            }
        ),
        "output": record({"language": text()}),
    }
)
TRANSLATION_SESSION: Shape = record({"model": text(), "audio": _TRANSLATION_AUDIO}, ("model",))
"""`session` of a REST body for a translation."""

TRANSLATION_SHAPES: dict[str, Shape] = {
    "session.update": _event_shape(
        {"session": record({"audio": _TRANSLATION_AUDIO})}, ("session",)
    ),
    "session.input_audio_buffer.append": _APPEND,
    "session.close": _event_shape({}),
}
"""The client events of a translation session."""
