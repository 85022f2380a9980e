"""Chat completions: a conversation as messages, and a stream of chunks as pieces. No thread."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from ..errors import ConnectionLost, ProtocolError, RealtimeError
from ..events.items import Item
from .model import OUTPUT, Call, Counted, Ended, Model, Piece, Request, Run, Text, call_of, whole
from .service import Service, hang_up

__all__ = ["ChatCompletions", "field_of", "messages_of"]

Wire = dict[str, Any]

#: Why a choice has ended -> (status, reason) of the response; others are completed.
_FINISHED = {
    "length": ("incomplete", "max_output_tokens"),
    "content_filter": ("incomplete", "content_filter"),
}


class ChatCompletions(Model):
    """Models behind `/chat/completions`."""

    forgets = True

    def __init__(self, service: Service) -> None:
        self._service = service

    def open(self) -> None:
        """See `Model`."""
        self._service.open()

    def begin(self, request: Request) -> Run:
        """See `Model`."""
        stream = self._service.ask(lambda client: client.chat.completions.create, body_of(request))
        return _Run(stream, self._service)

    def shut(self) -> None:
        """See `Model`."""
        self._service.close()


class _Run:
    """A stream of chunks."""

    def __init__(self, stream: Any, service: Service) -> None:
        self._stream = stream
        self._service = service
        self._numbers: dict[Any, int] = {}  # the index of a call -> ours
        self._ids: dict[int, str] = {}  # ours -> the call's id
        self._arguments: dict[int, list[str]] = {}  # ours -> what has come of them
        self._count = 0

    def __iter__(self) -> Iterator[Piece]:
        finished: str | None = None
        try:
            for chunk in self._service.read(self._stream):
                usage = field_of(chunk, "usage")
                if usage is not None:
                    yield Counted(usage_of(usage))
                # a chunk of usage alone has no choice
                for choice in field_of(chunk, "choices") or ():
                    if field_of(choice, "index"):
                        continue  # of several choices the first is the answer
                    yield from self._pieces(field_of(choice, "delta"))
                    finished = field_of(choice, "finish_reason") or finished
        except RealtimeError:
            if finished is None:
                raise  # else all is told, but for what it cost
        except (TypeError, AttributeError) as exc:
            raise ProtocolError(f"a chunk of the stream has another shape: {exc}") from exc
        if finished is None:
            raise ConnectionLost("the stream ended before the answer had", code=1006)
        status, reason = _FINISHED.get(finished, ("completed", None))
        yield Ended(status, reason)

    def _pieces(self, delta: Any) -> Iterator[Piece]:
        if delta is None:
            return
        for name in ("content", "refusal"):
            text = _told(field_of(delta, name))
            if text:
                yield Text(text)
        for call in field_of(delta, "tool_calls") or ():
            function = field_of(call, "function")
            name = field_of(function, "name")
            call_id = field_of(call, "id")
            arguments = field_of(function, "arguments") or ""
            if isinstance(arguments, dict):  # some servers have them read already
                arguments = json.dumps(arguments)
            begins = bool(name and arguments)
            number = self._number(field_of(call, "index"), call_id, name, begins=begins)
            self._arguments.setdefault(number, []).append(arguments)
            yield Call(number, call_id, name, arguments)

    def _number(self, index: Any, call_id: str | None, name: str | None, *, begins: bool) -> int:
        """Which call a piece belongs to: by its index; another id and a name begin another one.

        Some servers give no index, or every call the same. Where ids do not tell either, what
        could begin a call (`begins`) does so once the arguments before it are whole.
        """
        known = self._numbers.get(index)
        if known is not None and name:
            had = self._ids.get(known)
            told = bool(had and call_id)
            differs = had != call_id if told else begins and self._whole(known)
        else:
            differs = False
        if known is None or differs:
            known = self._numbers[index] = self._count
            self._count += 1
        if call_id:
            self._ids.setdefault(known, call_id)
        return known

    def _whole(self, number: int) -> bool:
        try:
            json.loads("".join(self._arguments[number]))
        except ValueError:
            return False
        return True

    def stop(self) -> None:
        """See `Run`."""
        hang_up(self._stream)

    def close(self) -> None:
        """See `Run`."""
        self._service.give_back(self._stream)


def _told(content: Any) -> str:
    """Text as it comes: some servers send a list of parts, some of them no text."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else ()
    texts = (field_of(part, "text") for part in parts if field_of(part, "type") == "text")
    return "".join(text for text in texts if isinstance(text, str))


def usage_of(usage: Any) -> Wire:
    """What a response cost, in the Realtime API's words."""
    told = field_of(usage, "prompt_tokens") or 0
    made = field_of(usage, "completion_tokens") or 0
    spent, said = (field_of(usage, f"{side}_tokens_details") for side in ("prompt", "completion"))
    heard, spoken = field_of(spent, "audio_tokens") or 0, field_of(said, "audio_tokens") or 0
    cached = field_of(spent, "cached_tokens") or 0
    return {
        "total_tokens": field_of(usage, "total_tokens") or told + made,
        "input_tokens": told,
        "output_tokens": made,
        "input_token_details": {
            "text_tokens": told - heard,
            "audio_tokens": heard,
            "cached_tokens": cached,
            "cached_tokens_details": {"text_tokens": cached},
        },
        "output_token_details": {
            "text_tokens": made - spoken,
            "audio_tokens": spoken,
            "reasoning_tokens": field_of(said, "reasoning_tokens") or 0,
        },
    }


def field_of(value: Any, name: str) -> Any:
    """A field of an object or of a dict; None where there is none."""
    return value.get(name) if isinstance(value, dict) else getattr(value, name, None)


# --- the request


def body_of(request: Request) -> Wire:
    """The arguments of `client.chat.completions.create`."""
    options = {"stream_options": {"include_usage": True}, **request.options}
    if options["stream_options"] is None:
        del options["stream_options"]  # for servers that do not know it
    if "max_output_tokens" in options:
        options.setdefault("max_completion_tokens", options.pop("max_output_tokens"))
    if "reasoning" in options:
        options.setdefault("reasoning_effort", (options.pop("reasoning") or {}).get("effort"))
    body: Wire = {"model": request.model, "messages": messages_of(request)}
    tools = [_tool(tool) for tool in request.tools]
    if tools:
        body["tools"] = tools
        if request.tool_choice is not None:
            body["tool_choice"] = _choice(request.tool_choice)
    elif "parallel_tool_calls" in options:
        del options["parallel_tool_calls"]  # refused where there are no tools
    if options.get("store"):
        options.setdefault("metadata", dict(request.metadata))
    return {**body, **options, "stream": True}


def _tool(tool: Wire) -> Wire:
    return {"type": "function", "function": {k: v for k, v in tool.items() if k != "type"}}


def _choice(choice: Any) -> Any:
    if isinstance(choice, dict) and "name" in choice:
        return {"type": "function", "function": {"name": choice["name"]}}
    return choice


def messages_of(request: Request) -> list[Wire]:
    """The conversation as messages; the instructions first.

    Each answer to a call stands right behind the message that makes the call, as the API wants it,
    whatever has come between them.
    """
    messages: list[Wire] = []
    if request.instructions:
        messages.append({"role": "system", "content": request.instructions})
    items = whole(request.items)
    outputs = {item.call_id: item for item in items if item.type == OUTPUT}
    calling: Wire | None = None  # the assistant's message that calls may be added to
    answers: list[Wire] = []  # of its calls
    for item in items:
        if item.type == "function_call":
            if calling is None:
                messages += answers
                calling, answers = {"role": "assistant", "content": None}, []
                messages.append(calling)
            calling.setdefault("tool_calls", []).append(_call(item))
            answers.append(_output(outputs[item.call_id]))
        elif item.type == OUTPUT:
            calling = None  # what is called now is called in another round
        elif calling is not None and item.role == "assistant" and calling["content"] is None:
            calling["content"] = _content(item)
        else:
            messages += answers
            said = {"role": item.role, "content": _content(item)}
            messages.append(said)
            calling, answers = (said if item.role == "assistant" else None), []
    return [*messages, *answers]


def _call(item: Item) -> Wire:
    return {"id": item.call_id, "type": "function", "function": call_of(item)}


def _output(item: Item) -> Wire:
    return {"role": "tool", "tool_call_id": item.call_id, "content": item.output or ""}


def _content(item: Item) -> str | Sequence[Wire]:
    if item.role != "user" or not any(part.image_url for part in item.content or ()):
        return item.text or ""
    parts: list[Wire] = []
    for part in item.content or ():
        if part.image_url:
            image = {"url": part.image_url}
            if part.detail is not None:
                image["detail"] = part.detail
            parts.append({"type": "image_url", "image_url": image})
        elif part.text or part.transcript:
            parts.append({"type": "text", "text": part.text or part.transcript})
    return parts
