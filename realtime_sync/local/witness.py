"""What was said and called, over all connections: what a test asserts. No sockets, no threads."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

__all__ = ["Called", "Witness"]

Wire = dict[str, Any]

_TRANSCRIBED = "conversation.item.input_audio_transcription.completed"
_SHOWN = 200  # characters of a text in a message


@dataclass(frozen=True, slots=True)
class Called:
    """A function call of the model's, and what the client answered.

    Attributes:
        call_id: Of the call.
        name: Of the function.
        arguments: As a dict; text that is no JSON object as it is.
        output: The client's answer; None: there is none yet.
    """

    call_id: str
    name: str
    arguments: dict[str, Any] | str
    output: str | None = None

    __hash__ = None  # type: ignore[assignment]

    def __str__(self) -> str:
        given = self.arguments
        pairs = given.items() if isinstance(given, dict) else ()
        inside = ", ".join(f"{k}={v!r}" for k, v in pairs) if isinstance(given, dict) else given
        answer = "not answered" if self.output is None else f"answered {self.output!r}"
        return f"{self.name}({inside}), {answer}"


class Witness:
    """Has heard everything.

    Any thread; what it holds only grows, and is read as a copy.
    """

    def __init__(self) -> None:
        self._said: list[tuple[str, str]] = []  # role and text
        self._calls: dict[str, Called] = {}  # by call id

    def heard(self, event: Wire) -> None:
        """A client event."""
        if event.get("type") == "conversation.item.create":
            self._item(event.get("item"))

    def told(self, event: Wire) -> None:
        """A server event."""
        if event.get("type") == "response.output_item.done":
            self._item(event.get("item"))
        elif event.get("type") == _TRANSCRIBED:
            self._said.append(("user", str(event.get("transcript") or "")))

    def _item(self, item: Any) -> None:
        if not isinstance(item, dict):
            return
        kind, call_id = item.get("type"), str(item.get("call_id"))
        if kind == "function_call":
            called = Called(call_id, str(item.get("name")), _object(item.get("arguments")))
            self._calls[call_id] = called
        elif kind == "function_call_output" and call_id in self._calls:
            known = self._calls[call_id]
            output = str(item.get("output"))
            self._calls[call_id] = Called(call_id, known.name, known.arguments, output)
        elif kind == "message":
            texts = [_text(part) for part in item.get("content") or () if isinstance(part, dict)]
            if any(texts):
                self._said.append((str(item.get("role")), "".join(texts)))

    def said(self, wanted: str | re.Pattern[str], role: str | None) -> str | None:
        """The first text that has it; None: nobody has said so."""
        found = re.compile(re.escape(wanted)) if isinstance(wanted, str) else wanted
        for who, text in list(self._said):
            if role in (None, who) and found.search(text):
                return text
        return None

    def called(self, name: str, arguments: dict[str, Any]) -> Called | None:
        """The first such call that was answered; None: there is none."""
        for call in list(self._calls.values()):
            given = call.arguments if isinstance(call.arguments, dict) else {}
            fits = all(key in given and given[key] == value for key, value in arguments.items())
            if call.name == name and call.output is not None and fits:
                return call
        return None

    def not_said(self, wanted: str | re.Pattern[str], role: str | None) -> str:
        """Why an assertion fails."""
        words = wanted if isinstance(wanted, str) else wanted.pattern
        who = "nobody" if role is None else f"no {role}"
        lines = [f"{one}: {_short(text)}" for one, text in list(self._said)]
        return _listed(f"{who} said {words!r}", "what was said", lines)

    def not_called(self, name: str, arguments: dict[str, Any]) -> str:
        """Why an assertion fails."""
        inside = ", ".join(f"{key}={value!r}" for key, value in arguments.items())
        lines = [_short(str(call)) for call in list(self._calls.values())]
        return _listed(f"no call {name}({inside}) was answered", "what was called", lines)


def _listed(what: str, others: str, lines: list[str]) -> str:
    return "\n  ".join([f"{what}; {others}: {'' if lines else 'nothing'}".rstrip(), *lines])


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


def _text(part: Wire) -> str:
    return str(part.get("text") or part.get("transcript") or "")


def _object(text: Any) -> dict[str, Any] | str:
    try:
        known = json.loads(text)
    except (ValueError, TypeError, RecursionError):
        return str(text)
    return known if isinstance(known, dict) else str(text)
