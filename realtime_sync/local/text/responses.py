"""/responses: one response, whole or in events, and those before it, kept.

What the service refuses is refused: items that do not fit together, fields that it has not.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from realtime_sync.local.answers import Call, Fail, Say
from realtime_sync.local.http import Reply
from realtime_sync.local.refusal import Refusal
from realtime_sync.local.responses import THINKING, WORD_GAP, Step
from realtime_sync.local.schedule import Flow
from realtime_sync.local.shapes import tagged
from realtime_sync.local.text.answering import Answer, Answers, Progress, pieces_of
from realtime_sync.local.text.vocabulary import INPUT_ITEMS, RESPONSE

__all__ = ["Responses"]

Wire = dict[str, Any]

_KEPT = 1000  # responses
_ECHOED = ("model", "instructions", "previous_response_id", "max_output_tokens", "metadata")


@dataclass(frozen=True, slots=True)
class _Kept:
    """A response that can be gone on from.

    Attributes:
        context: What was before it, its input included.
        given: Its input.
        response: It, once it is done.
    """

    context: list[Wire]
    given: list[Wire]
    response: Wire


class Responses:
    """Answers and keeps responses. Its owner sees that one call is made at a time.

    Args:
        answers: With what.
        new_id: Makes ids that no other has.
        epoch: Seconds since 1970, now.
    """

    def __init__(
        self, answers: Answers, *, new_id: Callable[[str], str], epoch: Callable[[], float]
    ) -> None:
        self._answers = answers
        self._new_id = new_id
        self._epoch = epoch
        self._kept: dict[str, _Kept] = {}

    def create(self, body: Wire) -> Reply | Flow:
        """The reply to one request.

        Raises:
            Refusal: It is wrong.
        """
        RESPONSE(body, "")
        before = self._before(body.get("previous_response_id"))
        given = self._given(body.get("input", []), before)
        context = [*before, *given]
        _check_calls(context)
        answer = self._answers.next(
            [item for item in map(_item, context) if item is not None],
            tools=body.get("tools", ()),
            tool_choice=_tool_choice(body.get("tool_choice", "auto")),
            limit=body.get("max_output_tokens"),
            instructions=body.get("instructions") or "",
        )
        running = _Response(
            answer,
            body,
            new_id=self._new_id,
            epoch=self._epoch,
            done=partial(self._keep, context, given, body),
        )
        streamed = bool(body.get("stream"))
        return Flow(running.events() if streamed else running.whole(), running, streamed)

    def retrieve(self, _query: Wire, response_id: str) -> Wire:
        """GET of one that is kept."""
        return copy.deepcopy(self._found(response_id).response)

    def delete(self, _query: Wire, response_id: str) -> Wire:
        """Forgets one."""
        self._found(response_id)
        del self._kept[response_id]
        return {"id": response_id, "object": "response", "deleted": True}

    def input_items(self, _query: Wire, response_id: str) -> Wire:
        """What one was asked."""
        given = copy.deepcopy(self._found(response_id).given)
        ids = [item["id"] for item in given]
        ends = {"first_id": ids[0] if ids else None, "last_id": ids[-1] if ids else None}
        return {"object": "list", "data": given[::-1], **ends, "has_more": False}

    def _keep(self, context: list[Wire], given: list[Wire], body: Wire, response: Wire) -> None:
        if body.get("store") is False:
            return
        self._kept[response["id"]] = _Kept(context, given, copy.deepcopy(response))
        for oldest in list(self._kept)[:-_KEPT]:
            self._kept.pop(oldest, None)

    def _found(self, response_id: str) -> _Kept:
        kept = self._kept.get(response_id)
        if kept is None:
            raise Refusal("not_found", f"Response with id '{response_id}' not found.")
        return kept

    def _before(self, response_id: str | None) -> list[Wire]:
        if response_id is None:
            return []
        kept = self._kept.get(response_id)
        if kept is None:
            raise Refusal(
                "previous_response_not_found",
                f"Previous response with id '{response_id}' not found.",
                param="previous_response_id",
            )
        return [*kept.context, *kept.response["output"]]

    def _given(self, given: str | list[Any], before: Sequence[Wire]) -> list[Wire]:
        if isinstance(given, str):
            given = [{"role": "user", "content": given}]
        items: list[Wire] = []
        for index, item in enumerate(given):
            # a message may leave out that it is one
            typed = {"type": "message", **item} if isinstance(item, dict) else item
            tagged("type", INPUT_ITEMS)(typed, f"input[{index}]")
            items.append(self._referred(typed, [*before, *items], index))
        return items

    def _referred(self, item: Wire, before: Sequence[Wire], index: int) -> Wire:
        if item["type"] != "item_reference":
            return {**item, "id": item.get("id") or self._new_id("item_")}
        # a copy: a stream that ends keeps its response without waiting for us
        kept = [one for each in list(self._kept.values()) for one in each.response["output"]]
        for one in [*before, *kept]:
            if one.get("id") == item["id"]:
                return dict(one)
        raise Refusal(
            "invalid_value",
            f"Item with id '{item['id']}' not found.",
            param=f"input[{index}].id",
        )


class _Response(Progress):
    """One response under way."""

    def __init__(
        self,
        answer: Answer,
        body: Wire,
        *,
        new_id: Callable[[str], str],
        epoch: Callable[[], float],
        done: Callable[[Wire], None],
    ) -> None:
        super().__init__(answer.hold)
        self._answer = answer
        self._new_id = new_id
        self._epoch = epoch
        self._keep = done
        self._number = 0  # of the next event
        self._output: list[Wire] = []
        self._head = {
            "id": new_id("resp_"),
            "object": "response",
            "created_at": int(epoch()),
            "error": None,
            "incomplete_details": None,
            **{name: body.get(name) for name in _ECHOED},
            "metadata": body.get("metadata") or {},
            "parallel_tool_calls": body.get("parallel_tool_calls") is not False,
            "store": body.get("store") is not False,
            "temperature": _or(body.get("temperature"), 1.0),
            "top_p": _or(body.get("top_p"), 1.0),
            "tool_choice": body.get("tool_choice", "auto"),
            "tools": body.get("tools", []),
            "text": {"format": {"type": "text"}},
            "truncation": "disabled",
        }

    def whole(self) -> Iterator[Step]:
        """One step: the response."""
        yield THINKING + self._answer.made * WORD_GAP, self._body

    def events(self) -> Iterator[Step]:
        """An event each."""
        at = THINKING
        begun = {**self._head, "status": "in_progress", "output": [], "usage": None}
        yield at, lambda: self._event("response.created", response=begun)
        yield at, lambda: self._event("response.in_progress", response=begun)
        for part in self._answer.parts:
            if isinstance(part, Fail):
                break
            at = yield from self._part(part, at)
        yield at, self._finish

    def _part(self, part: Say | Call, at: float) -> Generator[Step, None, float]:
        item = self._item(part)
        place: Wire = {"item_id": item["id"], "output_index": len(self._output)}
        self._output.append(item)
        empty: Wire = {"content": []} if isinstance(part, Say) else {"arguments": ""}
        shown = {**item, **empty, "status": "in_progress"}
        yield (
            at,
            lambda: self._event(
                "response.output_item.added", output_index=place["output_index"], item=shown
            ),
        )
        if isinstance(part, Say):
            place["content_index"] = 0
            begun = _text_part("")
            yield at, lambda: self._event("response.content_part.added", **place, part=begun)
        kind = "output_text" if isinstance(part, Say) else "function_call_arguments"
        for piece in pieces_of(part):
            at += WORD_GAP
            yield at, partial(self._delta, f"response.{kind}.delta", place, piece)
        yield at, partial(self._closed, part, item, place)
        return at

    def _delta(self, kind: str, place: Wire, piece: str) -> list[Wire]:
        self.deltas += 1
        logprobs: Wire = {"logprobs": []} if kind == "response.output_text.delta" else {}
        return self._event(kind, **place, delta=piece, **logprobs)

    def _closed(self, part: Say | Call, item: Wire, place: Wire) -> list[Wire]:
        if isinstance(part, Call):
            given = {"name": part.name, "arguments": part.arguments}
            events = self._event("response.function_call_arguments.done", **place, **given)
        else:
            text, content = part.text, _text_part(part.text)
            events = self._event("response.output_text.done", **place, text=text, logprobs=[])
            events += self._event("response.content_part.done", **place, part=content)
        index = place["output_index"]
        return events + self._event("response.output_item.done", output_index=index, item=item)

    def _item(self, part: Say | Call) -> Wire:
        status = (
            "incomplete" if self._answer.cut and part is self._answer.parts[-1] else "completed"
        )
        if isinstance(part, Call):
            called = {"name": part.name, "arguments": part.arguments}
            return {
                "id": self._new_id("fc_"),
                "type": "function_call",
                "status": status,
                "call_id": self._new_id("call_"),
                **called,
            }
        return {
            "id": self._new_id("msg_"),
            "type": "message",
            "status": status,
            "role": "assistant",
            "content": [_text_part(part.text)],
        }

    def _finish(self) -> list[Wire]:
        response = self._ended()
        return self._event(f"response.{response['status']}", response=response)

    def _body(self) -> list[Wire]:
        parts = self._answer.parts
        self._output = [self._item(part) for part in parts if not isinstance(part, Fail)]
        return [self._ended()]

    def _ended(self) -> Wire:
        taken, made, fail = self._answer.taken, self._answer.made, self._answer.failure
        response = {
            **self._head,
            "status": "failed" if fail else "incomplete" if self._answer.cut else "completed",
            "output": self._output,
            "usage": {
                "input_tokens": taken,
                "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
                "output_tokens": made,
                "output_tokens_details": {"reasoning_tokens": 0},
                "total_tokens": taken + made,
            },
        }
        if fail is not None:
            response["error"] = {"code": fail.code, "message": fail.message}
        elif self._answer.cut:
            response["incomplete_details"] = {"reason": "max_output_tokens"}
        self._keep(response)
        return response

    def _event(self, kind: str, **fields: Any) -> list[Wire]:
        number, self._number = self._number, self._number + 1
        return [{"event": kind, "data": {"type": kind, "sequence_number": number, **fields}}]


def _or(given: Any, usual: float) -> Any:
    return usual if given is None else given


def _text_part(words: str) -> Wire:
    return {"type": "output_text", "text": words, "annotations": [], "logprobs": []}


def _tool_choice(given: str | Mapping[str, Any]) -> str | Wire:
    if isinstance(given, str) or given["type"] == "allowed_tools":
        return given if isinstance(given, str) else "auto"
    return {"type": "function", "name": given.get("name")}


def _check_calls(items: Sequence[Wire]) -> None:
    """Every call has its output, and every output its call."""
    calls = {item["call_id"] for item in items if item["type"] == "function_call"}
    outputs = {item["call_id"] for item in items if item["type"] == "function_call_output"}
    for missing in sorted(calls - outputs):
        message = f"No tool output found for function call {missing}."
        raise Refusal("invalid_value", message, param="input")
    for unknown in sorted(outputs - calls):
        message = f"No tool call found for function call output with call_id {unknown}."
        raise Refusal("invalid_value", message, param="input")


def _item(item: Wire) -> Wire | None:
    """The same as a realtime session has it; None for what says nothing."""
    match item["type"]:
        case "message":
            kind = "output_text" if item["role"] == "assistant" else "input_text"
            role = "system" if item["role"] == "developer" else item["role"]
            return {"type": "message", "role": role, "content": _parts(item["content"], kind)}
        case "function_call":
            return item
        case "function_call_output":
            parts = _parts(item["output"], "input_text")
            output = "".join(part.get("text", "") for part in parts)
            return {**item, "output": output}
    return None


def _parts(content: str | list[Wire], kind: str) -> list[Wire]:
    if isinstance(content, str):
        return [{"type": kind, "text": content}]
    return [{**part, "type": kind} if "text" in part else part for part in content]
