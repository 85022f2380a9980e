"""The Responses API: a conversation as input items, and its events as pieces. No thread."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from ..errors import ConfigurationError, ConnectionLost, ProtocolError, ResponseFailed
from ..events.items import Item
from .completions import field_of
from .model import OUTPUT, Call, Counted, Ended, Model, Piece, Request, Run, Text, call_of, whole
from .service import Service, hang_up

__all__ = ["ResponsesApi", "input_of"]

Wire = dict[str, Any]

#: Events that end a response -> its status.
_ENDS = {
    "response.completed": "completed",
    "response.incomplete": "incomplete",
    "response.failed": "failed",
    "response.cancelled": "cancelled",
}
_TEXT = {"response.output_text": "text", "response.refusal": "refusal"}


class ResponsesApi(Model):
    """Models behind `/responses`."""

    forgets = True

    def __init__(self, service: Service) -> None:
        self._service = service

    def open(self) -> None:
        """See `Model`."""
        self._service.open()

    def begin(self, request: Request) -> Run:
        """See `Model`."""
        stream = self._service.ask(lambda client: client.responses.create, body_of(request))
        return _Run(stream, self._service)

    def check(self, tools: Iterable[Wire]) -> None:
        """See `Model`. The API has tools of its own, and does itself what they do."""
        for tool in tools:
            if tool.get("type") == "mcp" and tool.get("require_approval") != "never":
                raise ConfigurationError(
                    f"tools: MCP server {tool.get('server_label')!r}: nobody could approve its "
                    'calls here; require_approval="never" is needed, or a RealtimeSession'
                )

    def shut(self) -> None:
        """See `Model`."""
        self._service.close()


class _Run:
    """A stream of events."""

    def __init__(self, stream: Any, service: Service) -> None:
        self._stream = stream
        self._service = service
        self._seen: set[Any] = set()  # what has come in pieces

    def __iter__(self) -> Iterator[Piece]:
        try:
            for event in self._service.read(self._stream):
                kind = str(field_of(event, "type"))
                if kind in _ENDS:
                    yield from self._over(_ENDS[kind], field_of(event, "response"))
                    return
                if kind == "error":
                    raise self._failed(event)
                yield from self._pieces(kind, event)
        except (TypeError, AttributeError) as exc:
            raise ProtocolError(f"an event of the stream has another shape: {exc}") from exc
        raise ConnectionLost("the stream ended before the answer had", code=1006)

    def _pieces(self, kind: str, event: Any) -> Iterator[Piece]:
        base, _, last = kind.rpartition(".")
        index = field_of(event, "output_index")
        item = field_of(event, "item")
        if base == "response.output_item" and field_of(item, "type") == "function_call":
            place: Any = ("call", index)
            if last == "added" or place not in self._seen:
                self._seen.add(place)
                yield Call(index, field_of(item, "call_id"), field_of(item, "name"))
            if last == "done":
                yield from self._argued(index, field_of(item, "arguments"), whole=True)
        elif base == "response.output_item" and last == "done":
            yield from self._written(index, item)
        elif base == "response.function_call_arguments":
            piece = field_of(event, "delta" if last == "delta" else "arguments")
            yield from self._argued(index, piece, whole=last != "delta")
        elif base in _TEXT and last in ("delta", "done"):
            place = ("text", index, field_of(event, "content_index"))
            piece = field_of(event, "delta" if last == "delta" else _TEXT[base])
            if piece and (last == "delta" or place not in self._seen):
                self._seen.add(place)
                yield Text(piece)

    def _argued(self, index: Any, piece: Any, *, whole: bool) -> Iterator[Piece]:
        place = ("arguments", index)
        if piece and not (whole and place in self._seen):  # not every server sends them in pieces
            self._seen.add(place)
            yield Call(index, arguments=piece)

    def _written(self, index: Any, item: Any) -> Iterator[Piece]:
        """The text of a message of which no piece has come."""
        for at, part in enumerate(field_of(item, "content") or ()):
            piece = field_of(part, "text") or field_of(part, "refusal")
            place = ("text", index, at)
            if field_of(item, "type") == "message" and piece and place not in self._seen:
                self._seen.add(place)
                yield Text(piece)

    def _over(self, status: str, response: Any) -> Iterator[Piece]:
        # some servers tell of the output at the end only
        for at, item in enumerate(field_of(response, "output") or () if not self._seen else ()):
            yield from self._pieces("response.output_item.done", {"output_index": at, "item": item})
        usage = field_of(response, "usage")
        if usage is not None:
            yield Counted(usage_of(usage))
        error = field_of(response, "error")
        told = None
        if status == "failed":
            code, message = field_of(error, "code"), field_of(error, "message")
            message = self._service.without_key(message)
            told = {"type": "server_error", "code": code, "message": message}
        reason = field_of(field_of(response, "incomplete_details"), "reason")
        yield Ended(status, reason, told)

    def _failed(self, event: Any) -> ResponseFailed:
        error = field_of(event, "error") or event
        code, message = field_of(error, "code"), field_of(error, "message")
        message = self._service.without_key(message)
        text = f"the response failed: {message or code or 'no reason given'}"
        return ResponseFailed(text, code=code, type="error", message=message)

    def stop(self) -> None:
        """See `Run`."""
        hang_up(self._stream)

    def close(self) -> None:
        """See `Run`."""
        self._service.give_back(self._stream)


def usage_of(usage: Any) -> Wire:
    """What a response cost, in the Realtime API's words."""
    told, made = field_of(usage, "input_tokens") or 0, field_of(usage, "output_tokens") or 0
    cached = field_of(field_of(usage, "input_tokens_details"), "cached_tokens") or 0
    thought = field_of(field_of(usage, "output_tokens_details"), "reasoning_tokens") or 0
    return {
        "total_tokens": field_of(usage, "total_tokens") or told + made,
        "input_tokens": told,
        "output_tokens": made,
        "input_token_details": {
            "text_tokens": told,
            "cached_tokens": cached,
            "cached_tokens_details": {"text_tokens": cached},
        },
        "output_token_details": {"text_tokens": made, "reasoning_tokens": thought},
    }


# --- the request


def body_of(request: Request) -> Wire:
    """The arguments of `client.responses.create`."""
    # the whole conversation goes along each time: nothing is to be read from a store
    options = {"store": False, **request.options}
    body: Wire = {"model": request.model, "input": input_of(request)}
    if request.instructions:
        body["instructions"] = request.instructions
    if request.tools:
        body["tools"] = [_tool(tool) for tool in request.tools]
        if request.tool_choice is not None:
            body["tool_choice"] = request.tool_choice
    else:
        options.pop("parallel_tool_calls", None)
    if request.metadata:
        options.setdefault("metadata", dict(request.metadata))
    return {**body, **options, "stream": True}


def _tool(tool: Wire) -> Wire:
    # strict is what this API does unless told otherwise, and it refuses most schemas
    return {"strict": False, **tool} if tool.get("type") == "function" else tool


def input_of(request: Request) -> list[Wire]:
    """The conversation as input items."""
    return [_item(item) for item in whole(request.items)]


def _item(item: Item) -> Wire:
    if item.type == "function_call":
        return {"type": "function_call", "call_id": item.call_id, **call_of(item)}
    if item.type == OUTPUT:
        return {"type": OUTPUT, "call_id": item.call_id, "output": item.output or ""}
    if not any(part.image_url for part in item.content or ()):
        return {"role": item.role, "content": item.text or ""}
    parts: list[Wire] = []
    for part in item.content or ():
        if part.image_url:
            seen = {"image_url": part.image_url, "detail": part.detail or "auto"}
            parts.append({"type": "input_image", **seen})
        elif part.text or part.transcript:
            parts.append({"type": "input_text", "text": part.text or part.transcript})
    return {"role": item.role, "content": parts}
