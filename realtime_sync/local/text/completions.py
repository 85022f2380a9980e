"""/chat/completions: one answer, whole or in chunks.

What the service refuses is refused: messages that do not fit together, fields that it has not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import zip_longest
from typing import Any

from realtime_sync.local.answers import Call, Fail, Say
from realtime_sync.local.http import Reply
from realtime_sync.local.refusal import Refusal
from realtime_sync.local.responses import THINKING, WORD_GAP, Step
from realtime_sync.local.schedule import Flow
from realtime_sync.local.text.answering import Answer, Answers, Progress, pieces_of, refused
from realtime_sync.local.text.vocabulary import COMPLETION

__all__ = ["Completions"]

Wire = dict[str, Any]


class Completions:
    """Answers chat completions.

    Args:
        answers: With what.
        new_id: Makes ids that no other has.
        epoch: Seconds since 1970, now.
        interleaved: Whether parallel calls are to be streamed in turns.
    """

    def __init__(
        self,
        answers: Answers,
        *,
        new_id: Callable[[str], str],
        epoch: Callable[[], float],
        interleaved: Callable[[], bool],
    ) -> None:
        self._answers = answers
        self._new_id = new_id
        self._epoch = epoch
        self._interleaved = interleaved

    def create(self, body: Wire) -> Reply | Flow:
        """The reply to one request.

        Raises:
            Refusal: It is wrong.
        """
        COMPLETION(body, "")
        _check_calls(body["messages"])
        answer = self._answers.next(
            _items(body["messages"]),
            tools=[{"type": "function", **tool["function"]} for tool in body.get("tools", ())],
            tool_choice=_tool_choice(body.get("tool_choice", "auto")),
            limit=body.get("max_completion_tokens") or body.get("max_tokens"),
        )
        fail = answer.failure
        if fail is not None and (len(answer.parts) == 1 or not body.get("stream")):
            return refused(fail)
        completion = _Completion(
            answer,
            body,
            head={
                "id": self._new_id("chatcmpl-"),
                "created": int(self._epoch()),
                "model": body["model"],
                "service_tier": "default",
                "system_fingerprint": None,
            },
            new_id=self._new_id,
            interleaved=self._interleaved(),
        )
        streamed = bool(body.get("stream"))
        steps = completion.chunks() if streamed else completion.whole()
        return Flow(steps, completion, streamed)


class _Completion(Progress):
    """One answer under way."""

    def __init__(
        self,
        answer: Answer,
        body: Wire,
        *,
        head: Wire,
        new_id: Callable[[str], str],
        interleaved: bool,
    ) -> None:
        super().__init__(answer.hold)
        self._answer = answer
        self._head = head
        self._new_id = new_id
        self._interleaved = interleaved
        self._with_usage = bool((body.get("stream_options") or {}).get("include_usage"))

    def whole(self) -> Iterator[Step]:
        """One step: the body."""
        yield THINKING + self._answer.made * WORD_GAP, self._body

    def chunks(self) -> Iterator[Step]:
        """A chunk each."""
        at = THINKING
        calls = self._answer.calls
        spoken = "" if self._answer.text or not calls else None
        first = {"role": "assistant", "content": spoken, "refusal": None}
        yield at, partial(self._chunk, first)
        for part in self._answer.parts:
            if isinstance(part, Say):
                for word in pieces_of(part):
                    at += WORD_GAP
                    yield at, partial(self._chunk, {"content": word})
        for delta in self._call_deltas(calls):
            at += WORD_GAP
            yield at, partial(self._chunk, {"tool_calls": [delta]})
        fail = self._answer.failure
        if fail is not None:
            yield at, partial(_error, fail)
            return
        yield at, partial(self._chunk, {}, self._reason)
        if self._with_usage:
            yield at, self._usage_chunk
        yield at, lambda: [{"data": "[DONE]"}]

    def _call_deltas(self, calls: Sequence[Call]) -> Iterator[Wire]:
        """Each call by its index: first id and name, then the arguments in pieces."""
        streams = [list(self._deltas_of(index, call)) for index, call in enumerate(calls)]
        if self._interleaved:
            for row in zip_longest(*streams):
                yield from (delta for delta in row if delta is not None)
            return
        for stream in streams:
            yield from stream

    def _deltas_of(self, index: int, call: Call) -> Iterator[Wire]:
        function = {"name": call.name, "arguments": ""}
        call_id = self._new_id("call_")
        yield {"index": index, "id": call_id, "type": "function", "function": function}
        for piece in pieces_of(call):
            yield {"index": index, "function": {"arguments": piece}}

    def _body(self) -> list[Wire]:
        answer = self._answer
        message: Wire = {
            "role": "assistant",
            "content": answer.text or (None if answer.calls else ""),
            "refusal": None,
            "annotations": [],
        }
        if answer.calls:
            message["tool_calls"] = [
                {
                    "id": self._new_id("call_"),
                    "type": "function",
                    "function": {"name": call.name, "arguments": call.arguments},
                }
                for call in answer.calls
            ]
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": self._reason}
        head = {**self._head, "object": "chat.completion"}
        return [{**head, "choices": [choice], "usage": self._usage}]

    def _chunk(self, delta: Wire, reason: str | None = None) -> list[Wire]:
        self.deltas += 1 if delta.get("content") or "tool_calls" in delta else 0
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
        return self._sent([choice], None)

    def _usage_chunk(self) -> list[Wire]:
        return self._sent([], self._usage)

    def _sent(self, choices: list[Wire], usage: Wire | None) -> list[Wire]:
        chunk = {**self._head, "object": "chat.completion.chunk", "choices": choices}
        return [{"data": {**chunk, "usage": usage} if self._with_usage else chunk}]

    @property
    def _reason(self) -> str:
        if self._answer.cut:
            return "length"
        return "tool_calls" if self._answer.calls else "stop"

    @property
    def _usage(self) -> Wire:
        taken, made = self._answer.taken, self._answer.made
        return {
            "prompt_tokens": taken,
            "completion_tokens": made,
            "total_tokens": taken + made,
            "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
        }


def _error(fail: Fail) -> list[Wire]:
    error = {"message": fail.message, "type": fail.type, "param": None, "code": fail.code}
    return [{"data": {"error": error}}]


def _tool_choice(given: str | Mapping[str, Any]) -> str | Wire:
    if isinstance(given, str):
        return given
    if given["type"] == "function":
        return {"type": "function", "name": given["function"]["name"]}
    return "auto"


def _check_calls(messages: Sequence[Wire]) -> None:
    """Every call has its output right behind it, and every output its call."""
    open_calls: dict[str, int] = {}
    for index, message in enumerate(messages):
        if message["role"] == "tool":
            if message["tool_call_id"] not in open_calls:
                raise Refusal(
                    "invalid_value",
                    "Invalid parameter: messages with role 'tool' must be a response to a "
                    "preceding message with 'tool_calls'.",
                    param=f"messages[{index}].role",
                )
            del open_calls[message["tool_call_id"]]
            continue
        _check_answered(open_calls)
        open_calls = {call["id"]: index for call in message.get("tool_calls", ())}
    _check_answered(open_calls)


def _check_answered(open_calls: Mapping[str, int]) -> None:
    if open_calls:
        raise Refusal(
            "invalid_value",
            "An assistant message with 'tool_calls' must be followed by tool messages responding "
            "to each 'tool_call_id'. The following tool_call_ids did not have response messages: "
            + ", ".join(open_calls),
            param=f"messages[{next(iter(open_calls.values()))}].tool_calls",
        )


def _items(messages: Sequence[Wire]) -> list[Wire]:
    """The same as a realtime session has them."""
    return [item for message in messages for item in _items_of(message)]


def _items_of(message: Wire) -> Iterator[Wire]:
    role, content = message["role"], message.get("content")
    if role == "tool":
        output = "".join(part["text"] for part in _parts(content, "output_text"))
        yield {
            "type": "function_call_output",
            "call_id": message["tool_call_id"],
            "output": output,
        }
        return
    kind = "output_text" if role == "assistant" else "input_text"
    parts = [part for part in _parts(content, kind) if part["type"] != "refusal"]
    if parts:
        yield {"type": "message", "role": _ROLE_NAMES.get(role, role), "content": parts}
    for call in message.get("tool_calls", ()):
        yield {"type": "function_call", "call_id": call["id"], **call["function"]}


_ROLE_NAMES = {"developer": "system"}


def _parts(content: str | list[Wire] | None, kind: str) -> list[Wire]:
    if content is None:
        return []
    if isinstance(content, str):
        return [{"type": kind, "text": content}]
    return [_part(part, kind) for part in content]


def _part(part: Wire, kind: str) -> Wire:
    match part["type"]:
        case "text":
            return {"type": kind, "text": part["text"]}
        case "image_url":
            return {"type": "input_image", "image_url": part["image_url"]["url"]}
    return {"type": part["type"]}
