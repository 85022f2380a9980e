"""What a response consists of, and the default brain: honest answers by rules, without a model.

Text in, parts out: no protocol, no sockets; the time of day is given.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

__all__ = ["Call", "Fail", "McpCall", "Part", "Question", "Say", "Sound", "answer", "call"]


@dataclass(frozen=True, slots=True)
class Say:
    """Words: text, or speech with its transcript, as the response's modality asks."""

    text: str


@dataclass(frozen=True, slots=True)
class Sound:
    """Audio as it is.

    Attributes:
        audio: Bytes in `format`.
        format: The wire's name, e.g. "audio/pcm".
        transcript: What stands for it in text.
    """

    audio: bytes
    format: str
    transcript: str


@dataclass(frozen=True, slots=True)
class Call:
    """A function call; `arguments` is JSON text and need not be valid."""

    name: str
    arguments: str


def call(name: str, /, **arguments: Any) -> Call:
    """A function call, for `LocalServer.reply`."""
    return Call(name, json.dumps(arguments, ensure_ascii=False))


@dataclass(frozen=True, slots=True)
class McpCall:
    """A call of an MCP server's tool; `arguments` is JSON text."""

    label: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Fail:
    """The response ends as failed."""

    message: str
    code: str = "server_error"
    type: str = "server_error"

    @classmethod
    def of(cls, error: BaseException) -> Fail:
        """The failure that an exception stands for."""
        # our own errors carry the server's code and type: what a test raises is what it gets back
        code, kind = getattr(error, "code", None), getattr(error, "type", None)
        return cls(
            str(error) or type(error).__name__,
            code if isinstance(code, str) else "server_error",
            kind if isinstance(kind, str) else "server_error",
        )


Part = Say | Sound | Call | McpCall | Fail


@dataclass(frozen=True, slots=True)
class Question:
    """What a response has to answer.

    Attributes:
        items: The context, oldest first, as wire objects.
        sound: Audio, its format and its milliseconds, of the last user item; None without any.
        tools: The tools in force.
        tool_choice: The wire's value.
        now: The time of day.
    """

    items: Sequence[Mapping[str, Any]]
    sound: tuple[bytes, str, int] | None
    tools: Sequence[Mapping[str, Any]]
    tool_choice: str | Mapping[str, Any]
    now: datetime


_HELP = (
    "I am the embedded server of realtime_sync and answer by rules, without a model. "
    'Try: "hello", "what time is it", "count to 10", "tell me a long story", '
    '"call NAME {json}" for one of your tools, or speak: your own audio comes back.'
)
_MOST_COUNTED = 1000
_CALL = re.compile(
    r"\A\W*(?:please\s+)?call\s+([\w.-]+)\s*(\{.*\})?\s*\Z", re.IGNORECASE | re.DOTALL
)


def answer(question: Question) -> list[Part]:
    """The parts of an honest response."""
    outputs = _new_outputs(question.items)
    forced = _forced_call(question)
    if forced is not None:
        return [forced]
    if outputs:
        return [Say(_tool_report(question.items, outputs))]
    if question.sound is not None:
        audio, audio_format, milliseconds = question.sound
        return [Sound(audio, audio_format, f"[your speech, {milliseconds / 1000:.1f} s]")]
    words = _last_words(question.items)
    for pattern, rule in _RULES:
        match = pattern.search(words)
        if match is not None:
            return [rule(match, question)]
    return [_echo(words, question)]


def _new_outputs(items: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The function outputs at the end of the context, oldest first."""
    found: list[Mapping[str, Any]] = []
    for item in reversed(items):
        if item["type"] == "function_call_output":
            found.append(item)
        elif item["type"] != "function_call":
            break
    return found[::-1]


def _tool_report(items: Sequence[Mapping[str, Any]], outputs: Sequence[Mapping[str, Any]]) -> str:
    calls = (item for item in items if item["type"] == "function_call")
    names = {item["call_id"]: item["name"] for item in calls}
    return " ".join(
        f"{names.get(output['call_id']) or 'The tool'} returned: {output['output']}"
        for output in outputs
    )


def _last_user_item(items: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    return next((item for item in reversed(items) if item.get("role") == "user"), None)


def _last_words(items: Sequence[Mapping[str, Any]]) -> str:
    item = _last_user_item(items)
    parts = [] if item is None else item.get("content", ())
    return " ".join(part["text"] for part in parts if part["type"] == "input_text").strip()


def _has_image(items: Sequence[Mapping[str, Any]]) -> bool:
    item = _last_user_item(items)
    parts = () if item is None else item.get("content", ())
    return any(part["type"] == "input_image" for part in parts)


def _functions(question: Question) -> dict[str, Mapping[str, Any]]:
    return {str(tool["name"]): tool for tool in question.tools if tool["type"] == "function"}


def _forced_call(question: Question) -> Call | None:
    """The call that `tool_choice` demands, None where it leaves the choice."""
    functions, choice = _functions(question), question.tool_choice
    words = _last_words(question.items)
    wanted = _CALL.search(words)
    if isinstance(choice, Mapping):
        name = choice.get("name")
        if choice["type"] != "function" or name not in functions:
            return None
    elif choice == "required" and functions:
        asked = wanted.group(1) if wanted else None
        name = asked if asked in functions else next(iter(functions))
    else:
        return None
    if wanted and wanted.group(1) == name and wanted.group(2):
        return Call(str(name), wanted.group(2))
    schema = functions[str(name)].get("parameters") or {}
    return Call(str(name), json.dumps(_arguments(schema, words), ensure_ascii=False))


def _arguments(schema: Mapping[str, Any], words: str) -> dict[str, Any]:
    """The least that a schema demands, with the user's words where text is wanted."""
    properties = schema.get("properties") or {}
    return {name: _value(properties.get(name, {}), words) for name in schema.get("required", ())}


def _value(schema: Mapping[str, Any], words: str) -> Any:
    if schema.get("enum"):
        return schema["enum"][0]
    number = re.search(r"\d+", words)
    samples: dict[str, Any] = {
        "string": words,
        "integer": int(number.group()) if number else 1,
        "number": float(number.group()) if number else 1.0,
        "boolean": True,
        "array": [],
        "null": None,
    }
    kind = schema.get("type")
    return samples[kind] if kind in samples else _arguments(schema, words)


def _call(match: re.Match[str], question: Question) -> Part:
    name, arguments = match.group(1), match.group(2) or "{}"
    known = _functions(question)
    if question.tool_choice == "none":
        return Say(f"I may not call {name}: tool_choice is none.")
    if name in known:
        return Call(name, arguments)
    registered = ", ".join(known) or "none"
    return Say(f"No tool named {name} is registered. Registered tools: {registered}.")


def _time(_match: re.Match[str], question: Question) -> Part:
    return Say(f"It is {question.now:%H:%M}.")


def _count(match: re.Match[str], _question: Question) -> Part:
    # ten digits are more than enough to be too much, and int() of a million of them is slow
    last = min(int(match.group(1)[:10]), _MOST_COUNTED)
    return Say(", ".join(str(n) for n in range(1, last + 1)) + "." if last else "0.")


def _greet(_match: re.Match[str], question: Question) -> Part:
    return Say(f'Hello! You said: "{_last_words(question.items)}". How can I help you?')


_CHAPTERS = (
    "Once upon a time a small lighthouse stood at the end of a long stone pier.",
    "Every evening its keeper climbed one hundred and eleven steps and lit the lamp.",
    "The ships far out counted the flashes, three short and one long, and knew where home was.",
    "One autumn a fog came in that was so thick that the gulls walked instead of flying.",
    "The keeper listened, and heard an engine that went round and round in the white.",
    "So he took the old brass bell from its hook and rang it, slowly, all through the night.",
    "The engine came nearer, stopped, and came nearer again, always towards the sound.",
    "At dawn a fishing boat bumped softly against the pier, with four tired people on board.",
    "They had bread and he had tea, and nobody said anything for quite a while.",
    "Then the youngest asked how long he would have gone on ringing.",
    "Until you came, said the keeper, or until I was sure that I had counted wrong.",
    "They laughed, and the fog lifted, and the sea lay there as if nothing had happened.",
)


def _story(match: re.Match[str], _question: Question) -> Part:
    if not match.group(1):
        return Say(" ".join(_CHAPTERS))
    nights = ("first", "second", "third", "fourth", "fifth")
    return Say(" ".join(f"This is the {n} night. " + " ".join(_CHAPTERS) for n in nights))


def _echo(words: str, question: Question) -> Part:
    if _has_image(question.items):
        return Say(f'There is an image, but without a model I cannot see it. You said: "{words}".')
    return Say(f'You said: "{words}". {_HELP}' if words else _HELP)


def _say(match: re.Match[str], _question: Question) -> Part:
    return Say(match.group(1))


_RULES: tuple[tuple[re.Pattern[str], Callable[[re.Match[str], Question], Part]], ...] = (
    (re.compile(r"\A\W*say exactly this\b[^:\n]*:\s*(.+)\Z", re.IGNORECASE | re.DOTALL), _say),
    (_CALL, _call),
    (re.compile(r"\bcount (?:up )?to (\d+)", re.IGNORECASE), _count),
    (re.compile(r"\btell\b.*?\b(long )?story\b", re.IGNORECASE | re.DOTALL), _story),
    (re.compile(r"\b(?:what|tell)\b.*\btime\b", re.IGNORECASE), _time),
    (re.compile(r"\A\W*(?:hello|hi|hey|good (?:morning|evening|day))\b", re.IGNORECASE), _greet),
)
