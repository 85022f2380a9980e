"""Builders of conversation items, and what of an item can be sent. Knows no session."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pybase64

from .errors import ConfigurationError
from .events.items import AUDIO_PARTS, TEXT_PARTS, Item, Part
from .events.value import check

__all__ = ["assistant", "function_output", "system", "user"]

log = logging.getLogger(__name__)

#: Longest id the server takes. Source: wire.md (j).
MAX_ID = 32
#: First bytes of an image -> its type on the wire.
_IMAGES = {b"\x89PNG\r\n\x1a\n": "image/png", b"\xff\xd8\xff": "image/jpeg"}

ImageLike = bytes | bytearray | memoryview | str | os.PathLike[str]


def user(text: str | None = None, audio: Any = None, image: ImageLike | None = None) -> Item:
    """A user message of any of these.

    Args:
        text: What the user says.
        audio: PCM16 bytes (24 kHz mono, little-endian), an int16 or float32 array (24 kHz;
            frames, or frames by channels), or the path of a WAV file of any rate.
        image: PNG or JPEG, as bytes or as a path.

    Raises:
        TypeError: A part is of another type.
        ValueError: Nothing given, or an image or audio that is none.
        AudioError: The WAV file cannot be read.
    """
    parts: list[dict[str, Any]] = []
    pcm = b""
    if image is not None:
        parts.append({"type": "input_image", "image_url": _data_uri(image)})
    if text is not None:
        parts.append({"type": "input_text", "text": _text(text)})
    if audio is not None:
        pcm = _pcm16(audio)
        parts.append({"type": "input_audio", "audio": pybase64.b64encode(pcm).decode()})
    if not parts:
        raise ValueError("an item needs text, audio or an image")
    item = _message("user", parts)
    return item.with_audio(pcm) if audio is not None else item


def system(text: str) -> Item:
    """A system message: context and rules, also in mid-conversation."""
    return _message("system", [{"type": "input_text", "text": _text(text)}])


def assistant(text: str) -> Item:
    """What the model is to have said."""
    return _message("assistant", [{"type": "output_text", "text": _text(text)}])


def function_output(call_id: str, output: str) -> Item:
    """What a tool call gave; the model sees the text."""
    return Item(type="function_call_output", call_id=_text(call_id), output=_text(output))


def _message(role: str, parts: list[dict[str, Any]]) -> Item:
    return Item.model_validate({"type": "message", "role": role, "content": parts})


def _text(text: object) -> str:
    if not isinstance(text, str):
        raise TypeError(f"a str is needed, not {type(text).__name__}")
    return text


def _pcm16(audio: Any) -> bytes:
    # numpy comes in with audio only
    from .audio import codecs, files

    if isinstance(audio, (str, os.PathLike)):
        pcm, rate = files.read_wav(audio)
        return bytes(codecs.resample(pcm, rate, codecs.RATE))
    return codecs.to_pcm16(audio)


def _data_uri(image: ImageLike) -> str:
    if isinstance(image, (str, os.PathLike)):
        image = Path(image).read_bytes()
    if not isinstance(image, (bytes, bytearray, memoryview)):
        raise TypeError(f"image: bytes or a path, not {type(image).__name__}")
    data = bytes(image)
    for start, kind in _IMAGES.items():
        if data.startswith(start):
            return f"data:{kind};base64,{pybase64.b64encode(data).decode()}"
    raise ValueError("image: neither PNG nor JPEG, which is all that the server takes")


def as_item(value: Item | Mapping[str, Any] | str) -> Item:
    """What `create`, `history` and `input` take, as an item.

    Raises:
        TypeError: Neither an item, a dict nor a str.
        ConfigurationError: The dict has a wrong value; names the field.
    """
    if isinstance(value, str):
        return user(value)
    if isinstance(value, Item):
        return value
    if not isinstance(value, Mapping):
        raise TypeError(f"item: an Item, a dict or a str, not {type(value).__name__}")
    item: Item = check(Item, {"type": "message", **value}, "item")
    if item.type == "message" and item.role not in _SENT:
        raise ConfigurationError(f"item.role: {', '.join(_SENT)}; not {item.role!r}")
    return item


def _said(part: Part) -> Part | None:
    """Assistant audio cannot be sent: its transcript is what the model said."""
    if part.type in AUDIO_PARTS:
        return Part(type="output_text", text=part.transcript) if part.transcript else None
    return Part(type="output_text", text=part.text) if part.type in TEXT_PARTS else part


def _heard(part: Part) -> Part | None:
    """User audio goes as audio where we have it, else as its transcript."""
    if part.type in AUDIO_PARTS:
        if part.audio:
            return Part(type="input_audio", audio=part.audio)
        return Part(type="input_text", text=part.transcript) if part.transcript else None
    return Part(type="input_text", text=part.text) if part.type in TEXT_PARTS else part


#: Role -> what becomes of a content part when it is sent.
_SENT: dict[str, Callable[[Part], Part | None]] = {
    "system": _heard,
    "user": _heard,
    "assistant": _said,
}
#: Fields that only a server sets.
_READ_ONLY = ("object", "status")


def sendable(item: Item) -> Item | None:
    """The item as a client may create it; None where nothing of it can be sent."""
    fields = {name: v for name, v in item.wire().items() if name not in _READ_ONLY}
    if item.type == "message":
        turn: Callable[[Part], Part | None] = _SENT.get(item.role or "", lambda part: part)
        parts = [sent for part in item.content or () if (sent := turn(part)) is not None]
        if not parts:
            log.warning("item %s has neither text nor audio and is left out", item.id)
            return None
        fields["content"] = [part.wire() for part in parts]
    if item.id is not None and len(item.id) > MAX_ID:
        raise ConfigurationError(f"item.id: at most {MAX_ID} characters, not {len(item.id)}")
    made = Item.model_validate({"type": item.type, **fields})
    return made.with_audio(item._audio) if item._audio is not None else made


def in_format(item: Item, audio_format: str) -> Item:
    """The item with audio that a builder made (PCM16) in the session's input format."""
    if item._audio is None or audio_format == "audio/pcm":
        return item
    from .audio import codecs

    data = pybase64.b64encode(codecs.encode(item._audio, audio_format)).decode()
    content = tuple(
        part.model_copy(update={"audio": data}) if part.type == "input_audio" else part
        for part in item.content or ()
    )
    # model_copy keeps _audio, which stays what the caller gave
    return item.model_copy(update={"content": content})
