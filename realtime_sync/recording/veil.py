"""What never gets into a recording: keys; and audio, unless it is wanted. No file, no thread."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from ..runtime.secrets import HIDDEN

__all__ = ["HIDDEN", "KEYS", "SOUNDS", "audio_parts", "hide", "place", "unkeyed"]

Wire = dict[str, Any]

#: Keys as OpenAI makes them, client secrets too, and what follows the word Bearer.
KEYS = re.compile(
    r"\b(?:sk|ek|rk)[-_][A-Za-z0-9_-]{8,}|(?<=bearer )[A-Za-z0-9._~+/=-]{8,}", re.IGNORECASE
)
#: In a URL: who asks, and values whose names say that they are secret.
_IN_URLS = re.compile(
    r"(?<=://)[^/?#@\s\"\\]+(?=@)"
    r"|(?<=[?&])([\w.-]*(?:auth|key|token|secret|password|signature)[\w.-]*=)[^&#\s\"\\]+",
    re.IGNORECASE,
)
#: One of these is near each.
_SIGNS = ("k-", "k_", "K-", "K_", "earer ", "EARER ")
#: Fields that hold one, whatever it looks like.
_KEY_FIELDS = frozenset({"authorization", "api_key", "client_secret", "access_token"})


def unkeyed(frame: str) -> str:
    """The text of a frame without what looks like a key."""
    # base64 has no such signs: audio is not searched letter by letter
    if "://" in frame or "?" in frame:
        frame = _IN_URLS.sub(lambda found: (found[1] or "") + HIDDEN, frame)
    if any(sign in frame for sign in _SIGNS):
        frame = KEYS.sub(HIDDEN, frame)
    return frame


def hide(value: Any) -> None:
    """Replace, in an event, what stands in a field for keys; of an MCP tool its headers too."""
    if isinstance(value, list):
        for one in value:
            hide(one)
    if not isinstance(value, dict):
        return
    for name, held in value.items():
        if name in _KEY_FIELDS and isinstance(held, str):
            value[name] = HIDDEN
        elif name == "client_secret" and isinstance(held, dict) and "value" in held:
            held["value"] = HIDDEN
        elif name == "headers" and value.get("type") == "mcp" and isinstance(held, dict):
            value[name] = dict.fromkeys(held, HIDDEN)
        else:
            hide(held)


#: Events that are audio above all: where in them it is.
SOUNDS = {
    "input_audio_buffer.append": "audio",
    "session.input_audio_buffer.append": "audio",
    "response.output_audio.delta": "delta",
    "response.audio.delta": "delta",  # beta
    "session.output_audio.delta": "delta",  # translations
}


def audio_parts(event: Wire) -> Iterator[tuple[str, Callable[[str], None], str]]:
    """All audio in an event: its place, what puts other text there, and the base64 there is."""
    name = SOUNDS.get(str(event.get("type")))
    if name is not None:
        if isinstance(event.get(name), str):
            yield name, lambda text: event.__setitem__(name, text), event[name]
        return
    for where, part in _parts(event):
        if isinstance(part.get("audio"), str):
            yield f"{where}.audio", _into(part), part["audio"]


def _into(part: Wire) -> Callable[[str], None]:
    return lambda text: part.__setitem__("audio", text)


def _parts(event: Wire) -> Iterator[tuple[str, Wire]]:
    """The parts of all items in an event, and where they are."""
    response = event.get("response")
    inside = response if isinstance(response, dict) else {}
    lists = {
        "response.output": inside.get("output"),
        "response.input": inside.get("input"),
        "items": event.get("items"),  # of recording.began
    }
    items: list[tuple[str, Any]] = [("item", event.get("item"))]
    for name, held in lists.items():
        if isinstance(held, list):
            items += [(f"{name}.{at}", item) for at, item in enumerate(held)]
    for where, item in items:
        content = item.get("content") if isinstance(item, dict) else None
        for at, part in enumerate(content if isinstance(content, list) else ()):
            if isinstance(part, dict):
                yield f"{where}.content.{at}", part
    if isinstance(event.get("part"), dict):
        yield "part", event["part"]


def place(event: Wire, where: str, text: str) -> bool:
    """Put text where audio was left out; False: there is no such place."""
    for known, put, _ in audio_parts(event):
        if known == where:
            put(text)
            return True
    return False
