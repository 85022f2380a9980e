"""A realtime conversation as a chat-completions endpoint is asked about it, and its chunks read.

Knows the words of both protocols; no sockets, no threads.
"""

from __future__ import annotations

import base64
import io
import json
import wave
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from realtime_sync.local.answers import Call, Fail
from realtime_sync.local.conversation import Entry
from realtime_sync.local.transcripts import speech_of

__all__ = ["Chunks", "Ended", "Heard", "chat_request", "wav_of"]

Wire = dict[str, Any]
Convert = Callable[[bytes, str, str], bytes]

_NO_OUTPUT = "The result is not there yet."
_RATE = 24_000
# why a model has stopped, in the protocol's words; other reasons are none
_REASONS = {"length": "max_output_tokens", "content_filter": "content_filter"}


def chat_request(
    entries: Sequence[Entry],
    *,
    instructions: str,
    tools: Sequence[Wire],
    tool_choice: str | Mapping[str, Any],
    max_tokens: int | None,
    convert: Convert,
) -> Wire:
    """The body of a request, but for what the endpoint's owner wants in it.

    Calls have their outputs right behind them, as chat completions want it, wherever they stand
    in the conversation. Speech is its transcript where there is one, else it is sent as WAV.

    Args:
        entries: The conversation.
        instructions: What the model is to be.
        tools: Of the session; functions only are passed on.
        tool_choice: Of the response.
        max_tokens: None for any number.
        convert: Converts audio between the wire's formats.
    """
    functions = [_function(tool) for tool in tools if tool.get("type") == "function"]
    body: Wire = {"messages": list(_messages(entries, instructions, convert))}
    if functions:
        body.update(tools=functions, tool_choice=_choice(tool_choice))
    if max_tokens is not None:
        body["max_tokens"] = max_tokens
    return body


def _function(tool: Wire) -> Wire:
    named = {name: tool[name] for name in ("name", "description", "parameters") if name in tool}
    return {"type": "function", "function": named}


def _choice(given: str | Mapping[str, Any]) -> Any:
    if isinstance(given, str):
        return given
    if given.get("type") == "function":
        return {"type": "function", "function": {"name": given["name"]}}
    return "auto"


def _messages(entries: Sequence[Entry], instructions: str, convert: Convert) -> Iterator[Wire]:
    if instructions:
        yield {"role": "system", "content": instructions}
    outputs = {
        str(entry.item["call_id"]): str(entry.item["output"])
        for entry in entries
        if entry.item["type"] == "function_call_output"
    }
    said: Wire | None = None  # the assistant's message that is being put together
    for entry in entries:
        item = entry.item
        if item["type"] == "function_call":
            said = said or {"role": "assistant", "content": None}
            said.setdefault("tool_calls", []).append(_call(item))
            continue
        if item["type"] == "function_call_output" and said is not None:
            yield from _whole(said, outputs)  # what is called now is called in another round
            said = None
        if item["type"] != "message":
            continue
        if said is not None:
            yield from _whole(said, outputs)
            said = None
        if item["role"] == "assistant":
            said = {"role": "assistant", "content": _words(item)}
        else:
            yield {"role": item["role"], "content": _content(entry, convert)}
    if said is not None:
        yield from _whole(said, outputs)


def _call(item: Wire) -> Wire:
    # some endpoints refuse every request with arguments in it that are no object
    arguments = item["arguments"] if _is_object(item["arguments"]) else "{}"
    function = {"name": item["name"], "arguments": arguments}
    return {"id": item["call_id"], "type": "function", "function": function}


def _whole(said: Wire, outputs: Mapping[str, str]) -> Iterator[Wire]:
    """An assistant's message, and the outputs of its calls right behind it."""
    if not said["content"] and "tool_calls" not in said:
        return
    yield said
    for call in said.get("tool_calls", ()):
        content = outputs.get(call["id"], _NO_OUTPUT)
        yield {"role": "tool", "tool_call_id": call["id"], "content": content}


def _words(item: Wire) -> str:
    texts = (part.get("text") or part.get("transcript") or "" for part in item["content"])
    return "".join(texts)


def _content(entry: Entry, convert: Convert) -> str | list[Wire]:
    parts = [_part(part, entry, convert) for part in entry.item["content"]]
    if all(part["type"] == "text" for part in parts):
        # a text is what every endpoint takes
        return "\n".join(part["text"] for part in parts)
    return parts


def _part(part: Wire, entry: Entry, convert: Convert) -> Wire:
    if part["type"] == "input_image":
        image = {"url": part["image_url"]}
        if part.get("detail"):
            image["detail"] = part["detail"]
        return {"type": "image_url", "image_url": image}
    words = part.get("text") or part.get("transcript")
    if part["type"] != "input_audio" or not entry.audio or words not in (None, "", _honest(entry)):
        return {"type": "text", "text": words or ""}
    pcm = convert(bytes(entry.audio), entry.format, "audio/pcm")
    sound = {"data": base64.b64encode(wav_of(pcm)).decode("ascii"), "format": "wav"}
    return {"type": "input_audio", "input_audio": sound}


def _honest(entry: Entry) -> str:
    """What stands for words that nobody has recognised: the sound says more."""
    return speech_of(entry.audio_ms)


def wav_of(pcm: bytes) -> bytes:
    """PCM16 mono at 24 kHz as a WAV file."""
    file = io.BytesIO()
    with wave.open(file, "wb") as written:
        written.setnchannels(1)
        written.setsampwidth(2)
        written.setframerate(_RATE)
        written.writeframes(pcm)
    return file.getvalue()


@dataclass(frozen=True, slots=True)
class Ended:
    """The end of an answer.

    Attributes:
        reason: Why it is incomplete, in the protocol's word; None where it is complete.
    """

    reason: str | None = None


Heard = str | Call | Fail | Ended
"""What comes out of an answer: words, whole calls, its failure or its end."""


@dataclass(slots=True)
class _Called:
    """A call, as far as it has come."""

    call_id: str | None = None
    name: str = ""
    arguments: str = ""

    def differs(self, call_id: str | None, arguments: str) -> bool:
        """Whether a piece with a name begins another call: by id, else after whole arguments."""
        if self.call_id and call_id:
            return bool(self.name) and self.call_id != call_id
        return bool(arguments) and _is_object(self.arguments)


def _told(content: Any) -> str:
    """Words as they come: some endpoints send a list of parts, some of them no text."""
    if isinstance(content, list):
        content = "".join(part["text"] for part in content if part.get("type") == "text")
    # half a surrogate pair is what no endpoint would take back
    return str(content or "").encode("utf-8", "replace").decode()


def _is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False


@dataclass(slots=True)
class Chunks:
    """Reads the chunks of one streamed completion.

    Attributes:
        reason: Why the model has stopped; None until it has.
        taken: Tokens of the request, as the endpoint has counted them; None: it has not.
        made: Tokens of the answer, the same.
    """

    reason: str | None = None
    taken: int | None = None
    made: int | None = None
    _calls: list[_Called] = field(default_factory=list)
    _open: dict[Any, _Called] = field(default_factory=dict)  # index -> what its pieces belong to

    def read(self, chunk: Any) -> Iterator[str]:
        """The words in a chunk.

        Raises:
            ValueError: It is none.
        """
        if not isinstance(chunk, dict):
            raise ValueError("a chunk is a JSON object")
        self._count(chunk.get("usage"))
        for choice in chunk.get("choices") or ():
            if choice.get("index"):
                continue  # of several choices the first is the answer
            delta = choice.get("delta") or {}
            for call in delta.get("tool_calls") or ():
                self._add(call)
            for name in ("content", "refusal"):
                words = _told(delta.get(name))
                if words:
                    yield words
            self.reason = choice.get("finish_reason") or self.reason

    def calls(self) -> list[Call]:
        """The calls, once the model has stopped."""
        return [Call(call.name, call.arguments or "{}") for call in self._calls]

    def ended(self) -> Ended:
        """How it has ended."""
        return Ended(_REASONS.get(self.reason or ""))

    def _add(self, delta: Any) -> None:
        # some endpoints give no index, or every call the same; some repeat the name in each piece
        index, call_id = delta.get("index"), delta.get("id")
        function = delta.get("function") or {}
        name, arguments = function.get("name"), function.get("arguments") or ""
        if isinstance(arguments, dict):
            arguments = json.dumps(arguments)
        call = self._open.get(index)
        if call is None or (name and call.differs(call_id, arguments)):
            call = self._open[index] = _Called()
            self._calls.append(call)
        call.call_id = call.call_id or call_id
        call.name = call.name or name or ""
        call.arguments += arguments

    def _count(self, usage: Any) -> None:
        if isinstance(usage, dict):
            self.taken = usage.get("prompt_tokens", self.taken)
            self.made = usage.get("completion_tokens", self.made)
