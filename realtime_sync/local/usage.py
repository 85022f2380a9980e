"""Token figures that add up: a word is a token of text, sound counts by its length.

Pure arithmetic.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from realtime_sync.local.conversation import Entry

__all__ = ["ASSISTANT_MS", "USER_MS", "input_tokens", "usage", "words_of"]

USER_MS, ASSISTANT_MS = 100, 50  # milliseconds of sound in one token
IMAGE_TOKENS = 85

_TEXT_FIELDS = ("text", "transcript")
_ITEM_FIELDS = ("arguments", "output")


def words_of(text: str) -> list[str]:
    """The text cut into deltas, one a word; joined they are the text again."""
    return re.findall(r"\s*\S+|\s+\Z", text)


def input_tokens(context: Iterable[Entry], instructions: str) -> dict[str, int]:
    """Tokens of a context: "text", "audio", "image"."""
    counted = {"text": len(words_of(instructions)), "audio": 0, "image": 0}
    for entry in context:
        item = entry.item
        texts = [item.get(name) for name in _ITEM_FIELDS]
        for part in item.get("content", ()):
            texts += [part.get(name) for name in _TEXT_FIELDS]
            counted["image"] += IMAGE_TOKENS if part["type"] == "input_image" else 0
        counted["text"] += sum(len(words_of(text)) for text in texts if isinstance(text, str))
        milliseconds = ASSISTANT_MS if item.get("role") == "assistant" else USER_MS
        counted["audio"] += -(-entry.audio_ms // milliseconds)
    return counted


def usage(given: dict[str, int], words: int, spoken_ms: int) -> dict[str, Any]:
    """The `usage` of a `response.done`."""
    spoken = -(-spoken_ms // ASSISTANT_MS)
    taken, made = sum(given.values()), words + spoken
    return {
        "total_tokens": taken + made,
        "input_tokens": taken,
        "output_tokens": made,
        "input_token_details": {
            "text_tokens": given["text"],
            "audio_tokens": given["audio"],
            "image_tokens": given["image"],
            "cached_tokens": 0,
            "cached_tokens_details": {"text_tokens": 0, "audio_tokens": 0, "image_tokens": 0},
        },
        "output_token_details": {"text_tokens": words, "audio_tokens": spoken},
    }
