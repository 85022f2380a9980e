"""/threads/…/runs: runs made, gone on with, cancelled, looked at, streamed or not.

Its owner sees that one call is made at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

from realtime_sync.local.refusal import Refusal
from realtime_sync.local.schedule import Flow
from realtime_sync.local.script import Script
from realtime_sync.local.text.answering import Answer, Answers
from realtime_sync.local.text.listing import Listing
from realtime_sync.local.text.running import ACTIVE, Run, thread_event
from realtime_sync.local.text.threads import Assistants, Threads
from realtime_sync.local.text.vocabulary import (
    METADATA_UPDATE,
    RUN,
    THREAD_AND_RUN,
    TOOL_OUTPUTS,
)

__all__ = ["Runs"]

Wire = dict[str, Any]

_KEPT = 10_000  # runs
_SECONDS = 600  # that a run may take
_NOT_YET = (
    *("required_action", "last_error", "started_at", "cancelled_at", "failed_at", "completed_at"),
    *("incomplete_details", "usage"),
)
_GIVEN = ("max_completion_tokens", "max_prompt_tokens", "reasoning_effort")


class Runs:
    """The runs of a server.

    Args:
        answers: With what they are answered.
        script: How they end, and whether they stand still.
        speed: Multiplies the pace; None: everything is due at once.
        lock: Held while one of these is called, and taken by the streams.
        new_id: Makes ids that no other has.
        epoch: Seconds since 1970, now.

    Attributes:
        threads: Where runs write; set once there are any.
        assistants: The same.
    """

    threads: Threads
    assistants: Assistants

    def __init__(
        self,
        answers: Answers,
        *,
        script: Script,
        speed: float | None,
        lock: AbstractContextManager[Any],
        new_id: Callable[[str], str],
        epoch: Callable[[], float],
    ) -> None:
        self._answers = answers
        self._script = script
        self._pace = 0.0 if speed is None else 1 / speed
        self._lock = lock
        self._new_id = new_id
        self._epoch = epoch
        self._now = 0.0
        self._runs: dict[str, Run] = {}
        self._under_way: dict[str, Run] = {}
        self._listings: dict[str, Listing] = {}  # by thread

    def advance(self, now: float) -> None:
        """What no stream drives goes on as far as it would have by now."""
        self._now = now
        for run in list(self._under_way.values()):
            # one that a stream has brought to its end may not have been looked at since
            if run.wire["status"] in ACTIVE and self._epoch() >= run.wire["expires_at"]:
                run.expire()
            while not run.attached and run.due is not None:
                held = run.standing and self._script.held
                if held or now < run.began + run.due * self._pace:
                    break
                run.step()
            if run.wire["status"] not in ACTIVE:
                del self._under_way[run.wire["id"]]

    def check_idle(self, thread_id: str) -> None:
        """Raises `Refusal` while a run of this thread is active."""
        for run in self._active(thread_id):
            raise Refusal(
                "invalid_value",
                f"Can't add messages to {thread_id} while a run {run['id']} is active.",
            )

    def create(self, body: Wire, thread_id: str) -> Wire | Flow:
        """A new run.

        Raises:
            Refusal: The body is wrong, or another run of the thread is active.
        """
        RUN(body, "")
        self.threads.retrieve({}, thread_id)
        for run in self._active(thread_id):
            raise Refusal(
                "invalid_value", f"Thread {thread_id} already has an active run {run['id']}."
            )
        for message in body.get("additional_messages") or ():
            self.threads.add_given(thread_id, message)
        return self._reply(self._begun(body, thread_id), body)

    def create_with_thread(self, body: Wire) -> Wire | Flow:
        """A new run in a new thread."""
        THREAD_AND_RUN(body, "")
        self.assistants.retrieve({}, body["assistant_id"])
        thread = self.threads.create(body.get("thread") or {})
        for message in body.get("additional_messages") or ():
            self.threads.add_given(thread["id"], message)
        run = self._begun(body, thread["id"])
        return self._reply(run, body, first=thread_event("created", thread))

    def list(self, query: Wire, thread_id: str) -> Wire:
        """A page of a thread's."""
        self.threads.retrieve({}, thread_id)
        return self._listing(thread_id).page(query)

    def retrieve(self, _query: Wire, thread_id: str, run_id: str) -> Wire:
        """One of them."""
        return self._found(thread_id, run_id).wire

    def update(self, body: Wire, thread_id: str, run_id: str) -> Wire:
        """Changes its metadata."""
        METADATA_UPDATE(body, "")
        run = self._found(thread_id, run_id)
        run.wire["metadata"] = body.get("metadata") or {}
        return run.wire

    def cancel(self, _body: Wire, thread_id: str, run_id: str) -> Wire:
        """Ends one before its time.

        Raises:
            Refusal: It has ended already.
        """
        run = self._found(thread_id, run_id)
        status = run.wire["status"]
        if status not in ACTIVE or status == "cancelling":
            raise Refusal("invalid_value", f"Cannot cancel run with status '{status}'.")
        run.cancel()
        return run.wire

    def submit(self, body: Wire, thread_id: str, run_id: str) -> Wire | Flow:
        """Goes on with the outputs of all calls.

        Raises:
            Refusal: It waits for none, or these are not those that it waits for.
        """
        TOOL_OUTPUTS(body, "")
        run = self._found(thread_id, run_id)
        status = run.wire["status"]
        if status != "requires_action":
            message = f'Runs in status "{status}" do not accept tool outputs.'
            raise Refusal("invalid_value", message)
        wanted = run.wire["required_action"]["submit_tool_outputs"]["tool_calls"]
        outputs = {one["tool_call_id"]: one["output"] for one in body["tool_outputs"]}
        ids = [call["id"] for call in wanted]
        if sorted(ids) != sorted(outputs):
            message = f"Expected tool outputs for call_ids {ids}, got {list(outputs)}"
            raise Refusal("invalid_value", message, param="tool_outputs")
        run.submit(outputs, self._now)
        return self._reply(run, body)

    def list_steps(self, query: Wire, thread_id: str, run_id: str) -> Wire:
        """A page of one's steps."""
        listing = Listing("run step")
        for step in self._found(thread_id, run_id).steps:
            listing.add(step)
        return listing.page(query)

    def retrieve_step(self, _query: Wire, thread_id: str, run_id: str, step_id: str) -> Wire:
        """One of one's steps."""
        for step in self._found(thread_id, run_id).steps:
            if step["id"] == step_id:
                return step
        raise Refusal("not_found", f"No run step found with id '{step_id}'.")

    def _active(self, thread_id: str) -> Sequence[Wire]:
        return [run for run in self._listing(thread_id) if run["status"] in ACTIVE]

    def _listing(self, thread_id: str) -> Listing:
        if thread_id not in self._listings:
            self._listings[thread_id] = Listing("run", most=2 * _KEPT)
        return self._listings[thread_id]

    def _found(self, thread_id: str, run_id: str) -> Run:
        self.threads.retrieve({}, thread_id)
        return self._runs[self._listing(thread_id).find(run_id)["id"]]

    def _begun(self, body: Wire, thread_id: str) -> Run:
        wire = self._wire(body, thread_id)
        tools = [
            {"type": "function", **tool["function"]}
            for tool in wire["tools"]
            if tool["type"] == "function"
        ]
        choice = body.get("tool_choice") or "auto"
        if isinstance(choice, dict):
            choice = {"type": choice["type"], "name": choice.get("function", {}).get("name")}

        def answer(items: Sequence[Wire], first: bool) -> Answer:
            return self._answers.next(
                items,
                tools=tools,
                # a choice is for the first answer: demanded for ever, a call would never end
                tool_choice=choice if first else "auto",
                limit=body.get("max_completion_tokens"),
                instructions=wire["instructions"],
            )

        run = Run(
            wire,
            threads=self.threads,
            answer=answer,
            ending=self._script.next_ending(),
            lock=self._lock,
            began=self._now,
            new_id=self._new_id,
            epoch=self._epoch,
        )
        self._runs[wire["id"]] = self._under_way[wire["id"]] = run
        self._listing(thread_id).add(wire)
        self._forget_oldest()
        return run

    def _forget_oldest(self) -> None:
        if len(self._runs) > _KEPT:
            oldest = self._runs.pop(next(iter(self._runs)))
            self._under_way.pop(oldest.wire["id"], None)
            listing = self._listings[oldest.wire["thread_id"]]
            listing.remove(oldest.wire["id"])
            if not list(listing):
                del self._listings[oldest.wire["thread_id"]]

    def _wire(self, body: Wire, thread_id: str) -> Wire:
        assistant = self.assistants.retrieve({}, body["assistant_id"])
        instructions = body.get("instructions") or assistant["instructions"] or ""
        added = body.get("additional_instructions")

        def either(name: str) -> Any:
            return assistant[name] if body.get(name) is None else body[name]

        return {
            "id": self._new_id("run_"),
            "object": "thread.run",
            "created_at": int(self._epoch()),
            "expires_at": int(self._epoch()) + _SECONDS,
            "assistant_id": assistant["id"],
            "thread_id": thread_id,
            "status": "queued",
            **dict.fromkeys(_NOT_YET),
            "instructions": "\n".join(filter(None, (instructions, added))),
            **{name: either(name) for name in ("model", "tools", "temperature", "top_p")},
            "response_format": either("response_format"),
            **{name: body.get(name) for name in _GIVEN},
            "metadata": body.get("metadata") or {},
            "parallel_tool_calls": body.get("parallel_tool_calls", True),
            "tool_choice": body.get("tool_choice") or "auto",
            "truncation_strategy": body.get("truncation_strategy")
            or {"type": "auto", "last_messages": None},
        }

    def _reply(self, run: Run, body: Wire, *, first: Wire | None = None) -> Wire | Flow:
        if not body.get("stream"):
            return run.wire
        steps, ended = run.flow(first=first)
        return Flow(steps, run, True, ended)
