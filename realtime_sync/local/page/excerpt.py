"""An event as a person may see it: short enough, and without a key. Pure.

Events are anything that JSON can be: a client may send what it likes, and none of it may do harm.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

__all__ = ["SOUNDS", "brief", "excerpt", "inside", "named"]

Wire = dict[str, Any]

#: Events that are audio above all: where in them it is. Both dialects, and translations.
SOUNDS = {
    "input_audio_buffer.append": "audio",
    "session.input_audio_buffer.append": "audio",
    "response.output_audio.delta": "delta",
    "response.audio.delta": "delta",
    "session.output_audio.delta": "delta",
}

_TEXT_MOST = 1000  # characters of one text
_SOUND_SHOWN = 16  # characters of base64
_BUDGET = 12_000  # characters of an event
_DEEPEST = 24
_BRIEF = 140
_NAMED = 200


def inside(value: object, *names: str) -> Any:
    """What stands at a path in JSON; None: nothing."""
    for name in names:
        if not isinstance(value, dict):
            return None
        value = value.get(name)
    return value


def named(value: object) -> str:
    """What a client or a server calls something: 200 characters at most; empty: no text."""
    return _name(value[: 2 * _NAMED]) if isinstance(value, str) else ""


@lru_cache(maxsize=1000)  # most events have the same
def _name(text: str) -> str:
    # when called: this room imports nothing of the client's side
    from realtime_sync.recording.veil import unkeyed

    return unkeyed(text)[:_NAMED]


class _Cut:
    """Copies JSON until its budget is spent."""

    def __init__(self, sound: str | None) -> None:
        from realtime_sync.recording.veil import unkeyed

        self._unkeyed = unkeyed
        self._sound = sound  # the field that is audio, beside those named so
        self._left = _BUDGET

    def copy(self, value: object, depth: int = 0) -> Any:
        """What is left of a value."""
        if self._left <= 0 or depth > _DEEPEST:
            return "…"
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, dict):
            return self._object(value, depth)
        if isinstance(value, list):
            return self._list(value, depth)
        self._left -= 8
        # JavaScript reads neither
        odd = isinstance(value, float) and not math.isfinite(value)
        return str(value) if odd or (isinstance(value, int) and abs(value) > 1 << 53) else value

    def _text(self, text: str) -> str:
        # a little more than is shown: half a key would not look like one
        most = min(_TEXT_MOST, max(0, self._left))
        shown = self._unkeyed(text[: most + 500])[:most]
        self._left -= len(shown) + 2
        more = len(text) - most
        return f"{shown}… ({more:,} characters more)" if more > 0 else shown

    def _object(self, value: Wire, depth: int) -> Wire:
        shown: Wire = {}
        for name, held in value.items():
            if self._left <= 0:
                shown["…"] = f"{len(value) - len(shown):,} fields more"
                break
            self._left -= len(name) + 4
            sound = isinstance(held, str) and (
                name == "audio" or (not depth and self._sound == name)
            )
            shown[named(name)] = _sound(held) if sound else self.copy(held, depth + 1)
        return shown

    def _list(self, value: list[Any], depth: int) -> list[Any]:
        shown: list[Any] = []
        for one in value:
            if self._left <= 0:
                shown.append(f"… ({len(value) - len(shown):,} more)")
                break
            shown.append(self.copy(one, depth + 1))
        return shown


def _sound(text: str) -> str:
    shown = text[:_SOUND_SHOWN]
    return shown if len(text) <= _SOUND_SHOWN else f"{shown}… ({_size(text)})"


def _size(text: str) -> str:
    return f"{len(text) * 3 // 4:,} bytes of audio"


def excerpt(event: object) -> Any:
    """A copy that is fit to be seen: keys hidden, nothing that JSON cannot carry.

    Of a text 1000 characters are left, of audio 16, of the whole some 12,000; each says how much
    more there was.
    """
    # when called: this room imports nothing of the client's side
    from realtime_sync.recording.veil import hide

    kind = inside(event, "type")
    shown = _Cut(SOUNDS.get(kind) if isinstance(kind, str) else None).copy(event)
    hide(shown)
    return shown


def brief(event: object) -> str:
    """The event in 140 characters at most; what its type says alone is not said again."""
    kind = inside(event, "type")
    if not isinstance(event, dict) or not isinstance(kind, str):
        return "no event: JSON object with a type was expected"
    told = _said(kind, event)
    from realtime_sync.recording.veil import unkeyed

    return unkeyed(" ".join(told[: 2 * _BRIEF].split()))[:_BRIEF]


def _said(kind: str, event: Wire) -> str:
    if kind in SOUNDS:
        return _size(str(event.get(SOUNDS[kind]) or ""))
    if kind in _BRIEFS:
        return _BRIEFS[kind](event)
    for name in ("delta", "transcript", "text", "arguments"):
        if isinstance(event.get(name), str):
            return str(event[name])
    for name, told in (("item", _item), ("response", _response), ("part", _part)):
        if isinstance(event.get(name), dict):
            return told(event[name])
    return _text(event, "item_id")


def _text(value: object, *path: str) -> str:
    found = inside(value, *path)
    return "" if found is None or isinstance(found, (dict, list)) else str(found)[: 2 * _BRIEF]


def _item(item: Wire) -> str:
    content = item.get("content")
    few = content[:20] if isinstance(content, list) else ()
    parts = [_part(one) for one in few if isinstance(one, dict)]
    told = [_text(item, name) for name in ("role", "name", "arguments", "output")]
    words = [_text(item, "type"), *told, *parts]
    return " ".join(word for word in words if word)


def _part(part: Wire) -> str:
    told = _text(part, "text") or _text(part, "transcript")
    return told or f"[{_text(part, 'type')}]"


def _response(response: Wire) -> str:
    tokens = _text(response, "usage", "total_tokens")
    words = [_text(response, "status"), _text(response, "status_details", "error", "message")]
    return " ".join(word for word in (*words, tokens and f"{tokens} tokens") if word)


def _session(event: Wire) -> str:
    session = event.get("session")
    modalities = inside(session, "output_modalities") or inside(session, "modalities")
    words = [_text(session, "model"), _text(session, "type")]
    if isinstance(modalities, list):
        words.append("+".join(map(str, modalities[:3])))
    return " ".join(word for word in words if word)


_BRIEFS: Mapping[str, Callable[[Wire], str]] = {
    "error": lambda event: _text(event, "error", "message"),
    "session.created": _session,
    "session.updated": _session,
    "session.update": _session,
    "input_audio_buffer.speech_started": lambda event: f"at {_text(event, 'audio_start_ms')} ms",
    "input_audio_buffer.speech_stopped": lambda event: f"at {_text(event, 'audio_end_ms')} ms",
    "conversation.item.truncate": lambda event: f"at {_text(event, 'audio_end_ms')} ms",
    "conversation.item.truncated": lambda event: f"at {_text(event, 'audio_end_ms')} ms",
}
