"""One run of an assistant, as it is streamed: events of the API in, pieces of a response out."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import ConnectionLost, ProtocolError, ResponseFailed
from ..events.items import Item
from .model import OUTPUT, Call, Changed, Counted, Ended, Piece, Text
from .service import Service, hang_up
from .threads import named

__all__ = ["ACTIVE", "RunStatus", "ThreadRun"]

log = logging.getLogger(__name__)

Wire = dict[str, Any]

#: Statuses in which a run keeps its thread to itself.
ACTIVE = frozenset({"queued", "in_progress", "requires_action", "cancelling"})
#: Why a run is incomplete -> what a response says.
_REASONS = {"max_completion_tokens": "max_output_tokens"}


@dataclass(frozen=True, slots=True)
class RunStatus:
    """A run, as the API said last.

    Attributes:
        id: "" until the API has named it.
        thread_id: The thread that it is of.
        status: "queued", "in_progress", "requires_action", "cancelling", "cancelled", "failed",
            "completed", "incomplete" or "expired".
        error: Of a failed one: code and message.
        reason: Why it is incomplete, e.g. "max_completion_tokens".
    """

    id: str
    thread_id: str
    status: str
    error: tuple[str, str] | None = None
    reason: str | None = None


class ThreadRun:
    """A run, over one stream after the other: each round of outputs brings a new one.

    Args:
        stream: The first.
        thread_id: The thread that it is of.
        service: Reads streams.
        cancel: Has the API end it.
        name_call: Makes the id of a call unlike all others.
        told: Called whenever something new is known of it.
        changed: What the conversation is to become first.
        over: Called when no more comes of it.

    Attributes:
        status: What the API said last.
        answered: Ids of its calls whose outputs it was given last.
    """

    def __init__(
        self,
        stream: Any,
        thread_id: str,
        *,
        service: Service,
        cancel: Callable[[str, str], None],
        name_call: Callable[[str], str],
        told: Callable[[ThreadRun], None],
        changed: Changed | None = None,
        over: Callable[[], None] | None = None,
    ) -> None:
        self.thread_id = thread_id
        self.status = RunStatus("", thread_id, "queued")
        self.answered: list[str] = []
        self._stream: Any = stream  # None: the run had ended before there was one
        self._service = service
        self._cancel = cancel
        self._name_call = name_call
        self._told = told
        self._changed = changed
        self._over = over
        self._names: dict[str, str] = {}  # the API's ids of its calls -> ours
        self._waiting: list[str] = []  # the API's ids of the calls that it waits for
        self._said: set[str] = set()  # ids of messages whose text has come
        self._wire: Wire = {}

    @property
    def waits(self) -> bool:
        """Whether it waits for outputs."""
        return self.status.status == "requires_action"

    def outputs(self, items: Sequence[Item]) -> list[Wire] | None:
        """The outputs of all calls that it waits for; None where one is missing or not the last."""
        known = {item.call_id: item.output or "" for item in items if item.type == OUTPUT}
        self.answered = [self._names[call_id] for call_id in self._waiting]
        # said behind the outputs, a message cannot come into this run any more
        last = items[-1].call_id if items and items[-1].type == OUTPUT else None
        if last not in self.answered or not all(name in known for name in self.answered):
            return None
        return [
            {"tool_call_id": call_id, "output": known[name]}
            for call_id, name in zip(self._waiting, self.answered, strict=True)
        ]

    def go_on(self, stream: Any) -> None:
        """Another stream of it."""
        self._stream, self._waiting, self._changed = stream, [], None

    def update(self, wire: Wire) -> None:
        """Takes what the API says of the run."""
        error, why = wire.get("last_error"), wire.get("incomplete_details")
        self._wire = wire
        self.status = RunStatus(
            str(wire.get("id", "")),
            self.thread_id,
            str(wire.get("status")),
            self._error(error) if error else None,
            why.get("reason") if why else None,
        )
        self._told(self)

    def _error(self, error: Wire) -> tuple[str, str]:
        return str(error.get("code")), self._service.without_key(str(error.get("message")))

    def stop(self) -> None:
        """See `Run`."""
        hang_up(self._stream)

    def close(self) -> None:
        """See `Run`."""
        if self._stream is not None:
            self._stream.close()
        if not self.waits or self._over is not None:
            self.cancel()
        if self._over is not None:
            self._over()

    def abandon(self) -> None:
        """Ends it, whoever reads it, or waits for its calls. Blocks; from any thread."""
        self.stop()
        self.cancel()

    def cancel(self) -> None:
        """Has the API end it, if it has not ended."""
        if self.status.id and self.status.status in ACTIVE - {"cancelling"}:
            self.status = RunStatus(self.status.id, self.thread_id, "cancelling")
            self._cancel(self.thread_id, self.status.id)

    def __iter__(self) -> Iterator[Piece]:
        if self._changed is not None:
            yield self._changed
        if self._stream is None:
            yield self._end()
            return
        calls = _Calls(self._names, self._name_call)
        try:
            for event in self._service.read(self._stream):
                if event == {}:  # a sign of life
                    continue
                if "event" not in event:  # the client knows no other events than a thread's
                    self._check_no_error(event)
                kind = str(event["event"]).removeprefix("thread.")
                yield from self._pieces(kind, event["data"], calls)
                if kind.startswith("run.") and kind.count(".") == 1 and self._is_over:
                    yield from self._last(calls)
                    return
        except (TypeError, AttributeError, KeyError, IndexError) as exc:
            raise ProtocolError(f"an event of the stream has another shape: {exc!r}") from exc
        raise ConnectionLost("the stream ended before the run had", code=1006)

    def _check_no_error(self, told: Wire) -> None:
        code, message = told.get("code"), self._service.without_key(told.get("message"))
        if message or code:
            text = f"the response failed: {message or code}"
            raise ResponseFailed(text, code=code, type="error", message=message)

    @property
    def _is_over(self) -> bool:
        return self.waits or self.status.status not in ACTIVE

    def _pieces(self, kind: str, data: Wire, calls: _Calls) -> Iterator[Piece]:
        if kind.startswith("run.") and kind.count(".") == 1:
            self.update(data)
        elif kind == "message.delta":
            for part in data["delta"].get("content") or ():
                text = _text(part)
                if text:
                    self._said.add(data["id"])
                    yield Text(text, named(data["id"]))
        elif kind in ("message.completed", "message.incomplete") and data["id"] not in self._said:
            # some servers tell of a message at the end only
            self._said.add(data["id"])
            yield from (Text(_text(part), named(data["id"])) for part in data.get("content") or ())
        elif kind == "run.step.delta":
            details = data["delta"].get("step_details") or {}
            for call in details.get("tool_calls") or ():
                if call.get("type") == "function":
                    yield calls.piece(data["id"], call)

    def _last(self, calls: _Calls) -> Iterator[Piece]:
        """The last pieces, by the status that the run has come to."""
        if self.waits:
            wanted = self._wire["required_action"]["submit_tool_outputs"]["tool_calls"]
            self._waiting = [call["id"] for call in wanted]
            for call in wanted:
                yield from calls.whole(call)
        elif self._wire.get("usage"):
            yield Counted(_usage(self._wire["usage"]))
        yield self._end()

    def _end(self) -> Ended:
        return _ENDS.get(self.status.status, _strange)(self.status)


class _Calls:
    """The calls of one round."""

    def __init__(self, names: dict[str, str], name_call: Callable[[str], str]) -> None:
        self._names = names
        self._name_call = name_call
        self._ids: dict[Any, str] = {}  # step and index -> the API's id
        self._seen: set[str] = set()  # the API's ids of those that have begun

    def piece(self, step: str, call: Wire) -> Call:
        """A piece of one."""
        function = call.get("function") or {}
        place = (step, call.get("index"))
        call_id = call.get("id") or self._ids[place]  # some servers give no index, and each its id
        name: str | None = None
        if call_id not in self._seen:
            name = function.get("name")
        self._ids[place] = call_id
        self._seen.add(call_id)
        return Call(call_id, self._name(call_id), name, function.get("arguments") or "")

    def whole(self, call: Wire) -> Iterator[Call]:
        """One that no piece has come of: some servers tell of it at the end only."""
        if call["id"] not in self._seen:
            function = call["function"]
            name = self._name(call["id"])
            yield Call(call["id"], name, function["name"], function.get("arguments") or "")

    def _name(self, call_id: str) -> str:
        if call_id not in self._names:
            self._names[call_id] = self._name_call(call_id)
        return self._names[call_id]


def _text(part: Wire) -> str:
    text = part.get("text")
    if isinstance(text, dict):
        return str(text.get("value") or "")
    return str(part.get("refusal") or "")


def _usage(usage: Wire) -> Wire:
    taken, made = usage.get("prompt_tokens") or 0, usage.get("completion_tokens") or 0
    return {
        "total_tokens": taken + made,
        "input_tokens": taken,
        "output_tokens": made,
        "input_token_details": {"text_tokens": taken},
        "output_token_details": {"text_tokens": made},
    }


def _incomplete(status: RunStatus) -> Ended:
    return Ended("incomplete", _REASONS.get(status.reason or "", status.reason))


def _failed(status: RunStatus) -> Ended:
    code, message = status.error or ("server_error", "the run has failed, and nothing says why")
    return Ended("failed", error={"type": "server_error", "code": code, "message": message})


def _expired(_: RunStatus) -> Ended:
    message = "the run has expired: its outputs, or the model, took longer than ten minutes"
    return Ended("failed", error={"type": "server_error", "code": "expired", "message": message})


def _strange(status: RunStatus) -> Ended:
    message = f"the run ended as {status.status!r}, which no run does"
    return Ended("failed", error={"type": "server_error", "code": None, "message": message})


#: How a run has ended -> how the response has.
_ENDS: dict[str, Callable[[RunStatus], Ended]] = {
    "requires_action": lambda _: Ended(),
    "completed": lambda _: Ended(),
    "incomplete": _incomplete,
    "cancelled": lambda _: Ended("cancelled", "run_cancelled"),
    "failed": _failed,
    "expired": _expired,
}
