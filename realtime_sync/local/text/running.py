"""One run of an assistant: its steps, in the order and at the pace of the service.

No clock: a step says how long after the run's beginning, or its going on, it is due.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

from realtime_sync.local.answers import Call, Fail, Say
from realtime_sync.local.responses import THINKING, WORD_GAP, Step
from realtime_sync.local.text.answering import Answer, Progress, pieces_of
from realtime_sync.local.text.threads import Threads

__all__ = ["ACTIVE", "Run", "thread_event"]

Wire = dict[str, Any]

ACTIVE = ("queued", "in_progress", "requires_action", "cancelling")
_ERRORS = ("server_error", "rate_limit_exceeded", "invalid_prompt")
_TIMES = {"completed": "completed_at", "failed": "failed_at", "cancelled": "cancelled_at"}


def thread_event(kind: str, one: Wire) -> Wire:
    """A server-sent event that tells of an object as it is now."""
    return {"event": f"thread.{kind}", "data": copy.deepcopy(one)}


class Run(Progress):
    """A run from its making to its end.

    Args:
        wire: The run as it is reported.
        threads: Where its messages go.
        answer: Answers a context, in the run's tools; told whether it is the run's first answer.
        ending: The status that it is to end with, None for what its answer comes to.
        lock: Guards it.
        began: When it did.
        new_id: Makes ids that no other has.
        epoch: Seconds since 1970, now.

    Attributes:
        wire: The run as it is reported.
        steps: Its run steps, oldest first.
        began: When it did, or when it went on.
    """

    def __init__(
        self,
        wire: Wire,
        *,
        threads: Threads,
        answer: Callable[[Sequence[Wire], bool], Answer],
        ending: str | None,
        lock: AbstractContextManager[Any],
        began: float,
        new_id: Callable[[str], str],
        epoch: Callable[[], float],
    ) -> None:
        super().__init__(None)
        self.wire = wire
        self.steps: list[Wire] = []
        self.began = began
        self._threads = threads
        self._answer = answer
        self._ending = None if ending == "completed" else ending
        self._lock = lock
        self._new_id = new_id
        self._epoch = epoch
        self._context = threads.items(wire["thread_id"])
        self._message: Wire | None = None  # the one that is being written
        self._spent = [0, 0]  # tokens taken and made
        self._stream: object | None = None  # the one that drives it
        self._plan = self._begin()  # what is still to come
        self._next: Step | None = next(self._plan, None)

    @property
    def due(self) -> float | None:
        """Seconds after its beginning when it goes on; None: not by itself."""
        return self._next[0] if self._next is not None else None

    @property
    def attached(self) -> bool:
        """Whether a stream drives it."""
        return self._stream is not None

    def flow(self, *, first: Wire | None = None) -> tuple[Iterator[Step], Callable[[], None]]:
        """Hands it to a new stream; hold the lock.

        Returns:
            Its events until it ends or waits, and the last word of every stream; and what is to be
            called when the stream's connection is no more, which may be long after.
        """
        stream = self._stream = object()
        return self._events(stream, first), partial(self._leave, stream)

    def _events(self, stream: object, first: Wire | None) -> Iterator[Step]:
        at = 0.0
        if first is not None:
            yield at, lambda: [first]
        while (due := self._due_of(stream)) is not None:
            at = due
            yield at, partial(self._locked_step, stream)
        # before its last word: whoever reads that may ask at once what has become of the run
        self._leave(stream)
        yield at, lambda: [{"event": "done", "data": "[DONE]"}]

    def _due_of(self, stream: object) -> float | None:
        with self._lock:  # it may go on in another stream before this one looks
            return self.due if self._stream is stream else None

    def _leave(self, stream: object) -> None:
        with self._lock:
            if self._stream is stream:  # else the run has gone on in another
                self._stream = None

    def step(self) -> list[Wire]:
        """Does what is next; hold the lock."""
        make = self._next[1] if self._next is not None else None
        if make is None:
            return []
        events = make()
        self._next = next(self._plan, None)
        return events

    def cancel(self) -> None:
        """Ends it before its time; hold the lock."""
        self.wire["status"] = "cancelling"
        self._hold = None
        self._go(iter([(0.0, self._cancelling), (0.0, partial(self._end, "cancelled"))]))

    def expire(self) -> None:
        """Ends it because nobody has answered; hold the lock."""
        self._go(iter([(0.0, partial(self._end, "expired"))]))

    def submit(self, outputs: dict[str, str], now: float) -> None:
        """Goes on with the outputs of all calls that it waits for; hold the lock."""
        step = self.steps[-1]
        calls = step["step_details"]["tool_calls"]
        for call in calls:
            function = call["function"]
            called = {"name": function["name"], "arguments": function["arguments"]}
            self._context.append({"type": "function_call", "call_id": call["id"], **called})
        for call in calls:
            output = call["function"]["output"] = outputs[call["id"]]
            answered = {"call_id": call["id"], "output": output}
            self._context.append({"type": "function_call_output", **answered})
        self.wire.update(status="queued", required_action=None)
        self.began = now
        self._go(self._go_on(step))

    def _go(self, plan: Iterator[Step]) -> None:
        self._plan = plan
        self._next = next(plan, None)

    def _locked_step(self, stream: object) -> list[Wire]:
        with self._lock:
            return self.step() if self._stream is stream else []

    def _begin(self) -> Iterator[Step]:
        yield 0.0, lambda: self._told("run.created", "run.queued")
        yield from self._round()

    def _go_on(self, step: Wire) -> Iterator[Step]:
        yield 0.0, partial(self._close_step, step, "completed")
        yield 0.0, lambda: self._told("run.queued")
        yield from self._round()

    def _round(self) -> Iterator[Step]:
        """One answer of the model."""
        answer = self._answer(self._context, not self.steps)
        self._hold, self.deltas = answer.hold, 0
        self._spent = [self._spent[0] + answer.taken, self._spent[1] + answer.made]
        yield THINKING, self._start
        at = THINKING
        for part in answer.parts:
            if isinstance(part, Say):
                yield at, self._begin_message
                for word in pieces_of(part):
                    at += WORD_GAP
                    yield at, partial(self._delta, word)
                whole = part is not answer.parts[-1] or not (answer.cut or self._ending)
                if whole:
                    yield at, self._close_message
        if isinstance(answer.failure, Fail):
            yield at, partial(self._fail, answer.failure)
        elif answer.cut:
            yield at, partial(self._end, "incomplete")
        elif answer.calls:
            yield from self._ask(answer.calls, at)
        else:
            yield at, partial(self._end, self._ending or "completed")

    def _ask(self, calls: Sequence[Call], at: float) -> Iterator[Step]:
        """The calls of one answer: the run waits for the outputs of them all."""
        step = self._new_step("tool_calls", {"tool_calls": []})
        yield at, partial(self._begin_step, step)
        for index, call in enumerate(calls):
            function = {"name": call.name, "arguments": "", "output": None}
            shown = {"id": self._new_id("call_"), "type": "function", "function": function}
            yield at, partial(self._begin_call, step, index, shown)
            for piece in pieces_of(call):
                at += WORD_GAP
                yield at, partial(self._call_delta, step, index, piece)
        if self._ending is None:
            yield at, partial(self._wait, step)
        else:
            yield at, partial(self._end, self._ending)

    def _start(self) -> list[Wire]:
        self.wire.update(status="in_progress", started_at=int(self._epoch()))
        return self._told("run.in_progress")

    def _begin_message(self) -> list[Wire]:
        message = self._threads.new_message(self.wire["thread_id"], "assistant", [])
        message.update(assistant_id=self.wire["assistant_id"], run_id=self.wire["id"])
        details = {"message_creation": {"message_id": message["id"]}}
        begun = self._begin_step(self._new_step("message_creation", details))
        self._message = message
        told = [thread_event(f"message.{kind}", message) for kind in ("created", "in_progress")]
        message["content"] = [{"type": "text", "text": {"value": "", "annotations": []}}]
        return [*begun, *told]

    def _delta(self, word: str) -> list[Wire]:
        assert self._message is not None
        self.deltas += 1
        self._message["content"][0]["text"]["value"] += word
        text = {"index": 0, "type": "text", "text": {"value": word}}
        return [self._changed("message", self._message, {"content": [text]})]

    def _close_message(self) -> list[Wire]:
        message, self._message = self._message, None
        assert message is not None
        message.update(status="completed", completed_at=int(self._epoch()))
        text = message["content"][0]["text"]["value"]
        said = {"type": "output_text", "text": text}
        self._context.append({"type": "message", "role": "assistant", "content": [said]})
        closed = self._close_step(self.steps[-1], "completed")
        return [thread_event("message.completed", message), *closed]

    def _new_step(self, kind: str, details: Wire) -> Wire:
        wire = {name: self.wire[name] for name in ("thread_id", "assistant_id")}
        return {
            "id": self._new_id("step_"),
            "object": "thread.run.step",
            "created_at": int(self._epoch()),
            "run_id": self.wire["id"],
            **wire,
            "type": kind,
            "status": "in_progress",
            "step_details": {"type": kind, **details},
            **dict.fromkeys(
                ("cancelled_at", "completed_at", "expired_at", "failed_at", "last_error", "usage")
            ),
            "metadata": {},
        }

    def _begin_step(self, step: Wire) -> list[Wire]:
        self.steps.append(step)
        return [thread_event(f"run.step.{kind}", step) for kind in ("created", "in_progress")]

    def _close_step(self, step: Wire, status: str) -> list[Wire]:
        step.update(status=status, usage=self._usage(0, 0))
        step[f"{status}_at"] = int(self._epoch())
        return [thread_event(f"run.step.{status}", step)]

    def _begin_call(self, step: Wire, index: int, call: Wire) -> list[Wire]:
        step["step_details"]["tool_calls"].append(copy.deepcopy(call))
        return [self._changed_call(step, {"index": index, **call})]

    def _call_delta(self, step: Wire, index: int, piece: str) -> list[Wire]:
        self.deltas += 1
        step["step_details"]["tool_calls"][index]["function"]["arguments"] += piece
        function = {"arguments": piece}
        return [
            self._changed_call(step, {"index": index, "type": "function", "function": function})
        ]

    def _changed_call(self, step: Wire, call: Wire) -> Wire:
        details = {"type": "tool_calls", "tool_calls": [call]}
        return self._changed("run.step", step, {"step_details": details})

    def _changed(self, kind: str, one: Wire, delta: Wire) -> Wire:
        changed = {"id": one["id"], "object": f"thread.{kind}.delta", "delta": delta}
        return thread_event(f"{kind}.delta", changed)

    def _wait(self, step: Wire) -> list[Wire]:
        calls = copy.deepcopy(step["step_details"]["tool_calls"])
        for call in calls:
            del call["function"]["output"]
        wanted = {"type": "submit_tool_outputs", "submit_tool_outputs": {"tool_calls": calls}}
        self.wire.update(status="requires_action", required_action=wanted)
        return self._told("run.requires_action")

    def _cancelling(self) -> list[Wire]:
        return self._told("run.cancelling")

    def _fail(self, fail: Fail) -> list[Wire]:
        code = fail.code if fail.code in _ERRORS else "server_error"
        self.wire["last_error"] = {"code": code, "message": fail.message}
        return self._end("failed")

    def _end(self, status: str) -> list[Wire]:
        """Closes what is open, and the run."""
        events = []
        message, self._message = self._message, None
        if message is not None:
            reason = "max_tokens" if status == "incomplete" else f"run_{status}"
            message.update(status="incomplete", incomplete_at=int(self._epoch()))
            message["incomplete_details"] = {"reason": reason}
            events.append(thread_event("message.incomplete", message))
        if self.steps and self.steps[-1]["status"] == "in_progress":
            closed = "completed" if status == "incomplete" else status
            events += self._close_step(self.steps[-1], closed)
        if status == "incomplete":
            self.wire["incomplete_details"] = {"reason": "max_completion_tokens"}
        if status == "failed" and self.wire["last_error"] is None:
            self.wire["last_error"] = {"code": "server_error", "message": "The run has failed."}
        self.wire.update(status=status, required_action=None, usage=self._usage(*self._spent))
        if status in _TIMES:
            self.wire[_TIMES[status]] = int(self._epoch())
        return [*events, *self._told(f"run.{status}")]

    def _usage(self, taken: int, made: int) -> Wire:
        return {
            "prompt_tokens": taken,
            "completion_tokens": made,
            "total_tokens": taken + made,
        }

    def _told(self, *kinds: str) -> list[Wire]:
        return [thread_event(kind, self.wire) for kind in kinds]
