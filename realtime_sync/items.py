"""Builders of conversation items, and what of an item can be sent. Knows no session."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from typing import Any

import pybase64

from .errors import ConfigurationError
from .events.items import Item, Part
from .events.value import check
from .images import DETAILS, ImageLike, check_uri, data_uri, is_address

__all__ = ["assistant", "function_output", "system", "user"]

log = logging.getLogger(__name__)

#: Longest id the server takes. Source: wire.md (j).
MAX_ID = 32


def user(
    text: str | None = None,
    audio: Any = None,
    image: ImageLike | None = None,
    *,
    detail: str | None = None,
) -> Item:
    """A user message of any of these.

    Args:
        text: What the user says.
        audio: PCM16 bytes (24 kHz mono, little-endian), an int16 or float32 array (24 kHz;
            frames, or frames by channels), or the path of a WAV file of any rate.
        image: PNG or JPEG, as bytes, a path or a data URI; a Pillow image; or an array of uint8
            (rows, columns[, 3 or 4 channels]). For text models an http(s) address, too.
        detail: How closely the model looks at the image: "auto" (as "high"), "low" or "high".

    Raises:
        TypeError: A part is of another type.
        ValueError: Nothing given, an image that is neither PNG nor JPEG, or too large (15 MiB of
            base64), or audio that is none or has no length.
        OSError: No such file.
        AudioError: The WAV file cannot be read.
    """
    parts: list[dict[str, Any]] = []
    pcm = b""
    if image is not None:
        parts.append({"type": "input_image", "image_url": data_uri(image)})
        if detail is not None:
            parts[0]["detail"] = _detail(detail, "detail")
    elif detail is not None:
        raise ConfigurationError("detail: it is that of an image; give image=, or leave it out")
    if text is not None:
        parts.append({"type": "input_text", "text": _text(text, "text")})
    if audio is not None:
        pcm = _pcm16(audio)
        if not pcm:
            raise ValueError("audio: there is not one sample in it")
        parts.append({"type": "input_audio", "audio": pybase64.b64encode(pcm).decode()})
    if not parts:
        raise ValueError("an item needs text, audio or an image")
    item = _message("user", parts)
    return item.with_audio(pcm) if audio is not None else item


def system(text: str) -> Item:
    """A system message: context and rules, also in mid-conversation."""
    return _message("system", [{"type": "input_text", "text": _text(text, "text")}])


def assistant(text: str) -> Item:
    """What the model is to have said."""
    return _message("assistant", [{"type": "output_text", "text": _text(text, "text")}])


def function_output(call_id: str, output: str) -> Item:
    """What a tool call gave; the model sees the text."""
    return Item(
        type="function_call_output",
        call_id=_text(call_id, "call_id"),
        output=_text(output, "output"),
    )


def _message(role: str, parts: list[dict[str, Any]]) -> Item:
    return Item.model_validate({"type": "message", "role": role, "content": parts})


def _text(text: object, name: str) -> str:
    if not isinstance(text, str):
        raise TypeError(f"{name}: a str is needed, not {type(text).__name__}")
    return text


def _pcm16(audio: Any) -> bytes:
    # numpy comes in with audio only
    from .audio import codecs, files

    if isinstance(audio, (str, os.PathLike)):
        pcm, rate = files.read_file(audio)
        return bytes(codecs.resample(pcm, rate, codecs.RATE))
    return codecs.to_pcm16(audio)


def _detail(detail: Any, where: str) -> str:
    if detail not in DETAILS:
        raise ConfigurationError(f"{where}: {', '.join(DETAILS)}; not {detail!r}")
    return str(detail)


def as_item(
    value: Item | Mapping[str, Any] | str, where: str = "item", *, addresses: bool = False
) -> Item:
    """What `create`, `history` and `input` take, as an item.

    Args:
        where: Names it in errors.
        addresses: Images may be addresses, which the APIs of text models load.

    Raises:
        TypeError: Neither an item, a dict nor a str.
        ConfigurationError: A value that the wire has no place for, or a part that such a message
            cannot have; names the field.
    """
    if isinstance(value, str):
        return user(value)
    if isinstance(value, Mapping):
        if isinstance(value.get("content"), str):  # as chat completions have it
            raise ConfigurationError(
                f"{where}.content: a list of parts is needed, not a text; items.user(text),"
                " items.system(text) and items.assistant(text) make it"
            )
        value = check(Item, {"type": "message", **value}, where)
    if not isinstance(value, Item):
        raise TypeError(f"{where}: an Item, a dict or a str, not {type(value).__name__}")
    _check(value, where if value.id is None else f"{where} {value.id[:MAX_ID]}", addresses)
    return value


def _check(item: Item, where: str, addresses: bool) -> None:
    if item.id is not None and len(item.id) > MAX_ID:
        raise ConfigurationError(f"{where}: its id has {len(item.id)} characters, not {MAX_ID}")
    if item.type == "item_reference":
        raise ConfigurationError(f"{where}: item_reference is for the input of a response only")
    for name in _NEEDED.get(item.type, ()):
        if getattr(item, name) is None:
            raise ConfigurationError(f"{where}.{name}: a {item.type} needs it")
    if item.type != "message":
        return
    sent = _SENT.get(item.role or "")
    if sent is None:
        raise ConfigurationError(f"{where}.role: {', '.join(_SENT)}; not {item.role!r}")
    for number, part in enumerate(item.content or ()):
        at = f"{where}.content[{number}]"
        if part.type not in sent:
            taken = ", ".join(kind for kind in sent if "_" in kind)
            raise ConfigurationError(
                f"{at}.type: a {item.role} message takes {taken}; not {part.type!r}"
            )
        if not (addresses and is_address(part.image_url)):
            _CHECKS[part.type](part, at)


def _check_text(part: Part, where: str) -> None:
    if part.text is None:
        raise ConfigurationError(f"{where}.text: a str is needed")


def _check_audio(part: Part, where: str) -> None:
    try:
        pybase64.b64decode(part.audio or "", validate=True)
    except ValueError:
        raise ConfigurationError(f"{where}.audio: it is not base64") from None


def _check_image(part: Part, where: str) -> None:
    check_uri(part.image_url, f"{where}.image_url")
    if part.detail is not None:
        _detail(part.detail, f"{where}.detail")


#: Item type -> the fields that it cannot be created without. Source: wire.md (d).
_NEEDED = {
    "function_call": ("name", "arguments"),
    "function_call_output": ("call_id", "output"),
    "mcp_approval_response": ("approval_request_id", "approve"),
}
#: Part type -> what complains about a wrong one.
_CHECKS: dict[str, Callable[[Part, str], None]] = {
    **dict.fromkeys(("input_text", "output_text", "text"), _check_text),
    **dict.fromkeys(("input_audio", "output_audio", "audio"), _check_audio),
    "input_image": _check_image,
}


def _text_in(part: Part) -> Part | None:
    return None if part.text is None else Part(type="input_text", text=part.text)


def _text_out(part: Part) -> Part | None:
    return None if part.text is None else Part(type="output_text", text=part.text)


def _heard(part: Part) -> Part | None:
    """User audio goes as audio where we have it, else as its transcript."""
    if part.audio:
        return Part(type="input_audio", audio=part.audio)
    return Part(type="input_text", text=part.transcript) if part.transcript else None


def _said(part: Part) -> Part | None:
    """Assistant audio cannot be sent: its transcript is what the model said."""
    return Part(type="output_text", text=part.transcript) if part.transcript else None


def _seen(part: Part) -> Part | None:
    return part if part.image_url else None


#: Role -> types of the parts that it may have -> what becomes of one when it is sent; None: it is
#: left out. Source: wire.md (d); "text" and "audio" are the beta's names.
_SENT: dict[str, dict[str, Callable[[Part], Part | None]]] = {
    "system": {"input_text": _text_in, "text": _text_in},
    "user": {
        "input_text": _text_in,
        "text": _text_in,
        "input_audio": _heard,
        "audio": _heard,
        "input_image": _seen,
    },
    "assistant": {
        "output_text": _text_out,
        "text": _text_out,
        "output_audio": _said,
        "audio": _said,
    },
}
#: Fields that only a server sets.
_READ_ONLY = ("object", "status")
#: The fields of a message that a client creates, and those of its text.
_GIVEN, _TEXT = {"id", "type", "role", "content"}, {"type", "text"}


def sendable(item: Item) -> Item | None:
    """The item as a client may create it; None (and a WARNING) where nothing of it can be sent."""
    if item.type == "message" and _as_made(item):
        return item
    fields = {name: v for name, v in item.wire().items() if name not in _READ_ONLY}
    if item.type == "message":
        turns = _SENT.get(item.role or "", {})
        parts = [
            sent
            for part in item.content or ()
            if (turn := turns.get(part.type or "")) is not None and (sent := turn(part)) is not None
        ]
        if not parts:
            log.warning("item %s has nothing that could be sent and is left out", item.id)
            return None
        fields["content"] = [part.wire() for part in parts]
    made = Item.model_validate({"type": item.type, **fields})
    return made.with_audio(item._audio) if item._audio is not None else made


def _as_made(item: Item) -> bool:
    """Whether a message has only what it was created with: text that goes as it stands."""
    kind = "output_text" if item.role == "assistant" else "input_text"
    return (
        item.model_fields_set <= _GIVEN
        and bool(item.content)
        and all(
            part.type == kind and part.text is not None and part.model_fields_set == _TEXT
            for part in item.content or ()
        )
    )


def in_format(item: Item, audio_format: str) -> Item:
    """The item with audio that a builder made (PCM16) in the session's input format."""
    made = item._audio
    if not isinstance(made, bytes) or audio_format == "audio/pcm":
        return item
    from .audio import codecs

    data = pybase64.b64encode(codecs.encode(made, audio_format)).decode()
    content = tuple(
        part.model_copy(update={"audio": data}) if part.type == "input_audio" else part
        for part in item.content or ()
    )
    # model_copy keeps _audio, which stays what the caller gave
    return item.model_copy(update={"content": content})
